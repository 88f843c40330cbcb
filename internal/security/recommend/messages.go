package recommend

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/tvilling/tvilling/internal/security/agentconfig"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

const (
	// smallPercent is the part of small messages from which on they are too many.
	smallPercent = 10
	// statisticsWindow is the time over which messages are counted.
	statisticsWindow = 24 * 60 * 60
	// longestWait is the longest that a ready patch lets urgent events wait.
	longestWait = 24 * time.Hour
	// mostMessages bounds what one statistic may claim.
	mostMessages = 1 << 40
)

type unutilized struct {
	Sent    int64 `json:"messagesSent"`
	Small   int64 `json:"messagesUnder4KB"`
	Percent int64 `json:"percent"`
	Hours   int   `json:"hours"`
}

// urgentOf returns how many of the small messages carried urgent events.
func urgentOf(s *event.MessageStatistics) int64 {
	text, _ := s.Extra.Get(event.UrgentUnder4KB)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return min(n, s.MessagesUnder4KB, s.MessagesSent, mostMessages)
}

// statistics counts the messages of a day (asc §8.1). Agents count from one
// statistic to the next.
func (a *Assessor) statistics(tx *ledger.Tx, d *ledger.Device, e *event.Event) error {
	mem := recall(d)
	for _, it := range e.Items {
		s, ok := it.(*event.MessageStatistics)
		if !ok || s.MessagesSent < 0 || s.MessagesUnder4KB < 0 {
			continue
		}
		// Messages that were small because their events were to go at once are
		// no sign of a poor configuration.
		urgent := urgentOf(s)
		sent := min(s.MessagesSent, mostMessages) - urgent
		mem.add(statistic{e.Time.Unix(), sent, min(s.MessagesUnder4KB-urgent, sent)})
	}
	if len(mem.days) == 0 {
		return nil
	}
	mem.keep(tx, d)
	var sum unutilized
	for _, s := range mem.days {
		sum.Sent += s.sent
		sum.Small += s.small
	}
	if sum.Sent == 0 {
		return nil // nothing was sent, so nothing is known
	}
	sum.Percent, sum.Hours = 100*sum.Small/sum.Sent, statisticsWindow/3600
	if 100*sum.Small < smallPercent*sum.Sent {
		return a.resolve(tx, d.ID, AgentSendsUnutilized)
	}
	with := advice{details: sum}
	if a.opt.Desired != nil {
		desired, err := a.opt.Desired(tx.Context(), d.ID)
		if err != nil {
			return err
		}
		if desired != nil {
			object, _ := agentconfig.Reported(desired)
			if with.whole, err = fuller(object); err != nil {
				return err
			}
		}
	}
	return a.activate(tx, d.ID, AgentSendsUnutilized, with)
}

// add adds a statistic and drops those that are not of the same day. One of
// the same time takes the place of the one before: it came twice.
func (m *memory) add(s statistic) {
	m.days = slices.DeleteFunc(m.days, func(o statistic) bool {
		return o.second == s.second || o.second <= s.second-statisticsWindow || o.second >= s.second+statisticsWindow
	})
	m.days = append(m.days, s)
	slices.SortFunc(m.days, func(a, b statistic) int { return cmp.Compare(a.second, b.second) })
	if n := len(m.days); n > maxStatistics {
		m.days = slices.Delete(m.days, 0, n-maxStatistics)
	}
}

// fuller returns the whole configuration with urgent events waiting twice as
// long, nil if they wait long enough.
func fuller(object []byte) ([]byte, error) {
	c, _ := agentconfig.Effective(object)
	high, _ := c.Value(agentconfig.HighPriorityMessageFrequency)
	low, _ := c.Value(agentconfig.LowPriorityMessageFrequency)
	if high.Duration() >= longestWait {
		return nil, nil
	}
	wait := min(2*high.Duration(), longestWait)
	change := map[string]any{agentconfig.HighPriorityMessageFrequency: wait}
	if low.Duration() < wait {
		change[agentconfig.LowPriorityMessageFrequency] = wait
	}
	return agentconfig.Whole(object, change)
}

// patchOf returns a patch of desired properties that sets the whole agent
// configuration, since original agents take whatever a patch has for all of it.
func patchOf(whole []byte) []byte {
	b := []byte(`{"properties":{"desired":{"` + agentconfig.Object + `":`)
	b = append(b, whole...)
	return append(b, `}}}`...)
}
