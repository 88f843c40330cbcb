package twins

import (
	"encoding/json"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tvilling/tvilling/internal/hub/history"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

func mustSection(t interface{ Fatal(...any) }, text string) doc.Section {
	s, err := sectionOf(text, doc.Desired)
	if err != nil {
		t.Fatal(text, err)
	}
	return s
}

func plain(s doc.Section) string { return string(s.AppendJSON(nil, doc.Form{})) }

func TestMeet(t *testing.T) {
	for _, c := range []struct {
		name, from, mine, theirs string
		clashes                  int
		merged                   string
	}{
		{"elsewhere", `{"a":1,"b":1}`, `{"a":2,"b":1}`, `{"a":1,"b":2}`, 0, `{"a":2,"b":2}`},
		{"in one object", `{"o":{"a":1,"b":1}}`, `{"o":{"a":2,"b":1}}`, `{"o":{"a":1,"b":2}}`, 0, `{"o":{"a":2,"b":2}}`},
		{"the same", `{"a":1}`, `{"a":2}`, `{"a":2}`, 0, `{"a":2}`},
		{"at one place", `{"a":1,"b":1}`, `{"a":2,"b":2}`, `{"a":3,"b":1}`, 1, `{"a":3,"b":2}`},
		{"removed and changed", `{"a":1}`, `{}`, `{"a":2}`, 1, `{"a":2}`},
		{"both removed", `{"a":1}`, `{}`, `{}`, 0, `{}`},
		{"an object gone, changed inside", `{"o":{"a":1}}`, `{}`, `{"o":{"a":2}}`, 1, `{"o":{"a":2}}`},
		{"a value in the place of an object", `{"o":{"a":1}}`, `{"o":{"a":2}}`, `{"o":5}`, 1, `{"o":5}`},
		{"both added", `{}`, `{"a":1}`, `{"b":2}`, 0, `{"b":2,"a":1}`},
		{"an array", `{"a":[1]}`, `{"a":[1,2]}`, `{"a":[0,1]}`, 1, `{"a":[0,1]}`},
	} {
		from, mine, theirs := mustSection(t, c.from), mustSection(t, c.mine), mustSection(t, c.theirs)
		m := meet(history.Desired, from, mine, theirs)
		got, err := m.merged(theirs, doc.Desired)
		if err != nil || len(m.Clashes) != c.clashes || plain(got) != c.merged {
			t.Errorf("%s: %d clashes, %s, %v; want %d, %s", c.name, len(m.Clashes), plain(got), err, c.clashes, c.merged)
		}
	}
}

// object draws small sections that often have the same keys.
func object(depth int) *rapid.Generator[map[string]any] {
	leaf := rapid.OneOf(rapid.Map(rapid.IntRange(0, 2), func(i int) any { return i }), rapid.Map(rapid.SampledFrom([]string{"x", "\u202e"}), func(s string) any { return s }))
	value := leaf
	if depth > 0 {
		value = rapid.OneOf(leaf, rapid.Map(object(depth-1), func(m map[string]any) any { return m }))
	}
	return rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), value, 0, 4)
}

func draw(t *rapid.T, name string) doc.Section {
	b, err := json.Marshal(object(2).Draw(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return mustSection(t, string(b))
}

// TestMergeLosesNothing: what one of the two has changed where the other has
// not is in the result as they wrote it; where both have, theirs is.
func TestMergeLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, mine, theirs := draw(t, "from"), draw(t, "mine"), draw(t, "theirs")
		m := meet(history.Desired, from, mine, theirs)
		got, err := m.merged(theirs, doc.Desired)
		if err != nil {
			t.Fatal(err)
		}
		has := func(e history.Edit) bool {
			v, ok := got.Lookup(e.Path...)
			if e.New == nil {
				return !ok
			}
			p := mustSection(t, `{"v":`+string(e.New)+`}`)
			want, _ := p.Lookup("v")
			return ok && string(v.AppendJSON(nil)) == string(want.AppendJSON(nil))
		}
		for _, e := range m.Theirs {
			if !has(e) && !slices.ContainsFunc(m.Mine, func(o history.Edit) bool { return around(o.Path, e.Path) }) {
				t.Fatalf("theirs at %v is lost: %s", e.Path, plain(got))
			}
		}
		for _, e := range m.Free() {
			if !has(e) && !slices.ContainsFunc(m.Theirs, func(o history.Edit) bool { return around(o.Path, e.Path) }) {
				t.Fatalf("mine at %v is lost: %s", e.Path, plain(got))
			}
		}
		if len(m.Clashes) == len(m.Mine) && len(history.Diff(history.Desired, theirs, got)) > 0 {
			t.Fatalf("theirs was changed though nothing of mine is free: %s", plain(got))
		}
		for _, c := range m.Clashes {
			for _, e := range c.Theirs {
				if !has(e) {
					t.Fatalf("theirs at %v was overwritten: %s", e.Path, plain(got))
				}
			}
		}
	})
}

// TestPatches: both ways of writing lead from what was to what is wanted.
func TestPatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := draw(t, "before"), draw(t, "after")
		edits := history.Diff(history.Desired, before, after)
		for name, patch := range map[string][]byte{"changes": patchOf(edits, after, nil), "with a whole member": patchOf(edits, after, []string{"a"}), "whole": wholePatch(edits, after)} {
			p, err := doc.Parse(patch, doc.Desired)
			if err != nil {
				t.Fatal(name, string(patch), err)
			}
			got, err := before.Merge(p, doc.Desired, doc.Stamp{})
			if err != nil {
				t.Fatal(err)
			}
			if d := history.Diff(history.Desired, after, got); len(d) > 0 {
				t.Fatalf("%s: %s makes %s of %s, want %s", name, patch, plain(got), plain(before), plain(after))
			}
		}
	})
}

func TestWholeMember(t *testing.T) {
	before, after := mustSection(t, `{"a":{"x":1,"y":2,"z":3},"b":{"x":1}}`), mustSection(t, `{"a":{"x":5,"y":2},"b":{"x":1}}`)
	if got := string(patchOf(history.Diff(history.Desired, before, after), after, []string{"a", "b"})); got != `{"a":{"x":5,"y":2,"z":null}}` {
		t.Errorf("got %s", got)
	}
}
