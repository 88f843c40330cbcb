package spool_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tvilling/tvilling/internal/agent/spool"
	"github.com/tvilling/tvilling/internal/store/segment/faultfs"
)

// overhead is what an event takes besides its bytes.
const overhead = 24

// model is what a spool does, done naively.
type model struct {
	max    int
	queues [spool.Classes][]string
	counts [spool.Classes]spool.Count
}

func (m *model) size(from spool.Class) (n int) {
	for _, q := range m.queues[:from] {
		for _, e := range q {
			n += overhead + len(e)
		}
	}
	return n
}

// shed makes room, if that can be done without classes above c.
func (m *model) shed(c spool.Class, need int) bool {
	if m.size(c)+need > m.max {
		return false
	}
	for m.size(spool.Classes)+need > m.max {
		v := spool.Classes - 1
		for len(m.queues[v]) == 0 {
			v--
		}
		m.queues[v] = m.queues[v][1:]
		m.counts[v].Dropped[spool.Full]++
	}
	return true
}

func (m *model) add(c spool.Class, e string) {
	m.counts[c].Collected++
	if m.shed(c, overhead+len(e)) {
		m.queues[c] = append(m.queues[c], e)
	} else {
		m.counts[c].Dropped[spool.Full]++
	}
}

// take returns how many events of each class the next message has.
func (m *model) take(budget, pad int, classes []spool.Class) (counts [spool.Classes]int, events []string) {
	size := spool.Envelope
	limit := budget
	led := false
	for _, c := range classes {
		for _, e := range m.queues[c] {
			more := len(e)
			if len(events) > 0 {
				more++
			}
			if len(events) > 0 && size+more > limit {
				break
			}
			size += more
			events = append(events, e)
			counts[c]++
		}
		if !led && len(events) > 0 {
			led = true
			if pad > 0 {
				blocks := size / pad
				if size%pad > 0 {
					blocks++
				}
				limit = min(budget, blocks*pad)
			}
		}
	}
	return counts, events
}

// TestModel holds a spool against the model, over restarts.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		fs := faultfs.New()
		m := &model{max: rapid.IntRange(10_000, 600_000).Draw(t, "max")}
		s := on(t, fs, int64(m.max))
		n := 0
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				c := spool.Class(rapid.IntRange(0, int(spool.Classes)-1).Draw(t, "class"))
				size := rapid.OneOf(rapid.IntRange(10, 400), rapid.IntRange(10, 60_000)).Draw(t, "size")
				for range rapid.IntRange(1, 30).Draw(t, "events") {
					n++
					e := fmt.Sprintf("%-*d", size, n)
					m.add(c, e)
					_ = s.Add(c, []byte(e)) // the counts say what it refused
				}
			},
			"sync": func(t *rapid.T) {
				if err := s.Sync(); err != nil {
					t.Fatal(err)
				}
			},
			"send": func(t *rapid.T) {
				budget := rapid.SampledFrom([]int{0, 4096, 8192, 65536, 262144}).Draw(t, "budget")
				pad := rapid.SampledFrom([]int{0, 4096}).Draw(t, "pad")
				order := rapid.Permutation(all).Draw(t, "order")[:rapid.IntRange(1, 3).Draw(t, "classes")]
				b, err := s.Take(budget, pad, order...)
				if err != nil {
					t.Fatal(err)
				}
				counts, want := m.take(budget, pad, order)
				if got := eventsOf(b); !slices.Equal(got, want) {
					t.Fatalf("took %v, want %v", short(got), short(want))
				}
				if rapid.Bool().Draw(t, "lost") {
					return
				}
				if err := s.Done(b); err != nil {
					t.Fatal(err)
				}
				for c, n := range counts {
					m.queues[c] = m.queues[c][n:]
				}
			},
			"resize": func(t *rapid.T) {
				m.max = rapid.IntRange(10_000, 600_000).Draw(t, "max")
				s.Resize(int64(m.max))
				m.shed(spool.High, 0)
			},
			"reset": func(t *rapid.T) {
				if got := s.Reset(); got != m.counts {
					t.Fatalf("counts are %+v, want %+v", got, m.counts)
				}
				m.counts = [spool.Classes]spool.Count{}
			},
			"restart": func(t *rapid.T) {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = on(t, fs, int64(m.max))
				if p := s.Report().Problem(); p != "" {
					t.Fatal(p)
				}
			},
			"": func(t *rapid.T) {
				for c := range spool.Classes {
					bytes := 0
					for _, e := range m.queues[c] {
						bytes += len(e)
					}
					if events, size := s.Waiting(c); events != len(m.queues[c]) || size != int64(bytes) {
						t.Fatalf("%d events of %d bytes wait in %s, want %d of %d", events, size, c, len(m.queues[c]), bytes)
					}
				}
				if got := s.Counts(); got != m.counts {
					t.Fatalf("counts are %+v, want %+v", got, m.counts)
				}
				onDisk := 0
				for _, name := range fs.Files() {
					onDisk += len(fs.Data(name))
				}
				// What was dropped since the last Sync is still there.
				if limit := 2*600_000 + 3*80_000 + 60_000*30; onDisk > limit {
					t.Fatalf("%d bytes are on the disk", onDisk)
				}
			},
		})
	})
}

func eventsOf(b spool.Batch) (events []string) {
	for e := range b.Events() {
		events = append(events, string(e))
	}
	return events
}

// short returns the numbers of events.
func short(events []string) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = strings.TrimSpace(e)
	}
	return out
}
