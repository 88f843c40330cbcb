package search

import (
	"context"
	"iter"
	"runtime"
	"slices"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/state"
)

const (
	// yieldEvery is after how many rows a scan lets others run: some tens of
	// microseconds, so that a commit does not wait for the end of its time slice.
	yieldEvery = 64
	// passEvery is how many rows without a match pass before one of them is
	// told, so that whoever asks knows how far it is.
	passEvery = 512
)

// hit is a row that was looked at.
type hit struct {
	row query.Row
	// matches says that the query finds the row. Some of the others are told,
	// to know where a scan is.
	matches bool
	// err is set, and row nil, for a row that cannot be read (code Corrupt; the
	// next may follow), and for what ends the scan.
	err error
}

// looker looks at rows for one query. It is for one goroutine.
type looker struct {
	*reader

	query *query.Query
	// examined counts the rows looked at.
	examined int64
	single   *row // used again for the next row while nobody keeps it

	device *state.Twin // the one whose modules are joined at the moment
}

func (s *Service) looker(ctx context.Context, q *query.Query) *looker {
	return &looker{reader: &reader{s, ctx}, query: q}
}

// scan looks at the twins of a range: those that the query finds are given, and
// now and then one that it does not find.
func (l *looker) scan(r state.Range) iter.Seq[hit] {
	r.Bare, r.Kind = true, l.query.Kind()
	if l.query.Collection() == query.Joined {
		r.Kind = state.All // a device comes right before its modules
	}
	return func(yield func(hit) bool) {
		passed, hold := 0, false
		if l.query.Collection() != query.Joined { // which holds a device for its modules
			r.Hold = &hold
		}
		for e, err := range l.service.opt.Store.Scan(l.ctx, r) {
			if err != nil {
				if !yield(hit{err: err}) {
					return
				}
				continue
			}
			if l.join(e.Twin) {
				continue
			}
			h := l.look(e.Twin)
			if l.examined%yieldEvery == 0 {
				runtime.Gosched()
			}
			passed++
			switch {
			case h.err != nil:
			case h.row == nil, !h.matches && passed < passEvery:
				continue
			default:
				l.single, passed = nil, 0
			}
			hold = true
			if !yield(h) {
				return
			}
		}
		// An iterator that ended since ctx is done has not seen all rows.
		if l.ctx.Err() != nil {
			yield(hit{err: context.Cause(l.ctx)})
		}
	}
}

// join notes a device for the modules behind it, and reports whether t is one
// that is no row by itself.
func (l *looker) join(t *state.Twin) bool {
	if l.query.Collection() != query.Joined || t.ID.IsModule() {
		return false
	}
	l.device = t
	return true
}

// look tells whether the query finds a twin. The row is good until the next
// one, unless single is taken away.
func (l *looker) look(t *state.Twin) hit {
	l.examined++
	if l.single == nil {
		l.single = l.row(t)
	} else {
		*l.single = row{query.Twin{Twin: t, From: l.reader}, l.reader}
	}
	var r query.Row = l.single
	if l.query.Collection() == query.Joined {
		device, err := l.deviceOf(t.ID)
		if err != nil {
			return failed(err)
		}
		r = &query.Pair{Device: l.row(device), Module: l.single}
	}
	matches := l.query.Match(r)
	if err := r.Err(); err != nil {
		return failed(err)
	}
	return hit{row: r, matches: matches}
}

// failed is the hit of a row that cannot be read; nothing of one that is gone.
func failed(err error) hit {
	if isGone(err) {
		return hit{}
	}
	return hit{err: err}
}

// deviceOf returns the twin of the device of a module.
func (l *looker) deviceOf(module tvilling.Identity) (*state.Twin, error) {
	if l.device != nil && l.device.ID.Device == module.Device {
		return l.device, nil
	}
	id := tvilling.Device(module.Device)
	t, err := l.service.opt.Store.Twin(l.ctx, id)
	if err == nil && t == nil {
		err = gone(id)
	}
	if err != nil {
		return nil, err
	}
	l.device = t
	return t, nil
}

// read looks at the twins of some identities, in their order.
func (l *looker) read(ids iter.Seq2[tvilling.Identity, error]) iter.Seq[hit] {
	return func(yield func(hit) bool) {
		for id, err := range ids {
			var t *state.Twin
			if err == nil {
				t, err = l.service.opt.Store.Twin(l.ctx, id)
			}
			switch {
			case err != nil:
				if !yield(hit{err: err}) {
					return
				}
				continue
			case t == nil:
				continue // deleted meanwhile
			}
			l.single = nil
			if h := l.look(t); (h.row != nil || h.err != nil) && !yield(h) {
				return
			}
		}
	}
}

// keep makes a row of a scan one that stays, and holds no more memory than it
// needs: the twins of a scan lie beside each other in large blocks.
func keep(r query.Row) {
	switch r := r.(type) {
	case *row:
		r.Twin.Twin = keepTwin(r.Twin.Twin)
	case *query.Pair:
		keep(r.Device)
		keep(r.Module)
	}
}

func keepTwin(t *state.Twin) *state.Twin {
	c := *t
	c.ID.Device = tvilling.DeviceID(strings.Clone(string(t.ID.Device)))
	c.ID.Module = tvilling.ModuleID(strings.Clone(string(t.ID.Module)))
	c.Tags, c.Desired, c.Reported = slices.Clone(t.Tags), slices.Clone(t.Desired), slices.Clone(t.Reported)
	c.Owned = slices.Clone(t.Owned)
	for i := range c.Owned {
		c.Owned[i].Value = slices.Clone(c.Owned[i].Value)
	}
	return &c
}
