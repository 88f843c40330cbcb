package configuration

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
)

// window bounds the twins that are being written for one reader, so that what
// others write does not wait for long.
type window struct {
	slots chan struct{}

	mu sync.Mutex
	// fault is the first error since it was last taken.
	fault error
}

func newWindow(n int) *window { return &window{slots: make(chan struct{}, n)} }

// enter waits for a place; false when ctx ends first.
func (w *window) enter(ctx context.Context) bool {
	select {
	case w.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// leave gives a place back.
func (w *window) leave(err error) {
	if err != nil {
		w.fail(err)
	}
	<-w.slots
}

func (w *window) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fault == nil {
		w.fault = err
	}
}

// settle waits until nothing is being written, and returns and forgets the
// first error since the last time.
func (w *window) settle(ctx context.Context) error {
	for n := range cap(w.slots) {
		if !w.enter(ctx) {
			for range n {
				<-w.slots
			}
			return context.Cause(ctx)
		}
	}
	for range cap(w.slots) {
		<-w.slots
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.fault
	w.fault = nil
	return err
}

// renew brings one twin to what the configurations say. What it has to write it
// writes later, within w; outcome, if set, is called once, with the decision
// that is then durable, nil if there is no such twin. With event the twin has
// changed by itself, rather than a configuration.
func (s *Service) renew(ctx context.Context, id tvilling.Identity, event bool, w *window, outcome func(*decision)) {
	if outcome == nil {
		outcome = func(*decision) {}
	}
	s.counts.looked.Add(1)
	row, err := s.row(ctx, id)
	var t *table
	var d *decision
	if err == nil {
		t = s.table.Load()
		d, err = s.decided(ctx, t, row, event)
	}
	switch tvilling.CodeOf(err) {
	case "":
	case tvilling.DeviceNotFound, tvilling.ModuleNotFound:
		outcome(nil)
		return
	default:
		s.unreadable(ctx, id, err, w, outcome)
		return
	}
	if d.idle() {
		outcome(d)
		return
	}
	arrangement, err := d.arrangement()
	if err != nil {
		w.fail(err)
		return
	}
	if !w.enter(ctx) {
		return
	}
	s.opt.Twins.Configure(id, s.opt.Whole, func(now *state.Twin) (twin.Arrangement, error) {
		current := s.table.Load()
		if current == t && same(row.Twin, now) {
			return arrangement, nil
		}
		// It is looked at again here, since it could change again and again.
		var err error
		d, err = current.decide(&query.Twin{Twin: now, From: row.From}, s.frozen(id))
		if err != nil {
			return twin.Arrangement{}, err
		}
		return d.arrangement()
	}, func(err error) {
		switch tvilling.CodeOf(err) {
		case "":
			if !d.idle() {
				s.counts.written.Add(1)
			}
			outcome(d)
		case tvilling.DeviceNotFound, tvilling.ModuleNotFound:
			outcome(nil)
			err = nil
		default:
		}
		w.leave(err)
	})
}

// unreadable notes that a twin cannot be looked at. One that is damaged is left
// as it is; anything else is tried again.
func (s *Service) unreadable(ctx context.Context, id tvilling.Identity, err error, w *window, outcome func(*decision)) {
	if tvilling.CodeOf(err) != tvilling.Corrupt {
		w.fail(err)
		return
	}
	s.counts.damaged.Add(1)
	s.opt.Logger.ErrorContext(ctx, "twin not configured: it is damaged", "device_id", id.Device, "module_id", id.Module, "error", err)
	outcome(&decision{damaged: true})
}

// same reports whether a twin is what it was.
func same(was, now *state.Twin) bool {
	return was == now || was.Version == now.Version && was.ModelID == now.ModelID &&
		bytes.Equal(was.Desired, now.Desired) && bytes.Equal(was.Reported, now.Reported) && bytes.Equal(was.Tags, now.Tags) &&
		slices.EqualFunc(was.Owned, now.Owned, func(a, b state.Owned) bool { return a.Name == b.Name && bytes.Equal(a.Value, b.Value) })
}

// row returns the row of a twin, for conditions to be asked of it.
func (s *Service) row(ctx context.Context, id tvilling.Identity) (*query.Twin, error) {
	t, err := s.opt.Store.Twin(ctx, id)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, gone(id)
	}
	return &query.Twin{Twin: t, From: &records{s, ctx}}, nil
}

// gone is the error for an identity that is not registered.
func gone(id tvilling.Identity) error {
	e := tvilling.Errorf(tvilling.DeviceNotFound, "Device %s not registered", id.Device)
	if id.IsModule() {
		e = tvilling.Errorf(tvilling.ModuleNotFound, "Module %s not registered on device %s", id.Module, id.Device)
	}
	e.Op, e.Subject = "configure twin", id.String()
	return e
}

// records reads the records beside a twin that a condition asks for.
type records struct {
	service *Service
	ctx     context.Context //nolint:containedctx // a row asks by methods without one, while it is looked at
}

// Identity returns the record of an identity.
func (r *records) Identity(id tvilling.Identity) (*state.Identity, error) {
	rec, err := r.service.opt.Store.Identity(r.ctx, id)
	if err == nil && rec == nil {
		err = gone(id)
	}
	return rec, err
}

// Session returns whether an identity is connected, and its last activity.
func (r *records) Session(id tvilling.Identity) (connected bool, activity time.Time, err error) {
	if connected, _, activity = r.service.opt.Sessions.Live(id); connected {
		return true, activity, nil
	}
	kept, err := r.service.opt.Store.Session(r.ctx, id)
	switch {
	case tvilling.CodeOf(err) == tvilling.Corrupt: // a damaged one tells nothing
		return false, time.Time{}, nil
	case kept == nil:
		return false, time.Time{}, err
	}
	return false, kept.LastActivity, err
}

// frozen tells which configurations are kept from a twin.
func (s *Service) frozen(id tvilling.Identity) frozen {
	return func(configuration string) string {
		until := s.damper.until(pair{configuration, id})
		if until.IsZero() {
			return ""
		}
		return fmt.Sprintf("kept from this twin until %s, since its work here is undone again and again", until.UTC().Format(time.RFC3339))
	}
}

// decided decides about a twin, and notices whose work is undone.
func (s *Service) decided(ctx context.Context, t *table, row *query.Twin, event bool) (*decision, error) {
	id := row.Twin.ID
	d, err := t.decide(row, s.frozen(id))
	if err != nil || !event || d.idle() {
		return d, err
	}
	again := false
	for i := range d.verdicts {
		v := &d.verdicts[i]
		if !d.undoes(v) {
			continue
		}
		s.counts.undone.Add(1)
		kept, tooMany := s.damper.undone(pair{v.c.ID, id}, time.Now())
		switch {
		case tooMany:
			s.loops(ctx, v.c.ID)
		case kept:
			again = true
			s.opt.Logger.WarnContext(ctx, "configuration kept from a twin for a while: its work there is undone again and again",
				"configuration", v.c.ID, "device_id", id.Device, "module_id", id.Module)
		}
	}
	if again {
		return t.decide(row, s.frozen(id))
	}
	return d, nil
}

// undoes reports whether the twin has undone what a configuration did to it:
// it no longer has its values, or no longer wants them.
func (d *decision) undoes(v *verdict) bool {
	if v.was != statusApplied {
		return false
	}
	return v.role == out || v.part >= 0 && d.edits.writes[v.part] != nil
}
