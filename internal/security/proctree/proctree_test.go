package proctree_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/proctree"
)

var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// script reads lines "+10 start PID PARENT PROGRAM" and "+10 end PID PROGRAM",
// with seconds after the beginning.
func script(t *testing.T, text string) []proctree.Observation {
	t.Helper()
	var list []proctree.Observation
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		f := strings.Fields(line)
		var seconds, pid, parent int64
		if _, err := fmt.Sscan(f[0], &seconds); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if _, err := fmt.Sscan(f[2], &pid); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		o := proctree.Observation{Position: event.Position{Sequence: uint64(i + 1)}, Time: begin.Add(time.Duration(seconds) * time.Second)}
		switch f[1] {
		case "start":
			if _, err := fmt.Sscan(f[3], &parent); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			o.Start = &event.ProcessCreate{ProcessID: pid, ParentProcessID: parent, Executable: f[4]}
			if len(f) > 5 {
				o.Start.Extra = event.Details{{Name: event.HitCount, Value: f[5]}}
			}
		case "end":
			o.End = &event.ProcessTerminate{ProcessID: pid, Executable: f[3]}
		default:
			t.Fatalf("%s: unknown", line)
		}
		list = append(list, o)
	}
	return list
}

// draw shows a forest, a line for each process.
func draw(f proctree.Forest) string {
	var b strings.Builder
	f.Walk(func(n *proctree.Node, depth int) bool {
		fmt.Fprintf(&b, "%s%d %s", strings.Repeat(" ", depth), n.PID, n.Executable())
		if n.Start == nil {
			b.WriteString(" before")
		}
		if n.Hits > 1 {
			fmt.Fprintf(&b, " ×%d", n.Hits)
		}
		if n.End != nil {
			fmt.Fprintf(&b, " -%g", n.End.Time.Sub(begin).Seconds())
		}
		if !n.Replaced.IsZero() {
			fmt.Fprintf(&b, " ~%g", n.Replaced.Sub(begin).Seconds())
		}
		b.WriteByte('\n')
		return true
	})
	return b.String()
}

func TestBuild(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ script, want string }{
		"a tree": {
			"0 start 10 1 sshd\n1 start 11 10 sh\n2 start 12 11 curl\n3 end 12 curl\n4 start 13 11 x\n9 end 11 sh",
			"1  before\n 10 sshd\n  11 sh -9\n   12 curl -3\n   13 x\n",
		},
		"out of order": {
			"2 start 12 11 curl\n1 start 11 0 sh",
			"11 sh\n 12 curl\n",
		},
		"a parent that was not told of": {
			"1 start 12 11 a\n2 start 13 11 b\n3 end 11 sh",
			"11 sh before -3\n 12 a\n 13 b\n",
		},
		"an end without a beginning": {
			"1 end 11 sh",
			"11 sh before -1\n",
		},
		"two ends": {
			"0 start 11 0 sh\n1 end 11 sh\n2 end 11 sh",
			"11 sh -1\n11 sh before -2\n",
		},
		"an id used again": {
			"0 start 11 0 a\n1 end 11 a\n60 start 11 0 b\n61 start 12 11 c\n62 end 11 b",
			"11 a -1\n11 b -62\n 12 c\n",
		},
		"an id used again, without an end": {
			"0 start 11 0 a\n60 start 11 0 b\n61 start 12 11 c",
			"11 a ~60\n11 b\n 12 c\n",
		},
		"the end of one that was not told of": {
			"0 start 11 0 a\n60 end 11 other",
			"11 a\n11 other before -60\n",
		},
		"a parent that ended long before": {
			"0 start 11 0 a\n1 end 11 a\n60 start 12 11 c",
			"11 a -1\n11  before\n 12 c\n",
		},
		"a parent that ended a moment before": {
			"0 start 11 0 a\n1 end 11 a\n2 start 12 11 c",
			"11 a -1\n 12 c\n",
		},
		"its own parent": {
			"0 start 11 11 a",
			"11 a\n",
		},
		"in a circle": {
			"0 start 11 12 a\n1 start 12 11 b",
			"12  before ~1\n 11 a\n  12 b\n",
		},
		"many in one": {
			"0 start 11 1 a 40\n1 start 0 11 b\n2 start 0 11 c",
			"1  before\n 11 a ×40\n  0 b\n  0 c\n",
		},
	} {
		if got := draw(proctree.Build(script(t, tt.script))); got != tt.want {
			t.Errorf("%s:\n%swant\n%s", name, got, tt.want)
		}
	}
}

// TestEveryObservationOnce: whatever devices tell, each observation is in the
// forest exactly once, no process is its own ancestor, and children point to
// their parents.
func TestEveryObservationOnce(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		var list []proctree.Observation
		for i := range 1 + r.IntN(200) {
			o := proctree.Observation{Position: event.Position{Sequence: uint64(i)}, Item: r.IntN(2), Time: begin.Add(time.Duration(r.IntN(40)) * time.Second)}
			program := string(rune('a' + r.IntN(3)))
			if r.IntN(3) > 0 {
				o.Start = &event.ProcessCreate{ProcessID: r.Int64N(12), ParentProcessID: r.Int64N(12), Executable: program}
			} else {
				o.End = &event.ProcessTerminate{ProcessID: r.Int64N(12), Executable: program}
			}
			list = append(list, o)
		}
		seen := make(map[event.Position]int)
		nodes := 0
		f := proctree.Build(list)
		f.Walk(func(n *proctree.Node, depth int) bool {
			nodes++
			if depth > len(list)+1 {
				t.Fatalf("seed %d: a process is its own ancestor", seed)
			}
			for _, o := range []*proctree.Observation{n.Start, n.End} {
				if o != nil {
					seen[o.Position]++
				}
			}
			if n.Start != nil && n.End != nil && n.End.Time.Before(n.Start.Time) {
				t.Errorf("seed %d: a process ends before it begins", seed)
			}
			for _, c := range n.Children {
				if c.Parent != n {
					t.Errorf("seed %d: a child has another parent", seed)
				}
			}
			return true
		})
		if nodes != f.Nodes {
			t.Errorf("seed %d: %d nodes are said to be %d", seed, nodes, f.Nodes)
		}
		for _, o := range list {
			if seen[o.Position] != 1 {
				t.Errorf("seed %d: %v is in the forest %d times", seed, o.Position, seen[o.Position])
			}
		}
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	rec := &event.Record{Position: event.Position{Sequence: 4, Index: 2}, Event: event.Event{ID: "e", Time: begin}}
	list := proctree.Of(rec, []event.Item{&event.ProcessCreate{ProcessID: 1}, &event.Login{}, &event.ProcessTerminate{ProcessID: 1}})
	if len(list) != 2 || list[0].Start == nil || list[1].End == nil || list[1].Item != 2 || list[1].Event != "e" || list[1].Position != rec.Position {
		t.Errorf("got %+v", list)
	}
}
