package timeline

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/history"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/wording"
)

const (
	// versionsAtOnce is how many changes are read at a time, and mostReads how
	// often, until a page is given out short.
	versionsAtOnce = 100
	mostReads      = 10
	// recentAlerts is of how many alerts it is told what was done about them; of
	// older ones only that they were raised.
	recentAlerts = 100
)

// reading is one page under way.
type reading struct {
	*Service

	ctx    context.Context //nolint:containedctx // lives as long as the call
	device tvilling.DeviceID
	kinds  []Kind
	at     cursor
	page   *Page
}

func (r *reading) wants(k Kind) bool { return slices.Contains(r.kinds, k) }

func (r *reading) wantsAny(kinds ...Kind) bool { return slices.ContainsFunc(kinds, r.wants) }

func (r *reading) open() (list []*source, err error) {
	var all []iter.Seq2[item, error]
	if r.wantsAny(Connection, Twin, Reported, Configuration, Identity, Posture) {
		all = append(all, r.changes(tvilling.Device(r.device), r.at.Device, func(c *cursor, n uint64) { c.Device = n }))
		module := tvilling.Identity{Device: r.device, Module: tvilling.SecurityModule}
		all = append(all, r.changes(module, r.at.Module, func(c *cursor, n uint64) { c.Module = n }))
	}
	if r.wantsAny(Alert, Recommendation) {
		all = append(all, r.concluded())
	}
	if r.wantsAny(Login, Refusal, Agent) {
		all = append(all, r.events())
	}
	for _, seq := range all {
		s, err := newSource(seq)
		list = append(list, s)
		if err != nil {
			return list, err
		}
	}
	return list, nil
}

// changes are those of an identity and its twin.
func (r *reading) changes(id tvilling.Identity, after uint64, mark func(*cursor, uint64)) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		q := history.Query{Before: after, Limit: versionsAtOnce, Connections: r.wants(Connection)}
		last := r.now()
		for range mostReads {
			page, err := r.opt.History.Versions(r.ctx, id, q)
			switch code := tvilling.CodeOf(err); {
			case code == tvilling.ModuleNotFound, code == tvilling.DeviceNotFound && after > 0:
				return
			case err != nil:
				yield(item{}, err)
				return
			}
			r.page.Kept = page.Kept.Time
			for i := range page.Versions {
				v := &page.Versions[i]
				last = v.Time
				e, ok := ofVersion(v)
				if !ok || !r.wants(e.Kind) {
					continue
				}
				if !yield(item{Entry: e, mark: func(c *cursor) { mark(c, v.Sequence) }}, nil) {
					return
				}
			}
			if q.Before = page.Next; q.Before == 0 {
				return
			}
		}
		yield(item{Entry: Entry{Time: last}, short: true, mark: func(c *cursor) { mark(c, q.Before) }}, nil)
	}
}

func (r *reading) now() time.Time { return time.Now() }

// concluded are alerts with what was done about them, and recommendations.
func (r *reading) concluded() iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		recent, oldest, err := r.recent()
		if err != nil {
			yield(item{}, err)
			return
		}
		for _, it := range recent {
			if r.told(it) {
				continue
			}
			if !yield(it, nil) {
				return
			}
		}
		if oldest == nil || !r.wants(Alert) {
			return
		}
		f := ledger.AlertFilter{Device: r.device}
		if r.at.Time != 0 {
			f.RaisedTo = time.Unix(0, r.at.Time).Add(time.Nanosecond)
		}
		after := oldest.ID
		if r.at.Time != 0 && r.at.Time < oldest.Created.UnixNano() {
			after = "" // it goes on by the time
		}
		for a, err := range r.opt.Ledger.Alerts(r.ctx, f, after) {
			if err != nil {
				yield(item{}, err)
				return
			}
			if it := r.item(raised(a), "0"+a.ID); !r.told(it) && !yield(it, nil) {
				return
			}
		}
	}
}

// told reports whether an entry of the ledger was on a page before this one.
func (r *reading) told(it item) bool {
	if r.at.Time == 0 {
		return false
	}
	n := it.Time.UnixNano()
	return n > r.at.Time || n == r.at.Time && it.key <= r.at.Key
}

func (r *reading) item(e Entry, key string) item {
	return item{Entry: e, key: key, mark: func(c *cursor) { c.Time, c.Key = e.Time.UnixNano(), key }}
}

// recent are the newest alerts with all that was done about them, and the
// recommendations, newest first; and the oldest of these alerts if there are
// more. What happened before that alert is left to who reads the others.
func (r *reading) recent() (list []item, oldest *ledger.Alert, err error) {
	n := 0
	if r.wants(Alert) {
		for a, err := range r.opt.Ledger.Alerts(r.ctx, ledger.AlertFilter{Device: r.device}, "") {
			if err != nil {
				return nil, nil, err
			}
			if n++; n > recentAlerts {
				break
			}
			oldest = a
			list = append(list, r.item(raised(a), "0"+a.ID))
			steps, err := r.opt.Ledger.History(r.ctx, a.ID)
			if err != nil {
				return nil, nil, err
			}
			for _, st := range steps {
				if e, ok := ofStep(a, st); ok {
					list = append(list, r.item(e, fmt.Sprintf("1%020d", st.Sequence)))
				}
			}
		}
	}
	if n <= recentAlerts {
		oldest = nil
	}
	if r.wants(Recommendation) {
		for rec, err := range r.opt.Ledger.Recommendations(r.ctx, ledger.RecommendationFilter{Device: r.device}, "", "") {
			if err != nil {
				return nil, nil, err
			}
			for i, e := range ofRecommendation(rec, r.opt.Advice(rec.Type)) {
				list = append(list, r.item(e, "2"+rec.Type+strconv.Itoa(i)))
			}
		}
	}
	slices.SortFunc(list, func(a, b item) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.key, b.key))
	})
	if oldest != nil {
		// Steps stay in order with alerts that are read one by one after them.
		list = slices.DeleteFunc(list, func(it item) bool { return it.Time.Before(oldest.Created) })
	}
	return list, oldest, nil
}

// events are logins, refusals by the hub, and what agents say is wrong with
// their configuration.
func (r *reading) events() iter.Seq2[item, error] {
	kinds := map[Kind]event.Kind{Login: event.LoginKind, Refusal: event.HubAuthenticationKind, Agent: event.ConfigurationErrorKind}
	q := event.Query{Device: r.device, Descending: true, After: event.Position{Sequence: r.at.Event, Index: r.at.Index}}
	for k, e := range kinds {
		if r.wants(k) {
			q.Names = append(q.Names, e.String())
		}
	}
	return func(yield func(item, error) bool) {
		for rec, err := range r.opt.Events(r.ctx, q) {
			if tvilling.CodeOf(err) == tvilling.Corrupt {
				continue // damaged in the store, which tells of it
			}
			if err != nil {
				yield(item{}, err)
				return
			}
			items, err := r.opt.Items(rec)
			if err != nil && tvilling.CodeOf(err) != tvilling.Corrupt {
				yield(item{}, err)
				return
			}
			at := rec.Position
			e := Entry{
				Time: rec.Event.Time, Kind: Agent, Title: wording.Event(&rec.Event, items).String(),
				Event: strconv.FormatUint(at.Sequence, 10) + "." + strconv.Itoa(at.Index),
			}
			for k, kind := range kinds {
				if kind == rec.Event.Kind {
					e.Kind = k
				}
			}
			if !yield(item{Entry: e, mark: func(c *cursor) { c.Event, c.Index = at.Sequence, at.Index }}, nil) {
				return
			}
		}
	}
}
