package devices

import (
	"encoding/json"
	"testing"
)

func TestTagsAreTypedAndReadBack(t *testing.T) {
	t.Parallel()
	for _, value := range []string{`"lab"`, `"3"`, `3`, `true`, `"true"`, `""`, `" x"`, `"a\nb"`, `{"a":1}`, `"null"`, `"[1"`, `"\u202e"`} {
		typed := typedTag(json.RawMessage(value))
		if typed == "" {
			t.Errorf("%s is typed as nothing, which removes it", value)
		}
		var want, got any
		if err := json.Unmarshal([]byte(value), &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(readTag(typed), &got); err != nil {
			t.Fatalf("%s, typed as %q: %v", value, typed, err)
		}
		a, _ := json.Marshal(want)
		b, _ := json.Marshal(got)
		if string(a) != string(b) {
			t.Errorf("%s, typed as %q, is read as %s", value, typed, b)
		}
	}
}

func TestTagPatch(t *testing.T) {
	t.Parallel()
	old := map[string]string{"site": "lab", "line": "3", "o": `{"a":1}`}
	for _, tt := range []struct {
		name   string
		fields []tagField
		want   string
	}{
		{"nothing", []tagField{{"site", "lab"}, {"line", "3"}, {"o", `{"a":1}`}, {"", ""}}, `{}`},
		{"changed, removed, new", []tagField{{"site", "x"}, {"line", ""}, {"o", `{"a":1}`}, {"n", "4"}}, `{"line":null,"n":4,"site":"x"}`},
		{"renamed", []tagField{{"place", "lab"}, {"line", "3"}, {"o", `{"a":1}`}}, `{"place":"lab","site":null}`},
		{"no name", []tagField{{"", "x"}}, ""},
		{"twice", []tagField{{"a", "x"}, {"a", "y"}}, ""},
		{"inside an object", []tagField{{"site", "lab"}, {"line", "3"}, {"o", `{"b":1}`}}, ""},
	} {
		got, err := tagPatch(tt.fields, old)
		if (err != nil) != (tt.want == "") || string(got) != tt.want {
			t.Errorf("%s: got %s, %v, want %s", tt.name, got, err, tt.want)
		}
	}
}
