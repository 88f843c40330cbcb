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
// are in force first. One that may not write comes after those that may.
func (d *decision) wishesFor(path []string) []Wish {
	var list, waiting []Wish
	for i := range d.verdicts {
		v := &d.verdicts[i]
		if !v.targeted || v.c.stage.Stopped == rolledBack {
			continue
		}
		w := wishAt(v.c.wishes, path)
		switch {
		case w == nil:
		case v.role == active || v.status == statusApplied:
			list = append(list, Wish{Configuration: v.c.ID, Value: w.json()})
		default:
			waiting = append(waiting, Wish{Configuration: v.c.ID, Value: w.json()})
		}
	}
	return append(list, waiting...)
}

// wishAt returns the wish that decides on the value at a path: it is for that
// place, or for one around it. Wishes are in the order of their paths, and none
// is inside of another. nil if there is none.
func wishAt(wishes []wish, path []string) *wish {
	i, found := slices.BinarySearchFunc(wishes, path, func(w wish, path []string) int { return slices.Compare(w.path, path) })
	if !found {
		i-- // one around it stands right before it
	}
	if i < 0 || len(wishes[i].path) > len(path) || !slices.Equal(wishes[i].path, path[:len(wishes[i].path)]) {
		return nil
	}
	return &wishes[i]
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
		if !v.targeted || v.c.stage.Stopped == rolledBack {
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
