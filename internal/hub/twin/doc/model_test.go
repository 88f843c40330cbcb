package doc_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// model is a twin section as plain maps: what the compact form must agree with.
type model struct {
	members map[string]any
	version int64
	root    mark
	// marks are the stamps of the members, by the path joined with "/".
	marks map[string]mark
}

type mark struct {
	time    time.Time
	version int64
	actor   string
}

func newModel(version int64) *model {
	return &model{members: map[string]any{}, version: version, marks: map[string]mark{}}
}

// apply merges or replaces, by the words of wire §2.4 and nothing clever.
func (m *model) apply(patch map[string]any, replace bool, st doc.Stamp) {
	m.version++
	at := st.Time.UTC().Truncate(100)
	if at.Before(m.root.time) {
		at = m.root.time
	}
	m.root = mark{at, m.version, st.Actor}
	if replace {
		m.members, m.marks = map[string]any{}, map[string]mark{}
	}
	m.merge(m.members, patch, "")
}

func (m *model) merge(into, patch map[string]any, path string) {
	for key, v := range patch {
		p := path + "/" + key
		if v == nil {
			m.forget(p)
			delete(into, key)
			continue
		}
		sub, isObject := v.(map[string]any)
		if !isObject {
			m.forget(p)
			into[key] = v
			m.marks[p] = m.root
			continue
		}
		old, ok := into[key].(map[string]any)
		if !ok {
			m.forget(p)
			old = map[string]any{}
			into[key] = old
		}
		m.marks[p] = m.root
		m.merge(old, sub, p)
	}
}

func (m *model) forget(path string) {
	for p := range m.marks {
		if p == path || strings.HasPrefix(p, path+"/") {
			delete(m.marks, p)
		}
	}
}

// size is the size computation of wire §2.5.
func size(v any) int {
	n := 0
	switch v := v.(type) {
	case bool:
		n = 4
	case json.Number:
		n = 8
	case string:
		for _, r := range v {
			if r < 0x20 || r >= 0x7f && r <= 0x9f {
				continue
			}
			n += len(string(r))
		}
	case []any:
		for _, e := range v {
			n += size(e)
		}
	case map[string]any:
		for k, e := range v {
			n += len(k) + size(e)
		}
	}
	return n
}

// document is the model as the service document shows it.
func (m *model) document() map[string]any {
	meta := map[string]any{"$lastUpdated": "0001-01-01T00:00:00Z"}
	if m.root.version > 0 {
		meta = m.root.json()
		m.metadata(meta, m.members, "")
	}
	d := map[string]any{
		"$metadata": meta,
		"$version":  json.Number(strconv.FormatInt(m.version, 10)),
	}
	maps.Copy(d, m.members)
	return d
}

func (m *model) metadata(into, members map[string]any, path string) {
	for k, v := range members {
		sub := m.marks[path+"/"+k].json()
		into[k] = sub
		if o, ok := v.(map[string]any); ok {
			m.metadata(sub, o, path+"/"+k)
		}
	}
}

func (k mark) json() map[string]any {
	j := map[string]any{
		"$lastUpdated":        k.time.Format("2006-01-02T15:04:05.9999999Z"),
		"$lastUpdatedVersion": json.Number(strconv.FormatInt(k.version, 10)),
	}
	if k.actor != "" {
		j["$actor"] = k.actor
	}
	return j
}

// decode reads JSON the way encoding/json does, numbers as their text.
func decode(t interface{ Fatalf(string, ...any) }, b []byte) map[string]any {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, b)
	}
	return v
}

var full = doc.Form{Metadata: true, UpdatedVersion: true, Actors: true, Version: true}

// key draws from few keys, so that patches meet what is there, and now and
// then a strange one.
func key() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"a", "b", "c", "temp", "tempMax", "", "a\"b", "back\\slash", "ключ", "k\u2028", "#"}),
		rapid.SampledFrom([]string{"a", "b", "c"}),
		rapid.StringMatching(`[a-z]{1,3}`),
	)
}

func scalar() *rapid.Generator[any] {
	return rapid.OneOf(
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.Int64Range(-1<<52, 1<<52-1), func(n int64) any { return json.Number(strconv.FormatInt(n, 10)) }),
		rapid.Map(rapid.Float64(), func(f float64) any {
			b, _ := json.Marshal(f)
			if !bytes.ContainsAny(b, ".e") {
				b = append(b, ".0"...)
			}
			return json.Number(b)
		}),
		rapid.Map(rapid.String(), func(s string) any { return strings.ToValidUTF8(s, "?") }),
		rapid.SampledFrom([]any{"", "x", "\x00\x1f\x7f\u0085", "\"\\/\b", "é😀"}),
	)
}

func value(depth int, nulls bool) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		n := rapid.IntRange(0, 9).Draw(t, "kind")
		switch {
		case n == 0 && nulls:
			return nil
		case n <= 2 && depth > 0:
			return object(depth-1, nulls).Draw(t, "object")
		case n == 3 && depth > 0:
			return rapid.SliceOfN(value(depth-1, false), 0, 4).Draw(t, "array")
		}
		return scalar().Draw(t, "scalar")
	})
}

func object(depth int, nulls bool) *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		most := 6
		if rapid.IntRange(0, 9).Draw(t, "large") == 0 {
			most = 40
		}
		return rapid.MapOfN(key(), value(depth, nulls), 0, most).Draw(t, "members")
	})
}

// text writes v as JSON in one of many ways: white space, escapes.
func text(t *rapid.T, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("marshal: %v", err)
	}
	if rapid.Bool().Draw(t, "indent") {
		var out bytes.Buffer
		if err := json.Indent(&out, b, "", " \t\r"); err != nil {
			t.Fatalf("indent: %v", err)
		}
		b = out.Bytes()
	}
	return b
}

func TestSectionAgreesWithModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		version := rapid.Int64Range(0, 1<<40).Draw(t, "version")
		s, m := doc.New(version), newModel(version)
		clock := time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
		for range rapid.IntRange(1, 12).Draw(t, "updates") {
			patch := object(3, true).Draw(t, "patch")
			st := doc.Stamp{
				Time:  clock.Add(time.Duration(rapid.Int64Range(-1e10, 1e15).Draw(t, "ns"))),
				Actor: rapid.SampledFrom([]string{"device:d", "module:d/m", "policy:\"p\"", "policy:owner", ""}).Draw(t, "actor"),
			}
			replace := rapid.IntRange(0, 5).Draw(t, "replace") == 0
			p, err := doc.Parse(text(t, patch), doc.Desired)
			if err != nil {
				t.Fatalf("Parse: %v", err)
			}
			if got := decode(t, p.AppendJSON(nil, 0)); !cmp.Equal(got, patch) {
				t.Fatalf("patch changed (-want +got):\n%s", cmp.Diff(patch, got))
			}
			before := bytes.Clone(s)
			change := s.Merge
			if replace {
				change = s.Replace
			}
			next, err := change(p, doc.Desired, st)
			if !bytes.Equal(before, s) {
				t.Fatalf("the old section was changed")
			}
			if err != nil {
				trial := newModel(0)
				trial.merge(trial.members, m.members, "")
				trial.apply(patch, replace, st)
				if n := size(trial.members); n <= 32<<10 || tvilling.CodeOf(err) != tvilling.InvalidArgument {
					t.Fatalf("refused at size %d: %v", n, err)
				}
				continue
			}
			m.apply(patch, replace, st)
			s = next
			check(t, s, m)
		}
	})
}

// check compares all that can be seen of s with the model.
func check(t *rapid.T, s doc.Section, m *model) {
	if err := s.Validate(); err != nil {
		t.Fatalf("Validate: %v", err)
	}
	if got, want := s.Version(), m.version; got != want {
		t.Fatalf("version %d, want %d", got, want)
	}
	if got, want := s.Size(), size(m.members); got != want {
		t.Fatalf("size %d, want %d", got, want)
	}
	if got, want := s.IsEmpty(), len(m.members) == 0; got != want {
		t.Fatalf("empty %v, want %v", got, want)
	}
	if got, want := s.Updated(), m.root.time; !got.Equal(want) {
		t.Fatalf("updated %v, want %v", got, want)
	}
	out := s.AppendJSON([]byte("before"), full)
	got := decode(t, bytes.TrimPrefix(out, []byte("before")))
	if diff := cmp.Diff(m.document(), got); diff != "" {
		t.Fatalf("document (-want +got):\n%s", diff)
	}
	device := decode(t, s.AppendJSON(nil, doc.Form{}))
	if diff := cmp.Diff(m.members, device); diff != "" {
		t.Fatalf("members (-want +got):\n%s", diff)
	}
	lookAll(t, s, m.document(), nil)
	// What is written out reads back as the same members.
	p, err := doc.Parse(s.AppendJSON(nil, full), doc.Desired)
	if err != nil {
		t.Fatalf("reparse: %v", err)
	}
	again, err := doc.New(0).Replace(p, doc.Desired, doc.Stamp{})
	if err != nil {
		t.Fatalf("replace by itself: %v", err)
	}
	if got, want := again.AppendJSON(nil, doc.Form{}), s.AppendJSON(nil, doc.Form{}); !bytes.Equal(got, want) {
		t.Fatalf("after a round trip:\n got %s\nwant %s", got, want)
	}
}

// lookAll looks up every path of v.
func lookAll(t *rapid.T, s doc.Section, v any, path []string) {
	got, ok := s.Lookup(path...)
	if !ok {
		t.Fatalf("nothing at %q", path)
	}
	if o, isObject := v.(map[string]any); isObject {
		for k, e := range o {
			lookAll(t, s, e, append(slices.Clip(path), k))
		}
		if len(path) == 0 {
			return // the section itself is without $metadata and $version
		}
	}
	if p := plain(got); !cmp.Equal(p, v) {
		t.Fatalf("at %q (-want +got):\n%s", path, cmp.Diff(v, p))
	}
	if b := append([]byte(`{"v":`), append(got.AppendJSON(nil), '}')...); !cmp.Equal(decode(t, b)["v"], v) {
		t.Fatalf("JSON at %q: %s", path, b)
	}
}

// plain is a Value as encoding/json would decode it.
func plain(v doc.Value) any {
	switch v.Kind() {
	case doc.Bool:
		return v.Bool()
	case doc.Number:
		return json.Number(v.AppendJSON(nil))
	case doc.String:
		return v.Text()
	case doc.Array:
		a := []any{}
		for e := range v.Elements() {
			a = append(a, plain(e))
		}
		return a
	case doc.Object:
		o := map[string]any{}
		for k, e := range v.Members() {
			o[k] = plain(e)
		}
		return o
	}
	return nil
}
