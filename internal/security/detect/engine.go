package detect

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/sigma"
)

// plan is what is in force at one time: which detection sees which events. It
// is made anew, whole, when a rule or a setting changes.
type plan struct {
	sets     [event.Kinds]*sigma.Set
	names    names
	rules    map[*sigma.Rule]*ruleInfo
	stateful [event.Kinds][]*active
	timed    []*active
	byID     map[string]*Info
}

// ruleInfo is a Sigma rule with what a finding of it needs.
type ruleInfo struct {
	info *Info
	fold []int
}

// active is a stateful detection with the values in force.
type active struct {
	Stateful
	info   *Info
	values Values
}

// Engine hands events to detections. Its methods are for one goroutine, but
// for those of the settings, which may run beside it.
type Engine struct {
	config
	plan    atomic.Pointer[plan]
	started time.Time

	scratch sigma.Scratch
	record  record
	scope   scope
	// shed counts memories that were over the limit.
	shed atomic.Int64
	// hits counts findings by detection.
	hits counters
}

// Found is a finding with the detection that made it.
type Found struct {
	*Info
	Finding
}

// Shed returns how many memories were forgotten because they were too large.
func (e *Engine) Shed() int64 { return e.shed.Load() }

// Observe hands the events of a message to the detections, those at which
// skip is true left out, and reports what they find. d is the device's record,
// which they may change; changed tells whether they did. last is when the
// device was heard before.
func (e *Engine) Observe(d *ledger.Device, m *event.Message, skip []bool, last time.Time, report func(Found) error) (changed bool, err error) {
	p := e.plan.Load()
	e.scope = scope{device: d, message: m, now: m.Received, last: last, started: e.started, found: e.scope.found[:0]}
	if !m.Hub { // what the hub saw of a device is not a word of its agent
		for _, a := range p.timed {
			e.scope.id = a.info.ID
			a.Stateful.(Timed).Heard(&e.scope, a.values) //nolint:forcetypeassert // it is on the list because it is
			if err := e.report(a.info, report); err != nil {
				return e.scope.changed, err
			}
		}
	}
	for i := range m.Events {
		if i < len(skip) && skip[i] {
			continue
		}
		ev := &m.Events[i]
		if err := e.match(p, ev, report); err != nil {
			return e.scope.changed, err
		}
		for _, a := range p.stateful[ev.Kind] {
			e.scope.id = a.info.ID
			a.Observe(&e.scope, ev, a.values)
			if err := e.report(a.info, report); err != nil {
				return e.scope.changed, err
			}
		}
	}
	return e.scope.changed, nil
}

// Tick has the detections look whose time has come for the device.
func (e *Engine) Tick(d *ledger.Device, now time.Time, report func(Found) error) (changed bool, err error) {
	p := e.plan.Load()
	e.scope = scope{device: d, now: now, last: d.LastSeen, started: e.started, found: e.scope.found[:0]}
	for _, a := range p.timed {
		at, ok := WakeTime(d, a.info.ID)
		if !ok || at.After(now) {
			continue
		}
		e.scope.id = a.info.ID
		e.scope.Wake(time.Time{})
		a.Stateful.(Timed).Tick(&e.scope, now, a.values) //nolint:forcetypeassert // it is on the list because it is
		if err := e.report(a.info, report); err != nil {
			return true, err
		}
	}
	return e.scope.changed, nil
}

// report passes on what the detection under way has found.
func (e *Engine) report(info *Info, report func(Found) error) error {
	if e.scope.shed > 0 {
		e.shed.Add(int64(e.scope.shed))
		e.scope.shed = 0
	}
	for _, f := range e.scope.found {
		e.hits.add(info.ID)
		if err := report(Found{Info: info, Finding: f}); err != nil {
			return err
		}
	}
	e.scope.found = e.scope.found[:0]
	return nil
}

// match runs the rules for the event's kind over each of its items.
func (e *Engine) match(p *plan, ev *event.Event, report func(Found) error) (err error) {
	set := p.sets[ev.Kind]
	if set == nil {
		return nil
	}
	e.record.names = &p.names
	for i, item := range ev.Items {
		e.record.set(item)
		set.Match(&e.record, &e.scratch, func(r *sigma.Rule, matched []sigma.Match) {
			if err != nil {
				return
			}
			ri := p.rules[r]
			f := Finding{Cause: e.cause(ri.fold), Hits: event.Hits(item), Time: ev.Time, Event: ev, Item: i, Matched: matches(matched)}
			e.hits.add(ri.info.ID)
			err = report(Found{Info: ri.info, Finding: f})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func matches(list []sigma.Match) []ledger.Match {
	out := make([]ledger.Match, len(list))
	for i, m := range list {
		out[i] = ledger.Match{Selection: m.Selection, Field: m.Field, Value: m.Value, Pattern: m.Pattern}
	}
	return out
}

// cause joins the values of the fields that a rule folds by.
func (e *Engine) cause(fold []int) string {
	if len(fold) == 0 {
		return ""
	}
	var parts, values []string
	for _, id := range fold {
		values = e.record.Values(id, values[:0])
		parts = append(parts, strings.Join(values, " "))
	}
	return Cause(parts...)
}

// Cause makes the text of a cause out of values. A long one is cut and ends
// with a digest of the whole.
func Cause(values ...string) string {
	const limit = 200
	s := strings.ToValidUTF8(strings.Join(values, ", "), "\uFFFD")
	if len(s) <= limit {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return strings.ToValidUTF8(s[:limit], "") + "… " + hex.EncodeToString(sum[:6])
}
