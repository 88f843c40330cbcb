package configuration

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
)

// Progress says how far a configuration has come.
func (s *Service) Progress(_ context.Context, id string) (Progress, error) {
	c := s.table.Load().byID[id]
	if c == nil {
		return Progress{}, notFound("read configuration", id)
	}
	at, l := &c.stage, s.live(id, nil)
	p := Progress{
		ID: id, State: c.state(), Reason: at.Reason, Reach: -1,
		Looked: at.Looked, Blocked: at.Blocked, Damped: s.damper.kept(id),
		Unhealthy: l.unhealthy, Watched: l.watched, Updated: at.Changed,
	}
	if at.Pass != nil {
		p.Looked, p.Blocked = at.Pass.Looked+l.looked, at.Pass.Blocked+l.blocked
	}
	switch {
	case c.broken != nil:
		p.Reason = "The definition cannot be read: " + tvilling.MessageOf(c.broken)
	case p.Reason == "":
		p.Reason = cmp.Or(l.legs.failure, l.steps.failure)
	}
	if c.Rollout == nil {
		return p, nil
	}
	p.Steps = len(c.Rollout.Steps) + 1
	p.Step = min(at.Step+1, p.Steps)
	if !at.Everyone {
		p.Reach = at.Reach
	}
	if p.State == Waiting {
		p.Next = at.Settled.Add(time.Duration(c.Rollout.Wait))
	}
	return p, nil
}

// state says where a configuration is.
func (c *compiled) state() State {
	at := &c.stage
	switch {
	case at.Stopped == rolledBack && at.Pass != nil:
		return RollingBack
	case at.Stopped == rolledBack:
		return RolledBack
	case at.Stopped == halted:
		return Halted
	case at.Paused:
		return Paused
	case at.Pass != nil:
		return Applying
	case at.Finished:
		return Applied
	case !at.Settled.IsZero():
		return Waiting
	}
	return Applying
}

// operate changes the stage of a configuration as somebody asks for, and
// returns what became of it.
func (s *Service) operate(ctx context.Context, id, what, actor string, f func(now time.Time, at *stage, c *compiled) error) (Progress, error) {
	c := s.table.Load().byID[id]
	if c == nil {
		return Progress{}, notFound("operate configuration", id)
	}
	err := s.edit(ctx, id, what, actor, func(now time.Time, at *stage) error {
		if at.Removed {
			return notFound("operate configuration", id)
		}
		at.Changed = now
		return f(now, at, c)
	})
	if err != nil {
		return Progress{}, about("operate configuration", id, err)
	}
	return s.Progress(ctx, id)
}

// Pause keeps a configuration from writing until it is resumed. What it has
// written stays; twins that leave its condition lose it as ever.
func (s *Service) Pause(ctx context.Context, id, actor string) (Progress, error) {
	return s.operate(ctx, id, "paused", actor, func(_ time.Time, at *stage, _ *compiled) error {
		at.Paused = true
		return nil
	})
}

// Resume lets a paused or halted configuration go on where it was, and one
// that was rolled back begin anew.
func (s *Service) Resume(ctx context.Context, id, actor string) (Progress, error) {
	s.damper.forget(id)
	return s.operate(ctx, id, "resumed", actor, func(now time.Time, at *stage, c *compiled) error {
		at.Paused = false
		if at.Stopped == rolledBack {
			at.restart()
			at.Everyone, at.Finished = c.Rollout == nil, c.Rollout == nil
		}
		at.Stopped, at.Reason = "", ""
		at.begin(now)
		return nil
	})
}

// Advance begins the next step of a rollout now, whatever the present one
// waits for. InvalidArgument if there is no further step.
func (s *Service) Advance(ctx context.Context, id, actor string) (Progress, error) {
	return s.operate(ctx, id, "advanced", actor, func(now time.Time, at *stage, c *compiled) error {
		switch {
		case c.Rollout == nil || at.Everyone:
			return tvilling.Errorf(tvilling.InvalidArgument, "There is no further step: the configuration is for all of its twins already.")
		case !at.writes():
			return tvilling.Errorf(tvilling.InvalidArgument, "The configuration is paused or was stopped; resume it first.")
		}
		at.next(now, len(c.Rollout.Steps))
		return nil
	})
}

// Rollback removes what a configuration wrote from every twin, and keeps it so
// until it is resumed.
func (s *Service) Rollback(ctx context.Context, id, actor string) (Progress, error) {
	s.damper.forget(id) // nothing keeps it from leaving
	return s.operate(ctx, id, "rolled back", actor, func(now time.Time, at *stage, _ *compiled) error {
		at.Stopped, at.Reason = rolledBack, "asked for by "+strings.Replace(actor, ":", " ", 1)
		at.begin(now)
		return nil
	})
}
