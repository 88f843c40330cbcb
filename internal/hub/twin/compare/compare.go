// Package compare puts the desired properties of a twin beside the reported
// ones: which values agree, which do not and how that comes, and which are on
// one side only. It is pure, and knows of no particular device: what equal
// means for some values, a [Judge] may say.
package compare

import (
	"bytes"
	"cmp"
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// Agreement says how the two sides of a row stand to each other.
type Agreement string

// The agreements.
const (
	Equal        Agreement = "equal"
	Differs      Agreement = "differs"
	Default      Agreement = "default"      // nothing is desired, and the device has what it has then
	NotReported  Agreement = "notReported"  // desired alone
	OnlyReported Agreement = "onlyReported" // reported alone
)

// Agreements returns all of them, what asks for attention first.
func Agreements() []Agreement { return []Agreement{Differs, NotReported, Equal, Default, OnlyReported} }

// Stamp says who wrote a value, when, and in which version of its section.
type Stamp struct {
	Actor   string
	Time    time.Time
	Version int64
}

// Row is one value of the two sections: anything but an object, an object that
// is empty on both sides, or one that stands against something else.
type Row struct {
	// Path leads to the value from the section, one key an element.
	Path []string
	// Desired and Reported are JSON, nil for nothing there.
	Desired, Reported json.RawMessage
	Agreement         Agreement
	// Why says how a disagreement comes, as far as can be told; else "".
	Why string
	// Set is who desired it, Told who reported it; zero for nothing there.
	Set, Told Stamp
}

// Judge says of a value how its two sides agree, where it knows better; false
// where it does not.
type Judge func(path []string) (a Agreement, why string, ok bool)

// Sections compares the desired with the reported properties. Of an object its
// values come first, then the objects in it, each in the order of their keys.
// judge may be nil.
func Sections(desired, reported doc.Section, judge Judge) ([]Row, error) {
	c := comparison{judge: judge}
	want, err := read(desired)
	if err != nil {
		return nil, err
	}
	got, err := read(reported)
	if err != nil {
		return nil, err
	}
	c.objects(nil, want, got)
	return c.rows, nil
}

// member is a member of a section, with its own members if it is an object.
type member struct {
	value   doc.Value
	stamp   Stamp
	members map[string]*member
}

// read takes a section apart; the root has no value.
func read(s doc.Section) (*member, error) {
	root := &member{members: map[string]*member{}}
	err := s.Walk(func(n *doc.Node) bool {
		at := root
		for _, key := range n.Path[:len(n.Path)-1] {
			at = at.members[string(key)]
		}
		m := &member{value: n.Value, stamp: Stamp{Actor: string(n.Actor()), Time: n.Time(), Version: n.Version}}
		if n.Value.Kind() == doc.Object {
			m.members = map[string]*member{}
		}
		at.members[string(n.Path[len(n.Path)-1])] = m
		return true
	})
	return root, err
}

// inner reports whether a member has members to look into.
func (m *member) inner() bool { return m != nil && len(m.members) > 0 }

// open reports whether a member is an object, or not there.
func (m *member) open() bool { return m == nil || m.members != nil }

func (m *member) json() json.RawMessage {
	if m == nil {
		return nil
	}
	return m.value.AppendJSON(nil)
}

type comparison struct {
	judge Judge
	rows  []Row
}

// objects compares the members of two objects; one may be nil.
func (c *comparison) objects(path []string, want, got *member) {
	var later []string
	for _, key := range keys(want, got) {
		w, g := want.at(key), got.at(key)
		if w.open() && g.open() && (w.inner() || g.inner()) {
			later = append(later, key)
			continue
		}
		c.row(append(slices.Clip(path), key), w, g)
	}
	for _, key := range later {
		c.objects(append(slices.Clip(path), key), want.at(key), got.at(key))
	}
}

func (m *member) at(key string) *member {
	if m == nil {
		return nil
	}
	return m.members[key]
}

// keys are those of both objects, sorted.
func keys(objects ...*member) (list []string) {
	for _, m := range objects {
		if m != nil {
			for key := range m.members {
				list = append(list, key)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (c *comparison) row(path []string, w, g *member) {
	r := Row{Path: path, Desired: w.json(), Reported: g.json()}
	if w != nil {
		r.Set = w.stamp
	}
	if g != nil {
		r.Told = g.stamp
	}
	r.Agreement, r.Why = judged(w, g)
	if c.judge != nil {
		if a, why, ok := c.judge(path); ok {
			r.Agreement, r.Why = a, why
		}
	}
	c.rows = append(c.rows, r)
}

func judged(w, g *member) (Agreement, string) {
	switch {
	case w == nil:
		return OnlyReported, ""
	case g == nil:
		return NotReported, ""
	}
	told, note := acknowledged(w, g)
	switch {
	case same(w.value, told):
		return Equal, ""
	case note != "":
		return Differs, note
	case w.stamp.Time.After(g.stamp.Time):
		return Differs, "It was desired after the device last reported it: the device has not answered yet."
	default:
		return Differs, "The device reported its value after this one was desired: it did not take it, or has changed it since."
	}
}

// acknowledged returns the value to compare with what is desired: devices by
// the conventions of IoT Plug and Play report a property as an object with its
// value, a status code "ac" and a description "ad".
func acknowledged(w, g *member) (told doc.Value, note string) {
	if w.inner() || g.at("value") == nil || g.at("ac") == nil || g.at("ac").value.Kind() != doc.Number {
		return g.value, ""
	}
	note = "The device answered with status " + string(g.at("ac").value.AppendJSON(nil))
	if ad := g.at("ad"); ad != nil && ad.value.Kind() == doc.String {
		note += ": " + ad.value.Text()
	}
	return g.at("value").value, note
}

// same reports whether two values mean the same, however they are written.
func same(a, b doc.Value) bool {
	if a.Kind() != b.Kind() {
		return false
	}
	switch a.Kind() {
	case doc.Number:
		return a.Number() == b.Number()
	case doc.String:
		return a.Text() == b.Text()
	case doc.Bool:
		return a.Bool() == b.Bool()
	case doc.Array:
		return sameArrays(a, b)
	case doc.Object:
		return sameObjects(a, b)
	default:
		return bytes.Equal(a.AppendJSON(nil), b.AppendJSON(nil))
	}
}

func sameArrays(a, b doc.Value) bool {
	next, stop := iter.Pull(b.Elements())
	defer stop()
	for v := range a.Elements() {
		if w, ok := next(); !ok || !same(v, w) {
			return false
		}
	}
	_, more := next()
	return !more
}

func sameObjects(a, b doc.Value) bool {
	others := maps.Collect(b.Members())
	n := 0
	for key, v := range a.Members() {
		w, ok := others[key]
		if !ok || !same(v, w) {
			return false
		}
		n++
	}
	return n == len(others)
}

// Order compares two paths as [Sections] orders its rows: values of an object
// come before the objects in it.
func Order(a, b []string) int {
	for i := range min(len(a), len(b)) {
		if leaf := cmp.Compare(rank(a, i), rank(b, i)); leaf != 0 {
			return leaf
		}
		if d := strings.Compare(a[i], b[i]); d != 0 {
			return d
		}
	}
	return cmp.Compare(len(a), len(b))
}

// rank tells values from objects at one step of a path.
func rank(path []string, i int) int {
	if i == len(path)-1 {
		return 0
	}
	return 1
}
