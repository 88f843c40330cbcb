package search

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
)

// Explanation tells how a query is answered.
type Explanation struct {
	Plan Plan `json:"plan"`
	// Collection is what the query reads.
	Collection string `json:"collection"`
	// Why says why the index does not have the answer by itself.
	Why []string `json:"why,omitempty"`
	// Strange are the paths that begin like nothing in a twin, so that they are
	// undefined for all of them.
	Strange []string `json:"strangePaths,omitempty"`
	// Estimated is how many rows the index expects; absent if it was not asked.
	Estimated *int64 `json:"estimatedRows,omitempty"`
	// Page is what the page took, absent if it was not made.
	Page *PageWork `json:"page,omitempty"`
	// Index is the state of the memory index; absent without one.
	Index *IndexState `json:"index,omitempty"`
	// PlanMilliseconds is the time to choose the plan.
	PlanMilliseconds float64 `json:"planMilliseconds"`
}

// PageWork is what the making of a page took.
type PageWork struct {
	// Examined is how many twins were looked at, Indexed how many rows of the
	// index before.
	Examined int64 `json:"examinedTwins"`
	Indexed  int64 `json:"indexRows"`
	Rows     int   `json:"rows"`
	Bytes    int   `json:"bytes"`
	// More says that there is a next page.
	More bool `json:"more"`
	// Damaged is how many twins were left out since they cannot be read.
	Damaged int `json:"damagedTwins,omitempty"`
	// WaitMilliseconds is the time until a scan could begin, Milliseconds that
	// of all after the plan.
	WaitMilliseconds float64 `json:"waitMilliseconds"`
	Milliseconds     float64 `json:"milliseconds"`
}

// IndexState tells of the memory index.
type IndexState struct {
	// Ready says that it has all twins of the collection.
	Ready bool `json:"ready"`
	// Bytes is what the index takes for all that it has, of a Budget.
	Bytes  int64 `json:"bytes"`
	Budget int64 `json:"budget"`
	// Columns is how many paths it has.
	Columns int `json:"columns"`
}

// Explain tells how a query is answered, and what its page takes if run is set:
// then the page is made and thrown away.
func (s *Service) Explain(ctx context.Context, q *query.Query, o query.Options, run bool) (*Explanation, error) {
	r, err := s.begin(ctx, q)
	if err != nil {
		return nil, err
	}
	defer r.done()
	e := &Explanation{Plan: r.plan, Collection: q.Collection().String(), Strange: q.Strange(s.opt.Owned), PlanMilliseconds: round(milliseconds(r.began) - r.work.Waited.Seconds()*1000)}
	if err := r.why(ctx, e); err != nil {
		return nil, err
	}
	if !run {
		return e, nil
	}
	w := &PageWork{}
	damaged := o.Damaged
	o.Damaged = func(err error) {
		w.Damaged++
		if damaged != nil {
			damaged(err)
		}
	}
	page, err := r.page(ctx, o)
	if err != nil {
		return nil, err
	}
	w.Indexed = r.work.Indexed
	w.Examined, w.Rows, w.Bytes, w.More = int64(page.Scanned), page.Count, len(page.Body), page.Next != ""
	w.WaitMilliseconds = round(r.work.Waited.Seconds() * 1000)
	w.Milliseconds = max(0, round(milliseconds(r.began)-e.PlanMilliseconds-w.WaitMilliseconds))
	e.Page = w
	if e.Plan != r.plan {
		e.Plan = r.plan
		e.Why = append(e.Why, "the index does not have all that the query groups or orders by, for every twin that it finds")
	}
	return e, nil
}

// explain gives the explanation as the only row of a page.
func (s *Service) explain(ctx context.Context, q *query.Query, o query.Options) (*query.Page, error) {
	if o.Continuation != "" {
		return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Op: operation, Message: "EXPLAIN has one row, and so no continuation; leave x-ms-continuation away."}
	}
	e, err := s.Explain(ctx, q, o, true)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal([]*Explanation{e})
	if err != nil {
		return nil, err
	}
	return &query.Page{Body: body, Count: 1}, nil
}

// why says what the index knows, and why that is not enough.
func (r *run) why(ctx context.Context, e *Explanation) error {
	x := r.opt.Index
	if x == nil {
		return nil
	}
	stats := x.Stats()
	e.Index = &IndexState{Ready: r.ready(), Bytes: stats.Bytes, Budget: stats.Budget, Columns: len(stats.Columns)}
	switch {
	case r.plan == Device || r.plan == Nothing:
		return nil
	case !e.Index.Ready:
		e.Why = append(e.Why, "the memory index is still being built from the store, as after every start")
		return nil
	}
	if !r.guessed {
		if err := r.guess(ctx); err != nil {
			return err
		}
	}
	n := r.count.Sure + r.count.Doubtful
	e.Estimated = &n
	for _, m := range r.index.Missing {
		e.Why = append(e.Why, m.Path+": "+m.Why)
	}
	if r.plan == Scan && r.index.Narrows {
		e.Why = append(e.Why, fmt.Sprintf("the index leaves %d candidates of %d twins, and reading all in order takes less time", n, r.count.Examined))
	}
	return nil
}

func milliseconds(since time.Time) float64 { return time.Since(since).Seconds() * 1000 }

// round rounds to thousandths.
func round(x float64) float64 { return math.Round(x*1000) / 1000 }
