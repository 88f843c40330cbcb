package configuration

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tvilling/tvilling"
)

const (
	// checkEvery is how often the health of a rollout is looked at.
	checkEvery = 5 * time.Second
	// passAgain is when a step that is not finished is gone through again.
	passAgain = 30 * time.Second
)

// step sees to a rollout: that the twins of its step are known, that they are
// healthy, and that the next step follows when this one is finished and watched.
func (s *Service) step(ctx context.Context, c *compiled, now time.Time) error {
	at := &c.stage
	if c.Rollout == nil || at.Finished || c.broken != nil {
		return nil //nolint:nilerr // what is wrong with the definition was told when it was loaded
	}
	if !at.Everyone && !at.Placed {
		return s.place(ctx, c)
	}
	if !at.writes() {
		return nil
	}
	due := !at.Settled.IsZero() && at.Pass == nil && !now.Before(at.Settled.Add(time.Duration(c.Rollout.Wait)))
	healthy, err := s.healthy(ctx, c, now, due)
	switch {
	case err != nil:
		return err
	case !healthy:
		return nil
	case due:
		return s.edit(ctx, c.ID, "", "", func(now time.Time, st *stage) error {
			if st.Turn == at.Turn && st.writes() && !st.Settled.IsZero() {
				st.next(now, len(c.Rollout.Steps))
			}
			return nil
		})
	case at.Pass == nil && at.Settled.IsZero() && !now.Before(at.Changed.Add(passAgain)):
		return s.edit(ctx, c.ID, "", "", func(now time.Time, st *stage) error {
			if st.Turn == at.Turn && st.Pass == nil {
				st.begin(now)
			}
			return nil
		})
	}
	return nil
}

// next goes to the step after the present one.
func (s *stage) next(now time.Time, steps int) {
	s.Settled, s.Changed = time.Time{}, now
	switch {
	case s.Everyone:
		s.Finished = true
	case s.Step+1 < steps:
		s.Step++
		s.Placed = false
	default:
		s.Step, s.Everyone = steps, true
		s.begin(now)
	}
}

// place finds out up to where in the order of the rollout its step goes. The
// threshold is stored: twins that come later do not move it.
func (s *Service) place(ctx context.Context, c *compiled) error {
	var places []uint64
	if c.target != nil {
		for id, err := range s.opt.Search.Each(ctx, c.target, tvilling.Identity{}) {
			if err != nil {
				if tvilling.CodeOf(err) == tvilling.Corrupt {
					continue // the pass tells of it
				}
				return err
			}
			places = append(places, place64(c.ID, id))
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	slices.Sort(places)
	at := &c.stage
	reach := c.Rollout.Steps[min(at.Step, len(c.Rollout.Steps)-1)].of(int64(len(places)))
	var to threshold
	if reach > 0 {
		to = threshold(places[reach-1])
	}
	return s.edit(ctx, c.ID, "", "", func(now time.Time, st *stage) error {
		if st.Turn != at.Turn || st.Step != at.Step || st.Placed || st.Everyone {
			return nil
		}
		st.Threshold, st.Reach, st.Placed = max(st.Threshold, to), reach, true
		st.begin(now)
		return nil
	})
}

// healthy looks whether the twins that have a configuration are healthy, if
// that is due or must be known now, and does what the rollout says if not.
func (s *Service) healthy(ctx context.Context, c *compiled, now time.Time, must bool) (bool, error) {
	r := c.Rollout
	if r.Unhealthy == "" || !must && now.Sub(s.live(c.ID, nil).checked) < checkEvery {
		return true, nil
	}
	applied := mark(c.ID, statusApplied)
	watched, err := s.number(ctx, c.kind, applied)
	if err != nil {
		return false, err
	}
	unhealthy, err := s.number(ctx, c.kind, applied, r.Unhealthy)
	if err != nil {
		return false, err
	}
	s.live(c.ID, func(l *live) { l.checked, l.unhealthy, l.watched = now, unhealthy, watched })
	if !r.Limit.exceeded(unhealthy, watched) {
		return true, nil
	}
	reason := fmt.Sprintf("%d of %d twins are unhealthy, and the limit is %s", unhealthy, watched, r.Limit)
	s.opt.Logger.WarnContext(ctx, "rollout stopped", "configuration", c.ID, "reason", reason, "reaction", string(r.OnUnhealthy))
	return false, s.stop(ctx, c.ID, reason, r.OnUnhealthy == RollBack)
}

// stop ends a rollout by itself.
func (s *Service) stop(ctx context.Context, id, reason string, back bool) error {
	what := "halted: " + reason
	if back {
		what = "rolled back: " + reason
	}
	return s.edit(ctx, id, what, "hub:configurations", func(now time.Time, st *stage) error {
		if st.Stopped == rolledBack {
			return nil
		}
		st.Stopped, st.Reason, st.Changed = halted, reason, now
		if back {
			st.Stopped = rolledBack
			st.begin(now)
		}
		s.counts.stopped.Add(1)
		return nil
	})
}

// loops stops a configuration that undoes, or has undone, its work on too many twins.
func (s *Service) loops(ctx context.Context, id string) {
	if at := s.stageOf(id); at == nil || at.Stopped != "" {
		return
	}
	reason := fmt.Sprintf("its work is undone again and again on more than %d twins: does it change its own target, or does a service set the same values?", maxDamped)
	s.opt.Logger.WarnContext(ctx, "configuration halted", "configuration", id, "reason", reason)
	if err := s.stop(ctx, id, reason, false); err != nil && ctx.Err() == nil {
		s.opt.Logger.ErrorContext(ctx, "configuration not halted", "configuration", id, "error", err)
	}
}

// number counts the twins of which conditions are all true.
func (s *Service) number(ctx context.Context, k Kind, conditions ...string) (int64, error) {
	q, err := find(k, conditions...)
	if err != nil {
		return 0, err
	}
	return s.opt.Search.Count(ctx, q)
}
