//go:build linux

package agent

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"github.com/tvilling/tvilling/internal/agent/settings"
	"github.com/tvilling/tvilling/internal/agent/spool"
	"github.com/tvilling/tvilling/internal/security/event"
)

// dropped returns what became of the events since the last time: one item for
// each of the queues that the schema knows, High and Low. What the micro
// agent's dialect has in a third queue counts as Low. What was lost before it
// came to a queue is part of the counts, and told by its reason in the details.
func (in *intake) dropped() []event.Item {
	counts := in.spool.Reset()
	in.mu.Lock()
	defer in.mu.Unlock()
	high := &event.DroppedEventsStatistics{Queue: "High"}
	low := &event.DroppedEventsStatistics{Queue: "Low"}
	for c := range spool.Classes {
		it := low
		if c == spool.High {
			it = high
		}
		it.CollectedEvents += int64(counts[c].Collected)
		it.DroppedEvents += int64(counts[c].Lost())
		for r := range spool.Reasons {
			if n := counts[c].Dropped[r]; n > 0 {
				it.Extra = append(it.Extra, event.Detail{Name: "queue " + c.String() + ": " + r.String(), Value: strconv.FormatUint(n, 10)})
			}
		}
	}
	losses := slices.SortedFunc(maps.Keys(in.lost), func(a, b loss) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.why, b.why))
	})
	for _, l := range losses {
		it := low
		if q := in.settings.Queue[l.kind]; q == spool.High || q != settings.Off && in.settings.Immediate(l.kind) {
			it = high
		}
		it.CollectedEvents += int64(in.lost[l])
		it.DroppedEvents += int64(in.lost[l])
		it.Extra = append(it.Extra, event.Detail{Name: l.kind.String() + ": " + l.why, Value: strconv.FormatUint(in.lost[l], 10)})
	}
	clear(in.lost)
	return []event.Item{high, low}
}

// messages returns what became of the messages since the last time.
func (s *sender) messages() []event.Item {
	st := s.statistics()
	it := &event.MessageStatistics{MessagesSent: st.sent + st.failed, MessagesUnder4KB: st.small, TotalFailed: st.failed}
	if st.urgent > 0 {
		// They are small because somebody wanted them at once, not for want of care.
		it.Extra = event.Details{{Name: event.UrgentUnder4KB, Value: strconv.FormatInt(st.urgent, 10)}}
	}
	return []event.Item{it}
}
