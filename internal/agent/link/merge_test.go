package link_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/agent/link"
)

func TestMerge(t *testing.T) {
	for _, tt := range []struct{ doc, patch, want string }{
		{`{}`, `{}`, `{}`},
		{`{"a":1}`, `{"a":2}`, `{"a":2}`},
		{`{"a":1,"b":2}`, `{"a":null}`, `{"b":2}`},
		{`{"a":1}`, `{"b":null}`, `{"a":1}`},
		{`{"a":{"b":1,"c":2}}`, `{"a":{"b":null,"d":[1,{"e":null}]}}`, `{"a":{"c":2,"d":[1,{"e":null}]}}`},
		{`{"a":[1,2]}`, `{"a":[3]}`, `{"a":[3]}`},
		{`{"a":1}`, `{"a":{"b":null,"c":1}}`, `{"a":{"c":1}}`},
		{`{"a":{"b":1}}`, `{"a":7}`, `{"a":7}`},
		{`{}`, `{"a":{"b":null}}`, `{"a":{}}`}, // wire §2.4
		{`{"n":1.50,"$version":1}`, "{ \"$version\" :\t2 }", `{"n":1.50,"$version":2}`},
		{`{"a\u0062":1}`, `{"ab":2}`, `{"a\u0062":2}`},
		{`{"é":1}`, `{"\u00e9":null}`, `{}`},
		{`{"a":1,"a":2,"b":0}`, `{"c":1,"c":null}`, `{"a":2,"b":0}`},
		{` {"s":"}\"{\\"} `, `{"t":"\\"}`, `{"s":"}\"{\\","t":"\\"}`},
	} {
		got, err := link.Merge([]byte(tt.doc), []byte(tt.patch))
		if err != nil || string(got) != tt.want {
			t.Errorf("%s with %s = %s (%v), want %s", tt.doc, tt.patch, got, err, tt.want)
		}
	}
}

func TestMergeRefuses(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + `1` + strings.Repeat(`}`, n) }
	large := `{"a":"` + strings.Repeat("x", link.MaxSection/2) + `"}`
	for _, tt := range []struct{ doc, patch string }{
		{`[]`, `{}`},
		{`{}`, `null`},
		{``, `{}`},
		{`{}`, `{"a":}`},
		{`{}`, `{} {}`},
		{`{}`, deep(link.MaxDepth + 1)},
		{large, strings.Replace(large, "a", "b", 1)},
		{`{}`, `{"a":"` + strings.Repeat("x", link.MaxSection) + `"}`},
	} {
		if got, err := link.Merge([]byte(tt.doc), []byte(tt.patch)); err == nil {
			t.Errorf("%.40s with %.40s = %.40s, want an error", tt.doc, tt.patch, got)
		}
	}
	if _, err := link.Merge([]byte(`{}`), []byte(deep(link.MaxDepth))); err != nil {
		t.Errorf("a patch of the deepest kind: %v", err)
	}
}

// reference is merge on decoded values (RFC 7386 §2).
func reference(doc, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	d, ok := doc.(map[string]any)
	if !ok {
		d = map[string]any{}
	}
	for k, v := range p {
		if v == nil {
			delete(d, k)
		} else {
			d[k] = reference(d[k], v)
		}
	}
	return d
}

func decode(t *testing.T, b []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: %v", b, err)
	}
	return v
}

// FuzzMerge: merge agrees with a merge of decoded values.
func FuzzMerge(f *testing.F) {
	f.Add(`{"a":{"b":1},"$version":1}`, `{"a":{"b":null,"c":[{}]},"$version":2}`)
	f.Add(`{"a":1,"a":{"b":2}}`, `{"a":{"c":null},"\u0061":{"d":"\\\""}}`)
	f.Add("{\"\xff\":1}", "{\"\xfe\":null}")
	f.Add(` { } `, ` {"x" : [ 1 , {"y":null} ] , "z":nul}`)
	f.Fuzz(func(t *testing.T, doc, patch string) {
		got, err := link.Merge([]byte(doc), []byte(patch))
		if err != nil {
			return
		}
		if !json.Valid(got) {
			t.Fatalf("%q with %q = %q, which is no JSON", doc, patch, got)
		}
		want := reference(decode(t, []byte(doc)), decode(t, []byte(patch)))
		if have := decode(t, got); !reflect.DeepEqual(have, want) {
			t.Fatalf("%q with %q = %q, want %v", doc, patch, got, want)
		}
	})
}
