package configuration //nolint:testpackage // what is decided is the inside

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// world is a set of configurations and one twin, with a clock.
type world struct {
	t     interface{ Fatalf(string, ...any) }
	table *table
	twin  *state.Twin
	now   time.Time
}

func newWorld(t interface{ Fatalf(string, ...any) }) *world {
	return &world{t: t, table: newTable(nil, nil), twin: state.NewTwin(tvilling.Device("d")), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
}

// put adds or changes a configuration of devices.
func (w *world) put(id, values, target string, priority int, at stage) {
	w.now = w.now.Add(time.Second)
	c := Configuration{ID: id, Content: json.RawMessage(`{"deviceContent":` + values + `}`), Target: target, Priority: priority, Created: w.now, Updated: w.now}
	if old := w.table.byID[id]; old != nil {
		c.Created = old.Created
	}
	next := compile(c, at)
	if next.broken != nil {
		w.t.Fatalf("configuration %s: %v", id, next.broken)
	}
	byID := maps.Clone(w.table.byID)
	if byID == nil {
		byID = make(map[string]*compiled)
	}
	byID[id] = next
	w.table = newTable(byID, nil)
}

func (w *world) delete(id string) {
	byID := maps.Clone(w.table.byID)
	delete(byID, id)
	w.table = newTable(byID, nil)
}

// hand merges a patch of desired properties, or of tags, as a service does.
func (w *world) hand(part doc.Part, text string) {
	w.now = w.now.Add(time.Second)
	p, err := doc.Parse([]byte(text), part)
	if err != nil {
		w.t.Fatalf("parse %s: %v", text, err)
	}
	stamp := doc.Stamp{Time: w.now, Actor: "policy:service"}
	next := *w.twin
	if part == doc.Tags {
		next.Tags, err = next.Tags.Merge(p, part, stamp)
	} else {
		next.Desired, err = next.Desired.Merge(p, part, stamp)
	}
	if err == nil { // one that is over the limit changes nothing
		w.twin = &next
	}
}

func (w *world) row() *query.Twin {
	return &query.Twin{Identity: &state.Identity{ID: w.twin.ID}, Twin: w.twin}
}

func (w *world) decide() *decision {
	d, err := w.table.decide(w.row(), func(string) string { return "" })
	if err != nil {
		w.t.Fatalf("decide: %v", err)
	}
	return d
}

// renew does what is to be done, and returns it.
func (w *world) renew() *decision {
	d := w.decide()
	w.now = w.now.Add(time.Second)
	next := *w.twin
	var err error
	for _, write := range d.writes {
		if next.Desired, err = next.Desired.Merge(write.Desired, doc.Desired, doc.Stamp{Time: w.now, Actor: write.Actor}); err != nil {
			w.t.Fatalf("merge: %v", err)
		}
	}
	if d.marks != nil {
		next.Owned = nil
		if string(d.marks) != "{}" {
			p, err := doc.Parse(d.marks, doc.Owned)
			if err != nil {
				w.t.Fatalf("marks %s: %v", d.marks, err)
			}
			value, err := doc.New(0).Replace(p, doc.Owned, doc.Stamp{Time: w.now})
			if err != nil {
				w.t.Fatalf("marks %s: %v", d.marks, err)
			}
			next.Owned = []state.Owned{{Name: twin.ConfigurationsMember, Value: value}}
		}
	}
	w.twin = &next
	return d
}

// leaves are the values of the twin by path: JSON, a blank, and who set it.
func (w *world) leaves() map[string]string {
	list := make(map[string]string)
	err := w.twin.Desired.Walk(func(n *doc.Node) bool {
		if n.Leaf() {
			id, _, ok := doc.ConfigurationOf(string(n.Actor()))
			if !ok {
				id = "-"
			}
			path := make([]string, len(n.Path))
			for i, key := range n.Path {
				path[i] = string(key)
			}
			list[strings.Join(path, ".")] = string(n.Value.AppendJSON(nil)) + " " + id
		}
		return true
	})
	if err != nil {
		w.t.Fatalf("walk: %v", err)
	}
	return list
}

func (w *world) marks() string {
	return string(w.twin.Member(twin.ConfigurationsMember).AppendJSON(nil, doc.Form{}))
}

func (w *world) text() string {
	var list []string
	for path, leaf := range w.leaves() {
		list = append(list, path+"="+leaf)
	}
	slices.Sort(list)
	return strings.Join(list, "; ")
}

var all = stage{Everyone: true, Finished: true}

func TestDecide(t *testing.T) {
	w := newWorld(t)
	expect := func(what, text, marks string) {
		t.Helper()
		w.renew()
		if w.text() != text || w.marks() != marks {
			t.Errorf("%s: %s with %s, want %s with %s", what, w.text(), w.marks(), text, marks)
		}
		if d := w.decide(); !d.idle() {
			t.Errorf("%s: there is more to do: %+v %s", what, d.writes, d.marks)
		}
	}
	w.hand(doc.Desired, `{"hand":1,"o":{"mine":true}}`)
	w.put("low", `{"properties.desired.o.a":1,"properties.desired.o.b":2}`, "*", 1, all)
	expect("applied", `hand=1 -; o.a=1 low; o.b=2 low; o.mine=true -`, `{"low":{"status":"Applied"}}`)
	w.put("high", `{"properties.desired":{"o":{"b":20,"c":30}}}`, "tags.x = 1", 2, all)
	expect("not targeted", `hand=1 -; o.a=1 low; o.b=2 low; o.mine=true -`, `{"low":{"status":"Applied"}}`)
	w.hand(doc.Tags, `{"x":1}`)
	expect("both", `hand=1 -; o.a=1 low; o.b=20 high; o.c=30 high; o.mine=true -`, `{"high":{"status":"Applied"},"low":{"status":"Applied"}}`)
	w.hand(doc.Desired, `{"o":{"b":5,"c":null}}`)
	expect("set again", `hand=1 -; o.a=1 low; o.b=20 high; o.c=30 high; o.mine=true -`, `{"high":{"status":"Applied"},"low":{"status":"Applied"}}`)
	w.hand(doc.Tags, `{"x":2}`)
	expect("left", `hand=1 -; o.a=1 low; o.b=2 low; o.mine=true -`, `{"low":{"status":"Applied"}}`)
	w.put("low", `{"properties.desired.o.a":1,"properties.desired.o.b":2}`, "*", 1, stage{Everyone: true, Paused: true})
	w.hand(doc.Desired, `{"o":{"b":5}}`)
	expect("paused", `hand=1 -; o.a=1 low; o.b=5 -; o.mine=true -`, `{"low":{"status":"Applied"}}`)
	w.put("null", `{"properties.desired.o.mine":null,"properties.desired.hand":null}`, "*", 0, all)
	expect("nulls", `o.a=1 low; o.b=5 -`, `{"low":{"status":"Applied"},"null":{"status":"Applied"}}`)
	w.delete("null")
	w.delete("low")
	expect("deleted", `o.b=5 -`, `{}`)
}

// TestDecideObjects: an object that removals leave empty goes with them, and
// what is overruled or waits says so.
func TestDecideObjects(t *testing.T) {
	w := newWorld(t)
	w.put("x", `{"properties.desired.deep.er.a":1,"properties.desired.deep.b":2}`, "*", 1, all)
	w.put("empty", `{"properties.desired.e":{}}`, "*", 1, all)
	w.put("over", `{"properties.desired.deep":"text"}`, "*", 0, all)
	w.put("later", `{"properties.desired.l":1}`, "*", 0, stage{})
	w.renew()
	if got, want := w.text()+" "+w.marks(), `deep.b=2 x; deep.er.a=1 x; e={} empty `+
		`{"empty":{"status":"Applied"},"later":{"status":"Targeted"},"over":{"status":"Targeted"},"x":{"status":"Applied"}}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	w.delete("x")
	w.delete("empty")
	w.renew()
	if got, want := w.text(), `deep="text" over`; got != want {
		t.Errorf("got  %s, want %s", got, want)
	}
	w.delete("over")
	d := w.renew()
	if got := w.text(); got != "" || len(d.writes) != 1 || d.writes[0].Cause != "configuration over: deleted" {
		t.Errorf("%s is left by %+v", got, d.writes)
	}
}

// TestDecideFull: a twin without room keeps what it has, of that configuration
// and of others, and says why.
func TestDecideFull(t *testing.T) {
	w := newWorld(t)
	w.put("small", `{"properties.desired.s":1}`, "*", 0, all)
	w.put("large", `{"properties.desired.l":"`+strings.Repeat("x", 4000)+`"}`, "*", 1, all)
	for i := range 8 {
		w.hand(doc.Desired, fmt.Sprintf(`{"k%d":%q}`, i, strings.Repeat("x", 4000)))
	}
	d := w.renew()
	if !strings.Contains(w.text(), "s=1 small") || strings.Contains(w.text(), "l=") || w.marks() != `{"large":{"status":"Targeted"},"small":{"status":"Applied"}}` {
		t.Errorf("%.100s with %s", w.text(), w.marks())
	}
	if v := d.verdicts[0]; v.c.ID != "large" || !v.blocked || !strings.Contains(v.reason, "exceeds maximum 32768") {
		t.Errorf("verdict on %s: %+v", v.c.ID, v)
	}
	if !w.decide().idle() {
		t.Error("there is more to do")
	}
	w.hand(doc.Desired, `{"k1":null}`)
	w.renew()
	if !strings.Contains(w.text(), "l=") || w.marks() != `{"large":{"status":"Applied"},"small":{"status":"Applied"}}` {
		t.Errorf("%.100s with %s", w.text(), w.marks())
	}
}

// model says in another way what a twin has in the end: the leaves that are
// claimed, in order of precedence, where none may be around or inside another.
func (w *world) model() map[string]string {
	claimed := make(map[string]string)
	for _, c := range w.table.order[Devices] {
		if !c.finds(w.row()) {
			continue
		}
		var add []string
		for _, wish := range c.wishes {
			path := strings.Join(wish.path, ".")
			free := true
			for other := range claimed {
				free = free && path != other && !strings.HasPrefix(path, other+".") && !strings.HasPrefix(other, path+".")
			}
			if free {
				add = append(add, path+"="+string(wish.json())+" "+c.ID)
			}
		}
		for _, line := range add {
			path, leaf, _ := strings.Cut(line, "=")
			claimed[path] = leaf
		}
	}
	return claimed
}

// TestDecideConverges: whatever was done by hand and with configurations, and
// whichever looks at the twin were lost, after two more of them the twin has
// what precedence says, keeps what is nobody else's, and nothing is left to do.
func TestDecideConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		path := rapid.SampledFrom([]string{"a", "b", "o.a", "o.b", "o.p.a", "o.p", "o", "q.r.s"})
		value := rapid.SampledFrom([]string{`1`, `2`, `"x"`, `[1,{"k":2}]`, `null`, `"<&>"`, `1.0`})
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			id := rapid.SampledFrom([]string{"a", "b", "c@1"}).Draw(t, "id")
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0, 1:
				p, q := path.Draw(t, "path"), path.Draw(t, "path")
				content := fmt.Sprintf(`{"properties.desired.%s":%s}`, p, value.Draw(t, "value"))
				if q != p && !strings.HasPrefix(q, p+".") && !strings.HasPrefix(p, q+".") {
					content = fmt.Sprintf(`{"properties.desired.%s":%s,"properties.desired.%s":%s}`, p, value.Draw(t, "value"), q, value.Draw(t, "value"))
				}
				target := rapid.SampledFrom([]string{"*", "", "tags.t = 1", "tags.t = 2"}).Draw(t, "target")
				w.put(id, content, target, rapid.IntRange(0, 2).Draw(t, "priority"), all)
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
		before := w.leaves()
		w.renew()
		w.renew()
		if d := w.decide(); !d.idle() {
			t.Fatalf("there is more to do: %d writes, %s", len(d.writes), d.marks)
		}
		want, got := w.model(), w.leaves()
		for path, leaf := range want {
			if value, id, _ := strings.Cut(leaf, " "); value == "" {
				if there, ok := got[path]; ok {
					t.Fatalf("%s is %s, but %s wants nothing there", path, there, id)
				}
			} else if got[path] != leaf {
				t.Fatalf("%s is %q, want %q", path, got[path], leaf)
			}
		}
		for path, leaf := range got {
			if _, wanted := want[path]; !wanted && !strings.HasSuffix(leaf, " -") {
				t.Fatalf("%s is left: %s", path, leaf)
			}
		}
		for path, leaf := range before {
			covered := !strings.HasSuffix(leaf, " -")
			for other := range want {
				covered = covered || path == other || strings.HasPrefix(path, other+".") || strings.HasPrefix(other, path+".")
			}
			if !covered && leaf != "{} -" && got[path] != leaf {
				t.Fatalf("%s, which somebody had set to %s, is %q", path, leaf, got[path])
			}
		}
	})
}
