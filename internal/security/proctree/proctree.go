package proctree

import (
	"cmp"
	"slices"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
)

// Observation is the start or the end of a process, as an event told of it.
type Observation struct {
	// Position and Event name the event, Item the place in its payload.
	Position event.Position
	Event    string
	Item     int
	Time     time.Time
	// Start is what was started; nil for an end.
	Start *event.ProcessCreate
	// End is what ended; nil for a start.
	End *event.ProcessTerminate
}

// Of returns the observations of the items of an event; none if it is of
// another kind.
func Of(rec *event.Record, items []event.Item) []Observation {
	var list []Observation
	for i, it := range items {
		o := Observation{Position: rec.Position, Event: rec.Event.ID, Item: i, Time: rec.Event.Time}
		switch it := it.(type) {
		case *event.ProcessCreate:
			o.Start = it
		case *event.ProcessTerminate:
			o.End = it
		default:
			continue
		}
		list = append(list, o)
	}
	return list
}

// Node is a process.
type Node struct {
	// PID is 0 if the device did not say.
	PID int64
	// Start and End are the observations; Start is nil for a process that was
	// there before, End for one that is not known to have ended. A node without
	// either is a parent that others name.
	Start, End *Observation
	// Hits is how many starts it stands for: more than one if the agent put
	// equal ones together.
	Hits int64
	// Replaced is when the same id was given to another process, though no end
	// of this one was told; the zero time if it was not.
	Replaced time.Time

	Parent   *Node
	Children []*Node
}

// Executable is what it runs, "" if that is not known.
func (n *Node) Executable() string {
	switch {
	case n.Start != nil:
		return n.Start.Start.Executable
	case n.End != nil:
		return n.End.End.Executable
	default:
		return ""
	}
}

// First is when it was first told of; of a parent that others name, when its
// first child was started.
func (n *Node) First() time.Time {
	switch {
	case n.Start != nil:
		return n.Start.Time
	case len(n.Children) > 0:
		return n.Children[0].First()
	case n.End != nil:
		return n.End.Time
	default:
		return time.Time{}
	}
}

// Forest is all processes that were told of.
type Forest struct {
	// Roots are those without a parent, by the time of their start.
	Roots []*Node
	// Nodes is how many processes there are.
	Nodes int
}

// late is by how much an end may be told to be before the start of a child:
// agents look at processes at intervals, so that a parent and its children may
// end and begin out of order.
const late = 5 * time.Second

// Build makes the forest. It puts the observations into the order of their
// times; those of one time stay as they came in the log.
func Build(list []Observation) Forest {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b Observation) int {
		return cmp.Or(a.Time.Compare(b.Time), a.Position.Compare(b.Position), cmp.Compare(a.Item, b.Item))
	})
	b := builder{holders: make(map[int64]*Node)}
	for i := range list {
		if o := &list[i]; o.Start != nil {
			b.start(o)
		} else {
			b.end(o)
		}
	}
	slices.SortStableFunc(b.forest.Roots, func(x, y *Node) int { return x.First().Compare(y.First()) })
	return b.forest
}

type builder struct {
	forest Forest
	// holders are the processes that had each id last.
	holders map[int64]*Node
}

func (b *builder) add(n, parent *Node) {
	b.forest.Nodes++
	n.Parent = parent
	if parent == nil {
		b.forest.Roots = append(b.forest.Roots, n)
		return
	}
	parent.Children = append(parent.Children, n)
}

func (b *builder) start(o *Observation) {
	p := o.Start
	n := &Node{PID: p.ProcessID, Start: o, Hits: event.Hits(p)}
	parent := b.parent(p, o.Time)
	if old := b.holders[n.PID]; n.PID != 0 && old != nil && old.End == nil {
		old.Replaced = o.Time
	}
	b.add(n, parent)
	if n.PID != 0 {
		b.holders[n.PID] = n
	}
}

// parent returns who started p, a node made for it if it was not told of, and
// nil if there is none.
func (b *builder) parent(p *event.ProcessCreate, at time.Time) *Node {
	id := p.ParentProcessID
	if id == 0 || id == p.ProcessID {
		return nil
	}
	have := b.holders[id]
	if have != nil && (have.End == nil || have.Start == nil || !have.End.Time.Before(at.Add(-late))) {
		return have
	}
	named := &Node{PID: id}
	b.add(named, nil)
	b.holders[id] = named
	return named
}

func (b *builder) end(o *Observation) {
	id := o.End.ProcessID
	if have := b.holders[id]; id != 0 && have != nil && have.End == nil && same(have, o.End) {
		have.End = o
		return
	}
	n := &Node{PID: id, End: o}
	b.add(n, nil)
	if id != 0 && b.holders[id] == nil {
		b.holders[id] = n
	}
}

// same reports whether an end can be that of a process: the id alone does not
// say so, for it may have been used again by one that was not told of.
func same(n *Node, end *event.ProcessTerminate) bool {
	have := n.Executable()
	return have == "" || end.Executable == "" || have == end.Executable
}

// Walk calls f for every process, parents before children, with the number of
// parents above it. It goes no deeper where f returns false.
func (f Forest) Walk(visit func(n *Node, depth int) bool) {
	type step struct {
		n     *Node
		depth int
	}
	var stack []step
	push := func(list []*Node, depth int) {
		for _, n := range slices.Backward(list) {
			stack = append(stack, step{n, depth})
		}
	}
	push(f.Roots, 0)
	for len(stack) > 0 {
		s := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if visit(s.n, s.depth) {
			push(s.n.Children, s.depth+1)
		}
	}
}
