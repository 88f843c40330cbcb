package doc_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

func TestDifferences(t *testing.T) {
	start := `{"a":1,"b":{"c":"x","d":{"e":true}},"f":[1],"g":"z"}`
	for _, tt := range []struct {
		name, patch string
		want        []string
	}{
		{"nothing", `{}`, nil},
		{"equal values", `{"a":1,"b":{"c":"x"},"f":[1]}`, nil},
		{"a leaf", `{"a":2}`, []string{`/a 1 2`}},
		{"a leaf inside", `{"b":{"d":{"e":false}}}`, []string{`/b/d/e true false`}},
		{"gone", `{"a":null,"g":null}`, []string{`/a 1 -`, `/g "z" -`}},
		{"an object gone", `{"b":null}`, []string{
			`/b {"c":"x","d":{"e":true}} -`, `/b/c "x" -`, `/b/d {"e":true} -`, `/b/d/e true -`,
		}},
		{"come", `{"n":{"m":1},"b":{"o":"p"}}`, []string{`/b/o - "p"`, `/n - {"m":1}`, `/n/m - 1`}},
		{"a leaf becomes an object", `{"a":{"x":1}}`, []string{`/a 1 -`, `/a - {"x":1}`, `/a/x - 1`}},
		{"an object becomes a leaf", `{"b":{"d":5}}`, []string{`/b/d {"e":true} -`, `/b/d/e true -`, `/b/d - 5`}},
		{"a list", `{"f":[1,2]}`, []string{`/f [1] [1,2]`}},
	} {
		before := mustMerge(t, doc.New(1), start, startStamp)
		after := mustMerge(t, before, tt.patch, patchStamp)
		var got []string
		doc.Differences(before, after, func(path [][]byte, old, now doc.Value) {
			got = append(got, "/"+string(bytes.Join(path, []byte("/")))+" "+shownValue(old)+" "+shownValue(now))
		})
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func shownValue(v doc.Value) string {
	if v.Kind() == 0 {
		return "-"
	}
	return string(v.AppendJSON(nil))
}

// FuzzDifferences applies the differences between two documents to the first
// and compares the outcome with the second.
func FuzzDifferences(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":{"c":"x","d":2}}`), []byte(`{"b":{"d":2,"c":"x"},"a":1}`))
	f.Add([]byte(`{"a":{"b":{"c":1}}}`), []byte(`{"a":{"b":5},"z":[]}`))
	f.Add([]byte(`{}`), []byte(`{"a":{},"b":{"x":{}}}`))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		p, err := doc.Parse(one, doc.Reported)
		if err != nil {
			return
		}
		q, err := doc.Parse(two, doc.Reported)
		if err != nil {
			return
		}
		before, err := doc.New(1).Merge(p, doc.Reported, startStamp)
		if err != nil {
			return
		}
		merged, err := before.Merge(q, doc.Reported, patchStamp)
		if err != nil {
			return
		}
		replaced, err := before.Replace(q, doc.Reported, patchStamp)
		if err != nil {
			return
		}
		for _, after := range []doc.Section{merged, replaced, nil} {
			got := decode(t, before.AppendJSON(nil, doc.Form{}))
			doc.Differences(before, after, func(path [][]byte, old, now doc.Value) { apply(t, got, path, old, now) })
			if diff := cmp.Diff(decode(t, after.AppendJSON(nil, doc.Form{})), got); diff != "" {
				t.Fatalf("%s to %s (-want +got):\n%s", before.AppendJSON(nil, doc.Form{}), after.AppendJSON(nil, doc.Form{}), diff)
			}
		}
	})
}

// apply makes one difference in a decoded document.
func apply(t *testing.T, in map[string]any, path [][]byte, old, now doc.Value) {
	t.Helper()
	for _, key := range path[:len(path)-1] {
		inner, ok := in[string(key)].(map[string]any)
		if !ok {
			return // gone with what it was in
		}
		in = inner
	}
	key := string(path[len(path)-1])
	if _, is := in[key]; is != (old.Kind() != 0) {
		t.Fatalf("%q: %s was there: %t", path, shownValue(old), is)
	}
	if now.Kind() == 0 {
		delete(in, key)
		return
	}
	if now.Kind() == doc.Object {
		in[key] = map[string]any{} // its members follow
		return
	}
	in[key] = decodeValue(t, now.AppendJSON(nil))
}

func decodeValue(t *testing.T, text []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}
