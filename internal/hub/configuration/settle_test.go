package configuration //nolint:testpackage // what is decided is the inside

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// TestDecideSettles: also with objects, and with configurations that may not
// write, two looks are enough, nothing is left of what is deleted or does not
// target the twin, one that may not write has set nothing anew, and whoever may
// says Applied if any value is his.
func TestDecideSettles(t *testing.T) {
	stages := map[string]stage{
		"all": all, "paused": {Everyone: true, Finished: true, Paused: true}, "halted": {Everyone: true, Stopped: halted},
		"later": {}, "back": {Everyone: true, Stopped: rolledBack},
	}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		path := rapid.SampledFrom([]string{"a", "o.a", "o.b", "o.p.a", "o.p", "o", "q.r.s", "q"})
		value := rapid.SampledFrom([]string{`1`, `2`, `{}`, `{"a":{}}`, `{"a":1,"p":{"a":{}}}`, `[{}]`, `null`})
		at := rapid.SampledFrom([]string{"all", "all", "paused", "halted", "later", "back"})
		var was map[string]string
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			id := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "id")
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0, 1:
				content := fmt.Sprintf(`{"properties.desired.%s":%s}`, path.Draw(t, "path"), value.Draw(t, "value"))
				w.put(id, content, rapid.SampledFrom([]string{"*", "tags.t = 1"}).Draw(t, "target"), rapid.IntRange(0, 2).Draw(t, "priority"), stages[at.Draw(t, "stage")])
			case 2:
				w.delete(id)
			case 3:
				var patch tree
				patch.set(strings.Split(path.Draw(t, "path"), "."), value.Draw(t, "value"))
				w.hand(doc.Desired, string(patch.appendJSON(nil)))
			case 4:
				w.hand(doc.Tags, fmt.Sprintf(`{"t":%d}`, rapid.IntRange(1, 2).Draw(t, "t")))
			case 5:
				w.renew()
			}
		}
		was = w.leaves()
		w.renew()
		w.renew()
		d := w.decide()
		if !d.idle() {
			t.Fatalf("there is more to do: %+v, %s, of %s", d.writes, d.marks, w.text())
		}
		roles, applied := make(map[string]role), make(map[string]bool)
		for _, v := range d.verdicts {
			roles[v.c.ID], applied[v.c.ID] = v.role, v.status == statusApplied
		}
		for path, leaf := range w.leaves() {
			_, id, _ := strings.Cut(leaf, " ")
			switch {
			case id == "-", strings.HasPrefix(leaf, "{} "):
				// An object does for whoever wants one, whose ever it was.
			case roles[id] == out:
				t.Fatalf("%s is left: %s", path, leaf)
			case roles[id] == still && was[path] != leaf:
				t.Fatalf("%s may not write and has set %s, which was %q, to %s", id, path, was[path], leaf)
			case roles[id] == active && !applied[id]:
				t.Fatalf("%s has set %s and is not applied", id, path)
			}
		}
	})
}

// TestWishAt: a wish is found by its path, and by those inside of it.
func TestWishAt(t *testing.T) {
	_, wishes, err := parseContent([]byte(`{"deviceContent":{"properties.desired":{"a":1,"a-b":{"c":2,"d":{}},"b":{"c":null},"ba":3}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"a": "a", "a.x.y": "a", "a-b": "", "a-b.c": "a-b.c", "a-b.d": "a-b.d", "a-b.d.e": "a-b.d", "a-b.e": "", "b": "", "b.c": "b.c", "b.c.d": "b.c", "ba": "ba", "0": "", "c": "",
	} {
		got := ""
		if w := wishAt(wishes, strings.Split(path, ".")); w != nil {
			got = strings.Join(w.path, ".")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
