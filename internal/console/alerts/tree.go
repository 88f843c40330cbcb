package alerts

import (
	"time"

	"github.com/tvilling/tvilling/internal/security/proctree"
)

// line is a process in the tree around an alert.
type line struct {
	At     time.Time
	PID    int64
	Branch string
	Text   string
	User   string
	// Hit is the process that the evidence is about.
	Hit bool
}

const (
	maxAncestors = 8
	maxSiblings  = 6
	maxChildren  = 8
)

// draw picks the process of an event out of a forest, with those above it,
// those beside it and those that it started, as lines; left counts what is
// not shown of these.
func draw(f proctree.Forest, eventID string, pid int64, at time.Time) (lines []line, left int) {
	hit := find(f, eventID, pid, at)
	if hit == nil {
		return nil, 0
	}
	d := drawing{keep: map[*proctree.Node]bool{hit: true}, hit: hit}
	top := hit
	for n := 0; top.Parent != nil && n < maxAncestors; n++ {
		top = top.Parent
		d.keep[top] = true
	}
	left += d.some(hit.Children, maxChildren)
	if hit.Parent != nil {
		left += d.some(hit.Parent.Children, maxSiblings)
	}
	d.node(top, "", "", "")
	return d.lines, left
}

// find returns the process that an event tells the start of; else the newest
// one of the id that had begun by then.
func find(f proctree.Forest, eventID string, pid int64, at time.Time) (found *proctree.Node) {
	exact := false
	f.Walk(func(n *proctree.Node, _ int) bool {
		switch {
		case exact || n.PID != pid:
		case n.Start != nil && n.Start.Event == eventID && eventID != "":
			found, exact = n, true
		case n.First().After(at):
		case found == nil || n.First().After(found.First()):
			found = n
		}
		return true
	})
	return found
}

type drawing struct {
	keep  map[*proctree.Node]bool
	hit   *proctree.Node
	lines []line
}

// some keeps the children nearest before and after the one that is kept
// already, and returns how many are left out.
func (d *drawing) some(list []*proctree.Node, most int) (left int) {
	at := 0
	for i, n := range list {
		if n == d.hit {
			at = i
		}
	}
	first := max(0, min(at-most/2, len(list)-most))
	for i, n := range list {
		switch {
		case i >= first && i < first+most:
			d.keep[n] = true
		case !d.keep[n]:
			left++
		}
	}
	return left
}

func (d *drawing) node(n *proctree.Node, before, branch, below string) {
	l := line{At: n.First(), PID: n.PID, Branch: before + branch, Text: n.Executable(), Hit: n == d.hit}
	if n.Start != nil {
		l.At, l.User = n.Start.Time, n.Start.Start.UserName
		if n.Start.Start.CommandLine != "" {
			l.Text = n.Start.Start.CommandLine
		}
	}
	d.lines = append(d.lines, l)
	var kept []*proctree.Node
	for _, child := range n.Children {
		if d.keep[child] {
			kept = append(kept, child)
		}
	}
	for i, child := range kept {
		if i+1 < len(kept) {
			d.node(child, before+below, "├─ ", "│  ")
		} else {
			d.node(child, before+below, "└─ ", "   ")
		}
	}
}
