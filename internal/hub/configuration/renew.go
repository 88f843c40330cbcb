package configuration

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
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
	view, err := s.opt.Twins.Get(ctx, id)
	switch tvilling.CodeOf(err) {
	case "":
	case tvilling.DeviceNotFound, tvilling.ModuleNotFound:
		outcome(nil)
		return
	default:
		s.unreadable(ctx, id, err, w, outcome)
		return
	}
	sub := &subject{identity: view.Identity, twin: view.Twin, connected: view.Connected, activity: view.LastActivity}
	t := s.table.Load()
	d, err := s.decided(ctx, t, sub, event)
	if err != nil {
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
	s.opt.Twins.Configure(id, s.opt.Whole, func(rec *state.Identity, now *state.Twin) (twin.Arrangement, error) {
		current := s.table.Load()
		if current == t && same(view, rec, now) {
			return arrangement, nil
		}
		// It is looked at again here, since it could change again and again.
		var err error
		d, err = current.decide(&subject{identity: rec, twin: now, connected: sub.connected, activity: sub.activity}, s.frozen(id))
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
func same(was twin.View, rec *state.Identity, now *state.Twin) bool {
	if was.Twin == now && was.Identity == rec {
		return true
	}
	return was.Identity.Generation == rec.Generation && was.Identity.Version == rec.Version &&
		was.Version == now.Version && was.ModelID == now.ModelID &&
		was.Desired.Version() == now.Desired.Version() && was.Reported.Version() == now.Reported.Version() &&
		slices.EqualFunc(was.Owned, now.Owned, func(a, b state.Owned) bool { return a.Name == b.Name && bytes.Equal(a.Value, b.Value) })
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
func (s *Service) decided(ctx context.Context, t *table, sub *subject, event bool) (*decision, error) {
	id := sub.twin.ID
	d, err := t.decide(sub, s.frozen(id))
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
		return t.decide(sub, s.frozen(id))
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
