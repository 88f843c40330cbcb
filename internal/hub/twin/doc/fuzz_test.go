package doc_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// FuzzParse: what Parse takes, encoding/json takes too and understands in the
// same way; what it writes reads back; a merge of it gives a valid section.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, ` {"a" : [ 1 , {"b":"c"} ] , "d":null}`, `{"$version":1,"$metadata":{"a":[]},"x":-0.5e-7}`,
		`{"a":{"b":{"c":null}},"d":"\ud83d\ude00\u0000"}`, `{"a":[null]}`, `{"a.b":1}`, "{\"\xff\":1}", `{"a":1,"a":2}`,
		manyMembers(20), nest(`{"a":`, `[[]]`, `}`, 9), `{"n":100000000000000000000000000000000000.0}`,
	} {
		f.Add([]byte(seed))
	}
	start, err := doc.New(1).Merge(mustParse(f, []byte(`{"a":{"b":{"c":1},"x":"\u0001"},"d":[1,"z"],"e":2}`)), doc.Desired, startStamp)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		p, err := doc.Parse(body, doc.Reported)
		if !bytes.Equal(before, body) {
			t.Fatal("Parse changed its input")
		}
		if err != nil {
			return
		}
		if !json.Valid(body) {
			t.Fatalf("accepted what is not JSON: %q", body)
		}
		out := p.AppendJSON(nil, 0)
		again, err := doc.Parse(out, doc.Reported)
		if err != nil {
			t.Fatalf("wrote %s: %v", out, err)
		}
		if got := again.AppendJSON(nil, 0); !bytes.Equal(got, out) {
			t.Fatalf("wrote %s, then %s", out, got)
		}
		want := decode(t, body)
		delete(want, "$version")
		delete(want, "$metadata")
		if got := decode(t, out); !cmp.Equal(floats(got), floats(want)) {
			t.Fatalf("understood %s as %s", body, out)
		}
		s, err := start.Merge(p, doc.Reported, patchStamp)
		if err != nil {
			return // too large
		}
		if err := s.Validate(); err != nil {
			t.Fatalf("merge of %s: %v", body, err)
		}
		m := newModel(1)
		m.apply(decode(t, []byte(`{"a":{"b":{"c":1},"x":"\u0001"},"d":[1,"z"],"e":2}`)), false, startStamp)
		m.apply(decode(t, out), false, patchStamp)
		if got, want := decode(t, s.AppendJSON(nil, full)), m.document(); !cmp.Equal(got, want) {
			t.Fatalf("merge of %s (-want +got):\n%s", body, cmp.Diff(want, got))
		}
		if got, want := s.Size(), size(m.members); got != want {
			t.Fatalf("size %d, want %d", got, want)
		}
	})
}

// floats replaces the texts of numbers by what they say.
func floats(v any) any {
	switch v := v.(type) {
	case json.Number:
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = floats(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = floats(v[k])
		}
	}
	return v
}

// FuzzSection: nothing that is done with arbitrary bytes panics or hangs, and
// what Validate lets through is written as JSON that reads back.
func FuzzSection(f *testing.F) {
	for _, body := range []string{`{}`, `{"a":{"b":"x","c":[1,"y",{"z":"\n"}]},"d":true}`, manyMembers(20)} {
		s := mustMerge(f, doc.New(1), body, startStamp)
		f.Add([]byte(s))
		f.Add([]byte(mustMerge(f, s, `{"a":{"b":"\u00e9"},"e":1.5}`, patchStamp)))
	}
	f.Add([]byte{1, 1, 0, 0, 0})
	f.Add([]byte{1, 1, 0, 1, 4, 1, 0, 1, 0, 0, 0, 2, 'a', 0, 6})
	p := mustParse(f, []byte(`{"a":{"b":null,"n":{}},"d":1,"e":{"f":"g"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := doc.Section(b)
		use(s, p)
		if s.Validate() != nil {
			return
		}
		out := s.AppendJSON(nil, full)
		if !json.Valid(out) {
			t.Fatalf("valid, but writes %s", out)
		}
		device := s.AppendJSON(nil, doc.Form{})
		patch, err := doc.Parse(device, doc.Desired)
		if err != nil {
			return // stored by other limits
		}
		if got := patch.AppendJSON(nil, 0); !bytes.Equal(got, device) {
			t.Fatalf("wrote %s, then %s", device, got)
		}
	})
}
