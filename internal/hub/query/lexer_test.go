package query_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
)

func TestTokens(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{" \t\r\n ", nil},
		{"select Top FROM where", []string{"keyword SELECT", "keyword TOP", "keyword FROM", "keyword WHERE"}},
		{"nin nIN undefined", []string{"keyword NIN", "keyword NIN", "keyword UNDEFINED"}},
		{"deviceId $version _x ärger x1", []string{"word deviceId", "word $version", "word _x", "word ärger", "word x1"}},
		// A letter that only folds into a Latin one makes no keyword.
		{"ſelect aſ", []string{"word ſelect", "word aſ"}},
		{"tags.a", []string{"word tags", "symbol .", "word a"}},
		{"[[my-config]] [[a.b]] [[ x ]]", []string{"escaped my-config", "escaped a.b", "escaped  x "}},
		{"[[a[0]]]", []string{"escaped a[0", "symbol ]"}},
		{"['a',1]", []string{"symbol [", "string a", "symbol ,", "number 1", "symbol ]"}},
		{"= != <> < > <= >=", []string{"symbol =", "symbol !=", "symbol !=", "symbol <", "symbol >", "symbol <=", "symbol >="}},
		{"+ - * / % ( )", []string{"symbol +", "symbol -", "symbol *", "symbol /", "symbol %", "symbol (", "symbol )"}},
		{"a<>b<=1", []string{"word a", "symbol !=", "word b", "symbol <=", "number 1"}},
		{"0 007 12 1.5 1.50 1e3 2.5E-1 1e+2", []string{"number 0", "number 7", "number 12", "number 1.5", "number 1.5", "number 1000", "number 0.25", "number 100"}},
		{"0xFF 0Xff 0x1fffffffffffff", []string{"number 255", "number 255", "number 9007199254740991"}},
		{"1.", []string{"number 1", "symbol ."}},
		{".5", []string{"symbol .", "number 5"}},
		{`'a' "b" 'a"b' "a'b" ''`, []string{"string a", "string b", `string a"b`, "string a'b", "string "}},
		{`'\'' "\"" '\\' '\/' '\n\t'`, []string{"string '", `string "`, `string \`, "string /", "string \n\t"}},
		{`'\u0041\u00e9\u20AC' '\ud83d\ude00'`, []string{"string Aé€", "string 😀"}},
		{"'two\nlines'", []string{"string two\nlines"}},
	} {
		got, err := query.Tokens(tt.text)
		if err != nil {
			t.Errorf("Tokens(%q): %v", tt.text, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("Tokens(%q) (-want +got):\n%s", tt.text, diff)
		}
	}
}

func TestTokenErrors(t *testing.T) {
	for _, tt := range []struct{ text, place, want string }{
		{"a == b", "line 1, column 3", "write ="},
		{"a && b", "line 1, column 3", "write AND"},
		{"a || b", "line 1, column 3", "write OR"},
		{"!a", "line 1, column 1", "write NOT"},
		{"a;", "line 1, column 2", "without a semicolon"},
		{"a\n  ?", "line 2, column 3", `'?'`},
		{"äö ?", "line 1, column 4", `'?'`},
		{"'abc", "line 1, column 1", "no closing '"},
		{`"abc'`, "line 1, column 1", `no closing "`},
		{`'abc\`, "line 1, column 5", "backslash"},
		{`'\x'`, "line 1, column 2", "backslash"},
		{`'\u12'`, "line 1, column 2", "backslash"},
		{`'\u12g4'`, "line 1, column 2", "backslash"},
		{`'\u+123'`, "line 1, column 2", "backslash"},
		{`'\ud83d'`, "line 1, column 2", "must be a pair"},
		{`'\ude00\ud83d'`, "line 1, column 2", "must be a pair"},
		{"[[abc", "line 1, column 1", "no closing ]]"},
		{"[[]]", "line 1, column 1", "must hold a name"},
		{"2floor", "line 1, column 1", "[[2…]]"},
		{"0x", "line 1, column 1", "not a number"},
		{"0x20000000000000", "line 1, column 1", "not a number"},
		{"1e999", "line 1, column 1", "not a number"},
		{"0xfg", "line 1, column 1", "runs into a number"},
	} {
		_, err := query.Tokens(tt.text)
		if got := tvilling.CodeOf(err); got != tvilling.InvalidArgument {
			t.Errorf("Tokens(%q): code %q, want %q", tt.text, got, tvilling.InvalidArgument)
			continue
		}
		got := tvilling.MessageOf(err)
		if !strings.Contains(got, "at "+tt.place+":") || !strings.Contains(got, tt.want) {
			t.Errorf("Tokens(%q): %q, want %q at %s", tt.text, got, tt.want, tt.place)
		}
	}
}
