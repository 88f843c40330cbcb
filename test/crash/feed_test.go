package crash_test

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"

	"github.com/tvilling/tvilling/internal/client"
)

// verifyFeed reads the feed, which has no gap and nothing twice, and compares
// what it told last of each alert with the alert.
func verifyFeed(l *life) {
	l.t.Helper()
	type record struct {
		ID      string `json:"id"`
		Status  string `json:"status"`
		Count   int64  `json:"count"`
		Version uint64 `json:"version"`
	}
	last := map[string]record{}
	var sequence uint64
	for e, err := range l.api.Feed(l.ctx, client.StreamOptions{}) {
		if err != nil {
			l.t.Errorf("read the feed after %d: %v", sequence, err)
			return
		}
		if sequence++; e.Sequence != sequence {
			l.t.Errorf("entry %d of the feed follows %d", e.Sequence, sequence-1)
			return
		}
		if e.Subject != "alert" {
			continue
		}
		var r record
		if err := json.Unmarshal(e.Body, &r); err != nil {
			l.t.Errorf("entry %d of the feed: %v", sequence, err)
			return
		}
		before, known := last[e.ID]
		if raised := e.Action == "raised"; raised == known {
			l.t.Errorf("entry %d of the feed: %s of %s, which is known: %t", sequence, e.Action, e.ID, known)
		}
		// Two steps of one change tell of the same alert.
		if r != before && r.Version <= before.Version || r.Count < before.Count {
			l.t.Errorf("entry %d of the feed: %+v follows %+v", sequence, r, before)
		}
		last[e.ID] = r
	}
	found := 0
	for a, err := range l.api.Alerts(l.ctx, client.AlertFilter{}, client.Paging{PageSize: 1000}) {
		if err != nil {
			l.t.Errorf("read alerts: %v", err)
			return
		}
		found++
		if want := (record{a.ID, a.Status, a.Count, a.Version}); last[a.ID] != want {
			l.t.Errorf("the feed told last of %+v, the alert is %+v", last[a.ID], want)
		}
	}
	if found != len(last) {
		l.t.Errorf("%d alerts are there, the feed told of %d", found, len(last))
	}
}

// watcher follows the feed, so that hubs are killed when something is concluded.
type watcher struct{}

func (*watcher) setUp(*life)  {}
func (*watcher) verify(*life) {}

func (*watcher) work(l *life) {
	for _, err := range l.api.Feed(l.ctx, client.StreamOptions{Follow: true, Latest: true}) {
		if err == nil {
			l.acked()
		}
		if l.over("follow the feed", err) {
			return
		}
	}
}

// operator gives alerts owners, numbered, and resolves some of them.
type operator struct {
	random *rand.Rand
	sent   int

	// acked are the numbers by alert.
	acked map[string][]int
	// doing is the alert of the request number sent, if its answer is not known.
	doing string
}

func (o *operator) setUp(*life) { o.acked = map[string][]int{} }

func (o *operator) work(l *life) {
	var ids []string
	for !l.killed.Load() {
		if len(ids) == 0 || o.random.IntN(20) == 0 {
			ids = ids[:0]
			for a, err := range l.api.Alerts(l.ctx, client.AlertFilter{}, client.Paging{PageSize: 1000}) {
				if l.over("list alerts", err) {
					return
				}
				ids = append(ids, a.ID)
			}
			continue
		}
		o.sent++
		o.doing = ids[o.random.IntN(len(ids))]
		change := client.AlertChange{Owner: new("o" + strconv.Itoa(o.sent))}
		if o.random.IntN(3) == 0 {
			change.Status, change.Reason = new("resolved"), new("mitigated")
		}
		_, err := l.api.UpdateAlert(l.ctx, o.doing, change, client.Any())
		if err == nil {
			o.acked[o.doing] = append(o.acked[o.doing], o.sent)
			o.doing = ""
			l.acked()
		}
		if l.over("update alert", err) {
			return
		}
	}
}

// verify looks for every acknowledged change, once, in the history of its alert.
func (o *operator) verify(l *life) {
	l.t.Helper()
	for id, numbers := range o.acked {
		steps, err := l.api.AlertHistory(l.ctx, id)
		if err != nil {
			l.t.Errorf("history of alert %s: %v", id, err)
			return
		}
		times := map[string]int{}
		for _, s := range steps {
			if s.Owner != "" && s.Actor == "policy:iothubowner" {
				times[s.Owner]++
			}
		}
		for _, n := range numbers {
			if got := times["o"+strconv.Itoa(n)]; got != 1 {
				l.t.Errorf("alert %s: the change number %d is %d times in its history", id, n, got)
			}
		}
		if o.doing != id {
			a, err := l.api.Alert(l.ctx, id)
			if err != nil || a.Owner != "o"+strconv.Itoa(numbers[len(numbers)-1]) {
				l.t.Errorf("alert %s: the owner is %+v, %v; want the one of change %d", id, a, err, numbers[len(numbers)-1])
			}
		}
	}
	if o.doing != "" { // it was done or was not; from now on nobody asks
		a, err := l.api.Alert(l.ctx, o.doing)
		if err != nil {
			l.t.Errorf("alert %s: %v", o.doing, err)
			return
		}
		if a.Owner == "o"+strconv.Itoa(o.sent) {
			o.acked[o.doing] = append(o.acked[o.doing], o.sent)
		}
		o.doing = ""
	}
}
