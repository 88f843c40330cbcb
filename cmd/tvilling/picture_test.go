package main

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestBar(t *testing.T) {
	for _, tt := range []struct {
		n, most int64
		want    string
	}{
		{0, 10, ""},
		{-1, 10, ""},
		{5, 0, ""},
		{10, 10, "████"},
		{5, 10, "██"},
		{1, 1_000_000, "▏"},
		{20, 10, "████"},
		{3, 8, "█▌"},
		{1<<63 - 1, 1<<63 - 1, "████"},
	} {
		if got := bar(tt.n, tt.most, 4); got != tt.want {
			t.Errorf("bar(%d of %d) = %q, want %q", tt.n, tt.most, got, tt.want)
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 12: "12", 999: "999", 1000: "1,000", -1234567: "-1,234,567", 100_000: "100,000"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %q, want %q", n, got, want)
		}
	}
}

// TestWrap: lines are no longer than they may be, nothing is lost, and a word
// that is longer stays whole.
func TestWrap(t *testing.T) {
	long := strings.Repeat("x", 3*lineWidth)
	text := strings.Repeat("wörd and ", 60) + long + " end"
	var b strings.Builder
	wrap(&b, "  ", text)
	for l := range strings.Lines(b.String()) {
		l = strings.TrimSuffix(l, "\n")
		if !strings.HasPrefix(l, "  ") || utf8.RuneCountInString(l) > lineWidth && !strings.Contains(l, long) {
			t.Errorf("line %q", l)
		}
	}
	if got, want := strings.Fields(b.String()), strings.Fields(text); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	b.Reset()
	if wrap(&b, "  ", " "); b.String() != "" {
		t.Errorf("nothing is written as %q", b.String())
	}
}
