package devices

import (
	"net/url"
)

// sorting is an order of the list. Devices that are alike in it stand in the
// order of their ids.
type sorting struct {
	// Name is what stands in the address, Words what people read.
	Name, Words string
	by          string
	// head is the column whose head shows it.
	head string
	desc bool
	// each says that the index has no order of it ready, so that each device
	// that matches is looked at.
	each bool
}

var sortings = []sorting{
	{Name: "", Words: "posture, lowest first", by: "modules.security.score", head: "posture"},
	{Name: "-posture", Words: "posture, highest first", by: "modules.security.score DESC", head: "posture", desc: true},
	{Name: "alerts", Words: "open alerts, severest first", by: "modules.security.alerts.high DESC, modules.security.alerts.medium DESC, modules.security.alerts.low DESC", head: "alerts", desc: true},
	{Name: "id", Words: "ID", head: "id"},
	{Name: "-id", Words: "ID, backwards", by: "deviceId DESC", head: "id", desc: true, each: true},
	{Name: "activity", Words: "last activity, oldest first", by: "lastActivityTime", head: "activity", each: true},
	{Name: "-activity", Words: "last activity, newest first", by: "lastActivityTime DESC", head: "activity", desc: true, each: true},
}

func sortingOf(name string) sorting {
	for _, s := range sortings {
		if s.Name == name {
			return s
		}
	}
	return sortings[0]
}

// order is what stands behind ORDER BY; rows that are alike in it come by their
// ids, and so do all without it.
func (s sorting) order() string { return s.by }

type sortLink struct {
	Words, Href string
	Current     bool
}

// head is the head of a column by which the list can be sorted.
type head struct{ Href, Aria, Arrow string }

// links are the ways to the other orders.
func (s sorting) links(q url.Values) (list []sortLink, heads map[string]head) {
	heads = make(map[string]head)
	for _, o := range sortings {
		list = append(list, sortLink{o.Words, changed(q, "sort", o.Name), o.Name == s.Name})
		switch {
		case o.head == s.head && o.Name != s.Name:
			// A second click turns it round.
			h := head{Href: changed(q, "sort", o.Name), Aria: "ascending", Arrow: "↑"}
			if s.desc {
				h.Aria, h.Arrow = "descending", "↓"
			}
			heads[o.head] = h
		case o.head != s.head && heads[o.head] == (head{}):
			heads[o.head] = head{Href: changed(q, "sort", o.Name)}
		}
	}
	if heads[s.head] == (head{}) {
		heads[s.head] = head{Href: changed(q, "sort", s.Name), Aria: "descending", Arrow: "↓"}
	}
	return list, heads
}
