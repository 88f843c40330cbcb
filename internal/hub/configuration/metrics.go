package configuration

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
)

const (
	// quick is what the figures of a configuration may take to be worked out
	// each time somebody asks; slower ones are kept for keepFigures.
	quick       = 200 * time.Millisecond
	keepFigures = time.Minute
	// figuresMost bounds the time that they may take.
	figuresMost = 30 * time.Second
)

// Count returns how many twins a target condition of a kind finds now; none for
// the condition "".
func (s *Service) Count(ctx context.Context, k Kind, target string) (int64, error) {
	q, err := compileTarget(k, target)
	if err != nil || q == nil {
		return 0, withPath("targetCondition", err)
	}
	return s.opt.Search.Count(ctx, q)
}

// figures keeps the figures of configurations that take long to work out.
type figures struct {
	// life ends when the service does, end ends it, and work is what is being
	// worked out.
	life context.Context //nolint:containedctx // the life of the service, not of a call
	end  context.CancelFunc
	work sync.WaitGroup

	mu    sync.Mutex
	kept  map[string]*kept
	ended bool
}

// kept are figures, or the work on them, which ends when ready is closed.
type kept struct {
	ready   chan struct{}
	metrics Metrics
	err     error
	took    time.Duration
}

// newFigures returns figures that are worked out until they are closed, with
// the values of ctx.
func newFigures(ctx context.Context) *figures {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	return &figures{life: life, end: end, kept: make(map[string]*kept)}
}

// close gives up what is being worked out, waits for it, and lets nothing begin.
func (f *figures) close() {
	f.mu.Lock()
	f.ended = true
	f.mu.Unlock()
	f.end()
	f.work.Wait()
}

// drop takes away figures, unless others have taken their place.
func (f *figures) drop(id string, k *kept) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kept[id] == k {
		delete(f.kept, id)
	}
}

// forget drops the figures of a configuration.
func (f *figures) forget(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.kept, id)
}

// usable reports whether figures answer a question asked now.
func (k *kept) usable(now time.Time) bool {
	select {
	case <-k.ready:
		return k.err == nil && k.took > quick && now.Sub(k.metrics.Time) < keepFigures
	default:
		return true
	}
}

// Metrics returns the figures of a configuration. They are worked out when
// somebody asks; if that takes long, they are up to a minute old. Whoever has
// no time to wait for them finds them ready a little later.
func (s *Service) Metrics(ctx context.Context, id string) (Metrics, error) {
	c := s.table.Load().byID[id]
	switch {
	case c == nil:
		return Metrics{}, notFound("read configuration", id)
	case ctx.Err() != nil:
		return Metrics{}, context.Cause(ctx)
	}
	k, err := s.count(c)
	if err != nil {
		return Metrics{}, err
	}
	select {
	case <-k.ready:
		return k.metrics, k.err
	case <-ctx.Done():
		return Metrics{}, context.Cause(ctx)
	}
}

// count returns the figures that there are of a configuration, or begins to
// work them out.
func (s *Service) count(c *compiled) (*kept, error) {
	f := s.figures
	f.mu.Lock()
	defer f.mu.Unlock()
	if k := f.kept[c.ID]; k != nil && k.usable(time.Now()) {
		return k, nil
	}
	if f.ended {
		return nil, tvilling.Errorf(tvilling.Unavailable, "The hub is stopping.")
	}
	k := &kept{ready: make(chan struct{})}
	f.kept[c.ID] = k
	f.work.Go(func() {
		defer close(k.ready)
		start := time.Now()
		// Several may wait for the figures: they do not end with one of them.
		ctx, cancel := context.WithTimeout(f.life, figuresMost)
		defer cancel()
		k.metrics, k.err = s.figure(ctx, c)
		k.took = time.Since(start)
		if k.err != nil {
			f.drop(c.ID, k) // whoever waits is told; the next one tries again
		}
	})
	return k, nil
}

// figure works out the figures of a configuration.
func (s *Service) figure(ctx context.Context, c *compiled) (Metrics, error) {
	m := Metrics{Custom: make(map[string]int64), Failed: make(map[string]string), Time: time.Now().UTC()}
	var err error
	if c.target != nil {
		if m.Targeted, err = s.opt.Search.Count(ctx, c.target); err != nil {
			return Metrics{}, err
		}
	}
	if m.Applied, err = s.number(ctx, c.kind, mark(c.ID, statusApplied)); err != nil {
		return Metrics{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Metrics)) {
		n, err := s.rows(ctx, c.Configuration.Metrics[name])
		switch tvilling.CodeOf(err) {
		case "":
			m.Custom[name] = n
		case tvilling.InvalidArgument, tvilling.Unsupported:
			m.Failed[name] = tvilling.MessageOf(err)
		default:
			return Metrics{}, err
		}
	}
	return m, nil
}

// rows counts the rows, or the groups, of the result of a query.
func (s *Service) rows(ctx context.Context, text string) (n int64, err error) {
	q, err := query.Compile(text)
	if err != nil {
		return 0, err
	}
	if !q.Grouped() && q.Top() == 0 && !q.Explain() && q.Collection() != query.Jobs {
		return s.opt.Search.Count(ctx, q) // no row has to be made for that
	}
	o := query.Options{Damaged: func(error) {}} // the store counts and tells of twins that cannot be read
	for {
		page, err := s.opt.Search.Run(ctx, q, o)
		if err != nil {
			return 0, err
		}
		n += int64(page.Count)
		if o.Continuation = page.Next; o.Continuation == "" {
			return n, nil
		}
	}
}
