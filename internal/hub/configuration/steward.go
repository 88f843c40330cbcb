package configuration

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/tvilling/tvilling"
)

const (
	// passWindow bounds the twins that are written because a configuration changed.
	passWindow = 256
	// leg is how long a pass goes on before anything else is looked at, and
	// before how far it has come is made durable.
	leg = 5 * time.Second
	// tick is how often the steward looks whether something is due.
	tick = time.Second
)

// live is what is known of a configuration's passes while the hub runs.
type live struct {
	// looked and blocked are those of the leg under way.
	looked, blocked int64
	// steps and legs are what went wrong with each.
	steps, legs trouble
	// checked is when the health was last looked at, with what came out.
	checked            time.Time
	unhealthy, watched int64
}

// trouble is why something that is tried again and again failed the last time.
type trouble struct {
	failure string
	// retry is when it is tried again, wait how long that was after the failure.
	retry time.Time
	wait  time.Duration
}

// live returns what is known of a configuration, and with f changes it.
func (s *Service) live(id string, f func(*live)) live {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lives[id]
	if l == nil {
		l = new(live)
		s.lives[id] = l
	}
	if f != nil {
		f(l)
	}
	return *l
}

// steward sees to all that takes time: passes over the twins of configurations
// that changed, the steps of rollouts, and the twins that a configuration was
// kept from for a while. Nothing of it is lost when the hub ends: what is not
// noted as done is done again.
func (s *Service) steward(ctx context.Context) {
	w := newWindow(passWindow)
	again := newWindow(followWindow)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for ctx.Err() == nil {
		due := s.damper.due(time.Now())
		for _, id := range due {
			// To try is no event: what the twin makes of it will be one.
			s.renew(ctx, id, false, again, nil)
		}
		if err := again.settle(ctx); err != nil && ctx.Err() == nil {
			s.opt.Logger.ErrorContext(ctx, "twins that configurations were kept from not tried again yet", "error", err)
			s.damper.later(due, time.Now().Add(retryFirst))
		}
		if s.work(ctx, w) {
			continue
		}
		select {
		case <-s.wake:
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
	_ = w.settle(context.WithoutCancel(ctx))     // what failed is not noted as done
	_ = again.settle(context.WithoutCancel(ctx)) // likewise
}

// work does one piece of what there is to do, and reports whether there may be more.
func (s *Service) work(ctx context.Context, w *window) bool {
	t := s.table.Load()
	now := time.Now()
	stages := t.stages()
	ids := slices.Sorted(maps.Keys(stages))
	for _, id := range ids {
		if c := t.byID[id]; c != nil {
			s.attempt(ctx, id, (*live).ofSteps, func() error { return s.step(ctx, c, now) })
		} else if at := stages[id]; at.Pass == nil {
			s.attempt(ctx, id, (*live).ofSteps, func() error { return s.forget(ctx, id, at.Turn) })
		}
	}
	// Twins that are connected come first, those of all configurations.
	for _, connected := range [...]bool{true, false} {
		for _, id := range ids {
			at := s.stageOf(id)
			if at == nil || at.Pass == nil || at.Pass.Connected == connected || now.Before(s.live(id, nil).legs.retry) {
				continue
			}
			if c := t.byID[id]; c != nil && !c.stage.Everyone && !c.stage.Placed {
				continue // its next step is not known yet
			}
			s.attempt(ctx, id, (*live).ofLegs, func() error { return s.leg(ctx, id, *at, w) })
			return true
		}
	}
	return false
}

// stageOf returns the present stage of a configuration, deleted or not; nil if
// there is none.
func (s *Service) stageOf(id string) *stage {
	t := s.table.Load()
	if c := t.byID[id]; c != nil {
		return &c.stage
	}
	if at, ok := t.removed[id]; ok {
		return &at
	}
	return nil
}

func (l *live) ofSteps() *trouble { return &l.steps }
func (l *live) ofLegs() *trouble  { return &l.legs }

// attempt does something for a configuration, of a kind. An error is told and
// leads to a pause of that kind, each time a longer one.
func (s *Service) attempt(ctx context.Context, id string, kind func(*live) *trouble, f func() error) {
	before := s.live(id, nil)
	if time.Now().Before(kind(&before).retry) {
		return
	}
	err := f()
	if ctx.Err() != nil || tvilling.CodeOf(err) == tvilling.ConfigurationNotFound {
		return // the hub stops, or the configuration has gone meanwhile
	}
	if err == nil {
		if *kind(&before) != (trouble{}) {
			s.live(id, func(l *live) { *kind(l) = trouble{} })
		}
		return
	}
	wait := min(max(2*kind(&before).wait, retryFirst), retryMost)
	s.live(id, func(l *live) { *kind(l) = trouble{tvilling.MessageOf(err), time.Now().Add(wait), wait} })
	s.opt.Logger.ErrorContext(ctx, "configuration not applied everywhere; tried again", "configuration", id, "error", err, "wait", wait)
}
