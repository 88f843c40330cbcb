package configuration

import (
	"context"
	"slices"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// Why explains the desired properties of a twin.
func (s *Service) Why(ctx context.Context, id tvilling.Identity) (*Explanation, error) {
	row, err := s.row(ctx, id)
	if err != nil {
		return nil, err
	}
	d, err := s.table.Load().decide(row, s.frozen(id))
	if err != nil {
		return nil, err
	}
	out := &Explanation{ID: id}
	for i := range d.verdicts {
		v := &d.verdicts[i]
		p := Part{Configuration: v.c.ID, Priority: v.c.Priority, Targeted: v.targeted, Status: v.was, Reason: v.reason}
		if p.Reason == "" && v.was != v.status {
			p.Reason = "to be looked at soon" // the twin does not show yet what is planned
		}
		out.Configurations = append(out.Configurations, p)
	}
	err = row.Twin.Desired.Walk(func(n *doc.Node) bool {
		if n.Leaf() {
			path := make([]string, len(n.Path))
			for i, key := range n.Path {
				path[i] = string(key)
			}
			out.Leaves = append(out.Leaves, Leaf{
				Path: strings.Join(path, "."), Value: n.Value.AppendJSON(nil),
				Actor: string(n.Actor()), Time: n.Time(), Version: n.Version, Wishes: d.wishesFor(path),
			})
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	out.Leaves = append(out.Leaves, d.missing(out.Leaves)...)
	slices.SortFunc(out.Leaves, func(a, b Leaf) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// wishesFor returns what configurations want at a path, in order: those that
// are in force first.
func (d *decision) wishesFor(path []string) []Wish {
	var list []Wish
	for i := range d.verdicts {
		v := &d.verdicts[i]
		if !v.targeted || v.c.stage.Stopped == rolledBack {
			continue
		}
		for _, w := range v.c.wishes {
			if meets(w.path, path) {
				list = append(list, Wish{Configuration: v.c.ID, Value: w.json()})
				break
			}
		}
	}
	// One that may not write comes after those that may.
	slices.SortStableFunc(list, func(a, b Wish) int { return d.rank(a.Configuration) - d.rank(b.Configuration) })
	return list
}

// rank is 0 for a configuration that takes part and 1 for one that waits.
func (d *decision) rank(id string) int {
	for i := range d.verdicts {
		if v := &d.verdicts[i]; v.c.ID == id && (v.role == active || v.status == statusApplied) {
			return 0
		}
	}
	return 1
}

// meets reports whether a wish decides on the value at a path: it is for that
// place, or for one around it.
func meets(wish, path []string) bool {
	return len(wish) <= len(path) && slices.Equal(wish, path[:len(wish)])
}

func (w *wish) json() []byte {
	switch w.kind {
	case absentWish:
		return nil
	case objectWish:
		return []byte("{}")
	case valueWish:
	}
	return []byte(w.value)
}

// missing returns the places at which configurations want a value and there is none.
func (d *decision) missing(there []Leaf) []Leaf {
	known := make(map[string]bool, len(there))
	for _, l := range there {
		known[l.Path] = true
	}
	var list []Leaf
	for i := range d.verdicts {
		v := &d.verdicts[i]
		if !v.targeted {
			continue
		}
		for _, w := range v.c.wishes {
			path := strings.Join(w.path, ".")
			if w.kind != valueWish || known[path] {
				continue
			}
			known[path] = true
			list = append(list, Leaf{Path: path, Wishes: d.wishesFor(w.path)})
		}
	}
	return list
}
