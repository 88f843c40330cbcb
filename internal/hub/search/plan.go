package search

import (
	"context"
	"iter"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/index"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// Plan is how a query is answered.
type Plan string

// The plans.
const (
	// Device reads the twins of the one device that the query names.
	Device Plan = "device"
	// Index has the answer in the memory index.
	Index Plan = "index"
	// Recheck takes from the index which twins may be found, and looks at each.
	Recheck Plan = "index+recheck"
	// Scan looks at all twins.
	Scan Plan = "scan"
	// Nothing is to be looked at: jobs have no rows.
	Nothing Plan = "nothing"
)

// recheckShare is the share of all twins (one in so many) up to which reading
// the candidates one by one costs less than a scan, which reads them in order.
const recheckShare = 16

// Work is what the answer to a query took.
type Work struct {
	Plan Plan
	// Examined is how many twins were looked at, Indexed how many rows of the
	// index; Found how many rows the query found.
	Examined, Indexed, Found int64
	// Waited is the time until a scan could begin, Took all of it.
	Waited, Took time.Duration
}

// run is one query under way.
type run struct {
	*Service
	query *query.Query
	plan  Plan
	// index is what the index says of the query, if it was asked.
	index index.Plan
	// count is how many rows the index expects, if guessed is set.
	count    index.Count
	guessed  bool
	examined atomic.Int64
	work     Work
	began    time.Time
	// leave gives the place among the scans back; nil without one.
	leave func()
}

// begin decides how q is answered.
func (s *Service) begin(ctx context.Context, q *query.Query) (*run, error) {
	r := &run{Service: s, query: q, began: time.Now()}
	var err error
	if r.plan, err = r.choose(ctx); err != nil {
		r.done()
		return nil, err
	}
	r.work.Plan = r.plan
	return r, nil
}

func (r *run) choose(ctx context.Context) (Plan, error) {
	q, x := r.query, r.opt.Index
	if q.Collection() == query.Jobs {
		return Nothing, nil
	}
	if _, ok := q.EqualityOn("deviceId"); ok {
		return Device, nil
	}
	if x == nil || !r.ready() {
		return Scan, nil
	}
	r.index = x.Plan(q)
	switch {
	case r.index.Exact:
		return Index, nil
	case !r.index.Narrows:
		return Scan, nil
	}
	if err := r.guess(ctx); err != nil {
		return "", err
	}
	if r.count.Doubtful == 0 {
		return Index, nil
	}
	return r.documents(), nil
}

// guess asks the index how many rows there are.
func (r *run) guess(ctx context.Context) (err error) {
	if r.index.Slow {
		if err := r.enter(ctx); err != nil {
			return err
		}
	}
	r.count, err = r.opt.Index.Count(ctx, r.query)
	r.work.Indexed += r.count.Examined
	r.guessed = err == nil
	return err
}

// documents decides how documents are read, after guess.
func (r *run) documents() Plan {
	if r.count.Sure+r.count.Doubtful <= r.count.Examined/recheckShare {
		return Recheck
	}
	return Scan
}

// change takes another way, since the index turned out not to know enough.
func (r *run) change(ctx context.Context) error {
	if err := r.guess(ctx); err != nil {
		return err
	}
	r.plan = r.documents()
	r.work.Plan = r.plan
	return nil
}

// ready reports whether the index has all that the query reads.
func (r *run) ready() bool {
	x := r.opt.Index
	return x.Ready(r.query.Kind()) && (r.query.Collection() != query.Joined || x.Ready(state.Devices))
}

// done tells of the query, and makes room for another.
func (r *run) done() {
	if r.leave != nil {
		r.leave()
	}
	r.work.Took, r.work.Examined = time.Since(r.began), r.examined.Load()
	if r.opt.Observe != nil {
		r.opt.Observe(r.work)
	}
}

// enter waits for a place among the scans, unless it has one, if the query has
// to look at all twins, or at all rows of the index one by one.
func (r *run) enter(ctx context.Context) (err error) {
	if r.leave != nil || r.plan != Scan && !r.index.Slow {
		return nil
	}
	begin := time.Now()
	r.leave, err = r.scans.enter(ctx)
	r.work.Waited += time.Since(begin)
	return err
}

// hits gives the rows after an identity that may be found, ascending; limit is
// how many are wanted at first.
func (r *run) hits(l *looker, after tvilling.Identity, limit int) iter.Seq[hit] {
	switch r.plan {
	case Device:
		return l.named(after)
	case Index, Recheck:
		return l.read(r.candidates(l.ctx, after, limit))
	case Scan, Nothing:
	}
	return l.scan(state.Range{After: after})
}

// batchMost bounds the identities that are taken from the index at once.
const batchMost = 4096

// candidates gives the identities that the index does not rule out.
func (r *run) candidates(ctx context.Context, after tvilling.Identity, limit int) iter.Seq2[tvilling.Identity, error] {
	return func(yield func(tvilling.Identity, error) bool) {
		for {
			f, err := r.opt.Index.Find(ctx, r.query, after, limit)
			if err != nil {
				yield(tvilling.Identity{}, err)
				return
			}
			r.work.Indexed += f.Examined
			for _, id := range f.IDs {
				if !yield(id, nil) {
					return
				}
			}
			if !f.More || len(f.IDs) == 0 {
				return
			}
			after, limit = f.IDs[len(f.IDs)-1], min(2*limit, batchMost)
		}
	}
}
