package configuration

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/query"
)

// leg goes on with a pass for a while, and notes how far it has come.
func (s *Service) leg(ctx context.Context, id string, at stage, w *window) error {
	now := *at.Pass
	q, err := passQueryOf(s.table.Load().byID[id], id, &at)
	if err != nil {
		return err
	}
	s.live(id, func(l *live) { l.looked, l.blocked = 0, 0 })
	var looked, blocked atomic.Int64
	done, last, err := s.walk(ctx, id, q, now.after(), w, &looked, &blocked)
	if settled := w.settle(ctx); err == nil {
		err = settled
	}
	if err != nil {
		return err
	}
	return s.edit(ctx, id, "", "", func(t time.Time, st *stage) error {
		if st.Turn != at.Turn || st.Pass == nil {
			return nil // another pass has begun meanwhile
		}
		switch {
		case !now.Connected && done:
			*st.Pass = pass{Connected: true}
		case done:
			st.passed(t, now.Looked+looked.Load(), now.Blocked+blocked.Load())
		default:
			st.Pass.Device, st.Pass.Module = last.Device, last.Module
			st.Pass.Looked, st.Pass.Blocked = now.Looked+looked.Load(), now.Blocked+blocked.Load()
		}
		return nil
	})
}

// passQueryOf finds the twins that a pass has to look at: those that a
// configuration targets, which is nil if it is deleted, and those that bear its mark.
func passQueryOf(c *compiled, id string, at *stage) (*query.Query, error) {
	marked := mark(id, statusApplied, statusTargeted)
	kind, where := at.Kind, marked
	if c != nil && c.broken == nil {
		target, err := condition(c.kind, c.Target)
		if err != nil {
			return nil, err
		}
		switch kind = c.kind; target {
		case "":
		case "*":
			where = ""
		default:
			where = "(" + target + "\n) OR " + marked
		}
	}
	connected := ""
	if !at.Pass.Connected {
		connected = "connectionState = 'Connected'"
	}
	switch {
	case where == "" && connected == "":
		return query.Compile("SELECT * FROM " + kind.collection().String())
	case where == "":
		return find(kind, connected)
	case connected == "":
		return find(kind, where)
	default:
		return find(kind, where, connected)
	}
}

// walk looks at the twins that q finds after one, for a while.
func (s *Service) walk(ctx context.Context, id string, q *query.Query, after tvilling.Identity, w *window, looked, blocked *atomic.Int64) (done bool, last tvilling.Identity, err error) {
	until, last := time.Now().Add(leg), after
	serial := s.newest()
	for found, err := range s.opt.Search.Each(ctx, q, after) {
		if err != nil {
			if tvilling.CodeOf(err) != tvilling.Corrupt {
				return false, last, err
			}
			// It is left out, and told; a rollout does not pass over it.
			s.counts.damaged.Add(1)
			blocked.Add(1)
			s.opt.Logger.ErrorContext(ctx, "twin not configured: it is damaged", "error", err)
			continue
		}
		s.renew(ctx, found, false, w, func(d *decision) {
			if d.blocks(id) {
				blocked.Add(1)
			}
		})
		last = found
		n := looked.Add(1)
		if n%64 != 0 {
			continue
		}
		if ctx.Err() != nil {
			return false, last, context.Cause(ctx)
		}
		s.live(id, func(l *live) { l.looked, l.blocked = n, blocked.Load() })
		if time.Now().After(until) || s.newest() != serial {
			return false, last, nil
		}
	}
	if ctx.Err() != nil {
		return false, last, context.Cause(ctx)
	}
	return true, last, nil
}

// newest tells whether a configuration has changed since.
func (s *Service) newest() uint64 {
	var sum uint64
	t := s.table.Load()
	for _, c := range t.byID {
		sum += c.stage.Turn
	}
	for _, at := range t.removed {
		sum += at.Turn
	}
	return sum
}

// blocks reports whether a twin should have a configuration and cannot.
func (d *decision) blocks(id string) bool {
	if d == nil {
		return false
	}
	return d.damaged || slices.ContainsFunc(d.verdicts, func(v verdict) bool { return v.c.ID == id && v.blocked })
}

// passed notes the end of a pass.
func (s *stage) passed(now time.Time, looked, blocked int64) {
	s.Pass, s.Looked, s.Blocked, s.Changed = nil, looked, blocked, now
	if blocked == 0 && s.writes() {
		s.Settled = now
	}
}

// forget ends the traces of a deleted configuration, once its pass is over.
func (s *Service) forget(ctx context.Context, id string, turn uint64) error {
	return s.opt.Committer.Do(ctx, func(tx *commit.Tx) error {
		list, err := indexOf(tx)
		if err != nil || !slices.Contains(list.Removed, id) {
			return err
		}
		var at stage
		value, err := tx.Setting(stageSetting(id))
		if err != nil {
			return err
		}
		if err := decode(stageSetting(id), value, &at); err != nil || at.Turn != turn || at.Pass != nil {
			return err
		}
		list.Removed = slices.DeleteFunc(list.Removed, func(other string) bool { return other == id })
		if err := put(tx, indexSetting, &list); err != nil {
			return err
		}
		tx.PutSetting(stageSetting(id), nil)
		tx.Effect(func() {
			s.table.Store(s.table.Load().with(id, nil, nil))
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.lives, id)
		})
		return nil
	})
}
