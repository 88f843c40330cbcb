package history_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/hub/history"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

var stamp = doc.Stamp{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Actor: "policy:a"}

func section(t testing.TB, text string) doc.Section {
	t.Helper()
	s, err := doc.New(1).Merge(hubtest.Patch(t, doc.Reported, text), doc.Reported, stamp)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func show(edits []history.Edit) (list []string) {
	or := func(raw json.RawMessage) string {
		if raw == nil {
			return "-"
		}
		return string(raw)
	}
	for _, e := range edits {
		list = append(list, e.Name()+" "+or(e.Old)+" "+or(e.New))
	}
	return list
}

func TestDiff(t *testing.T) {
	t.Parallel()
	const start = `{"a":1,"b":{"c":"x","d":{"e":true}},"f":[1],"g":"z"}`
	for _, tt := range []struct {
		after string
		want  []string
	}{
		{start, nil},
		{`{"g":"z","f":[1],"b":{"d":{"e":true},"c":"x"},"a":1}`, nil},
		{`{"a":2,"b":{"c":"x","d":{"e":false}},"f":[1,2],"g":"z"}`, []string{`properties.reported.a 1 2`, `properties.reported.b.d.e true false`, `properties.reported.f [1] [1,2]`}},
		{`{"b":{"c":"x"},"n":{"m":1},"my-key":{}}`, []string{
			`properties.reported.a 1 -`, `properties.reported.b.d {"e":true} -`, `properties.reported.f [1] -`, `properties.reported.g "z" -`,
			`properties.reported.n - {"m":1}`, `properties.reported.[[my-key]] - {}`,
		}},
		{`{"a":{"x":1},"b":5,"f":[1],"g":"z"}`, []string{`properties.reported.a 1 {"x":1}`, `properties.reported.b {"c":"x","d":{"e":true}} 5`}},
	} {
		got := show(history.Diff(history.Reported, section(t, start), section(t, tt.after)))
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.after, d)
		}
	}
}

// FuzzDiff merges the difference of two documents, as a patch, into the first
// and compares the outcome with the second.
func FuzzDiff(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":{"c":"x","d":2}}`), []byte(`{"b":{"d":2,"c":"x"},"a":1}`))
	f.Add([]byte(`{"a":{"b":{"c":1}}}`), []byte(`{"a":{"b":5},"z":[]}`))
	f.Add([]byte(`{}`), []byte(`{"a":{},"b":{"x":{}}}`))
	f.Add([]byte(`{"a":"\u0041","b":{"x":{}}}`), []byte(`{"a":"A","b":{}}`))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		p, err := doc.Parse(one, doc.Reported)
		if err != nil {
			return
		}
		q, err := doc.Parse(two, doc.Reported)
		if err != nil {
			return
		}
		before, err := doc.New(1).Merge(p, doc.Reported, stamp)
		if err != nil {
			return
		}
		merged, err := before.Merge(q, doc.Reported, stamp)
		if err != nil {
			return
		}
		replaced, err := before.Replace(q, doc.Reported, stamp)
		if err != nil {
			return
		}
		for _, after := range []doc.Section{merged, replaced, nil} {
			patch := map[string]any{}
			for _, e := range history.Diff(history.Reported, before, after) {
				if bytes.Equal(e.Old, e.New) {
					t.Fatalf("no difference: %+v", e)
				}
				put(patch, e)
			}
			b, err := json.Marshal(patch)
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := doc.Parse(b, doc.Reported)
			if err != nil {
				t.Fatalf("the difference %s is no patch: %v", b, err)
			}
			got, err := before.Merge(parsed, doc.Reported, stamp)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(decode(t, after), decode(t, got)); d != "" {
				t.Fatalf("%s to %s by %s (-want +got):\n%s", before.AppendJSON(nil, doc.Form{}), after.AppendJSON(nil, doc.Form{}), b, d)
			}
			if again := history.Diff(history.Reported, got, after); len(again) > 0 {
				t.Fatalf("still differs: %+v", again)
			}
		}
	})
}

// put makes an edit a part of a patch.
func put(patch map[string]any, e history.Edit) {
	for _, key := range e.Path[:len(e.Path)-1] {
		inner, ok := patch[key].(map[string]any)
		if !ok {
			inner = map[string]any{}
			patch[key] = inner
		}
		patch = inner
	}
	patch[e.Path[len(e.Path)-1]] = e.New // nil is null
}

func decode(t *testing.T, s doc.Section) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(s.AppendJSON(nil, doc.Form{})))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestDiffIdentities(t *testing.T) {
	t.Parallel()
	before := &state.Identity{Auth: state.Authentication{Type: state.SAS, SealedPrimary: []byte("secret-1")}}
	after := &state.Identity{Disabled: true, StatusReason: "lost", Auth: state.Authentication{Type: state.SelfSigned, SealedPrimary: []byte("secret-2"), PrimaryThumbprint: "AA"}}
	want := []string{`status "enabled" "disabled"`, `statusReason - "lost"`, `authenticationType "sas" "selfSigned"`, `x509Thumbprint.primaryThumbprint - "AA"`}
	if d := cmp.Diff(want, show(history.DiffIdentities(before, after))); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if got := show(history.DiffIdentities(nil, before)); len(got) != 3 {
		t.Errorf("of a new identity: %q", got)
	}
}
