package investigate

import (
	"context"
	"slices"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/proctree"
)

const (
	// MaxProcesses is how many starts and ends of processes one tree is made of.
	MaxProcesses = 20_000
	// maxTree is how much of payloads they may be, in bytes.
	maxTree = 16 << 20
)

// Tree is which processes of a device started which.
type Tree struct {
	Forest proctree.Forest
	// Events is how many events were read, Damaged how many could not be.
	Events, Damaged int64
	// Complete says that all events of the scope were read; if not, Since is the
	// time of the oldest one that was: a tree is made of the newest.
	Complete bool
	Since    time.Time
}

// Tree reads the processes of one device. It ends early when it has
// [MaxProcesses] observations or enough says so: that is asked after every event.
func (r *Reader) Tree(ctx context.Context, s Scope, enough func() bool) (*Tree, error) {
	if s.Device == "" {
		return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read processes", Path: "device", Message: "Name a device: a process tree is that of one."}
	}
	out := &Tree{Complete: true}
	var list []proctree.Observation
	size := 0
	q := event.Query{
		Device: s.Device, From: s.From, To: s.To, Descending: true,
		Names: []string{event.ProcessCreateKind.String(), event.ProcessTerminateKind.String()},
	}
	for rec, err := range r.events(ctx, q) {
		var items []event.Item
		if err == nil {
			items, err = Items(rec)
		}
		if err != nil {
			if tvilling.CodeOf(err) != tvilling.Corrupt {
				return nil, err
			}
			out.Damaged++
			continue
		}
		out.Events++
		list = append(list, proctree.Of(rec, items)...)
		size += len(rec.Event.Payload)
		if len(list) >= MaxProcesses || size >= maxTree || enough() {
			out.Complete, out.Since = false, rec.Event.Time
			break
		}
	}
	slices.Reverse(list)
	out.Forest = proctree.Build(list)
	return out, ctx.Err()
}

// Process is one of a tree, which as a list has parents before their children.
type Process struct {
	// Depth is how many processes are above it, Parent the place in the list of
	// the one that started it, -1 for none.
	Depth  int `json:"depth"`
	Parent int `json:"parent"`
	// PID is absent if it was not told.
	PID         int64  `json:"processId,omitempty"`
	Executable  string `json:"executable,omitempty"`
	CommandLine string `json:"commandLine,omitempty"`
	UserName    string `json:"userName,omitempty"`
	UserID      string `json:"userId,omitempty"`
	// Started is absent of one that was there before, or is only named as a
	// parent; Ended of one that is not known to have ended.
	Started    time.Time `json:"started,omitzero"`
	Ended      time.Time `json:"ended,omitzero"`
	ExitStatus *int64    `json:"exitStatus,omitempty"`
	// Replaced is when another process had the same id, though no end was told.
	Replaced time.Time `json:"replaced,omitzero"`
	// Count is how many starts it stands for.
	Count int64 `json:"count,omitempty"`
	// Event is the id of the event that told of the start, or of the end.
	Event string `json:"event,omitempty"`
}

// List returns the tree as a list, values that are too long cut.
func (t *Tree) List() []Process {
	list := make([]Process, 0, t.Forest.Nodes)
	place := make(map[*proctree.Node]int, t.Forest.Nodes)
	t.Forest.Walk(func(n *proctree.Node, depth int) bool {
		p := Process{Depth: depth, Parent: -1, PID: n.PID, Executable: clip(n.Executable()), Replaced: n.Replaced}
		if n.Parent != nil {
			p.Parent = place[n.Parent]
		}
		if n.End != nil {
			p.Ended, p.Event, p.ExitStatus = n.End.Time, n.End.Event, &n.End.End.ExitStatus
		}
		if n.Start != nil {
			p.Started, p.Event, p.Count = n.Start.Time, n.Start.Event, n.Hits
			p.CommandLine, p.UserName, p.UserID = clip(n.Start.Start.CommandLine), clip(n.Start.Start.UserName), clip(n.Start.Start.UserID)
		}
		place[n] = len(list)
		list = append(list, p)
		return true
	})
	return list
}
