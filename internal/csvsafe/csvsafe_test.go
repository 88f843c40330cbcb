package csvsafe_test

import (
	"encoding/csv"
	"strings"
	"testing"
	"unicode"

	"github.com/tvilling/tvilling/internal/csvsafe"
)

func text(cells ...string) string { return string(csvsafe.Append(nil, cells)) }

func TestAppend(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ cell, want string }{
		{"plain", "plain"},
		{"", ""},
		{"a,b", `"a,b"`},
		{`say "a"`, `"say ""a"""`},
		{"two\nlines", "\"two\nlines\""},
		{"=1+1", "'=1+1"},
		{"+1", "'+1"},
		{"-1", "'-1"},
		{"@SUM(1)", "'@SUM(1)"},
		{"\t=1", "'\t=1"},
		{"\r=1", "\"'\r=1\""},
		{"=a,b", `"'=a,b"`},
		{"a=1", "a=1"},
		{"\x1b[31m\u0085\x7f\u202e\u2028\x00", `\u001b[31m\u0085\u007f\u202e\u2028\u0000`},
		{"bad \xff", "bad \ufffd"},
		{"é 漢 😀", "é 漢 😀"},
	} {
		if got := strings.TrimSuffix(text(tt.cell), "\r\n"); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.cell, got, tt.want)
		}
	}
	if got := text("a", "", "b"); got != "a,,b\r\n" {
		t.Errorf("got %q", got)
	}
}

// FuzzAppend: a reader of CSV gets as many cells as were written, none a formula,
// none with a character that does something to a terminal.
func FuzzAppend(f *testing.F) {
	for _, s := range []string{"=1", "a,\"b\"\r\n", "\x1b[2J\u202e", "\xff\t", "'", "\r"} {
		f.Add(s, "x")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		line := text(a, "middle", b)
		r := csv.NewReader(strings.NewReader(line))
		list, err := r.ReadAll()
		if err != nil || len(list) != 1 || len(list[0]) != 3 || list[0][1] != "middle" {
			t.Fatalf("%q: got %q, %v", line, list, err)
		}
		for _, cell := range list[0] {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				t.Errorf("%q may be taken for a formula", cell)
			}
		}
		for _, c := range line {
			if unicode.IsControl(c) && c != '\t' && c != '\r' && c != '\n' {
				t.Errorf("%q has the control character %q", line, c)
			}
		}
	})
}
