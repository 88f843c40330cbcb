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

// figures keeps the figures of configurations that take long to work out.
type figures struct {
	mu   sync.Mutex
	kept map[string]*kept
}

// kept are figures, or the work on them, which ends when ready is closed.
type kept struct {
	ready   chan struct{}
	metrics Metrics
	err     error
	took    time.Duration
}

func newFigures() *figures { return &figures{kept: make(map[string]*kept)} }

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
// somebody asks; if that takes long, they are up to a minute old.
func (s *Service) Metrics(ctx context.Context, id string) (Metrics, error) {
	c := s.table.Load().byID[id]
	if c == nil {
		return Metrics{}, notFound("read configuration", id)
	}
	f := s.figures
	f.mu.Lock()
	k := f.kept[id]
	if k != nil && k.usable(time.Now()) {
		f.mu.Unlock()
		select {
		case <-k.ready:
			return k.metrics, k.err
		case <-ctx.Done():
			return Metrics{}, context.Cause(ctx)
		}
	}
	k = &kept{ready: make(chan struct{})}
	f.kept[id] = k
	f.mu.Unlock()
	start := time.Now()
	// Others may wait for the figures, too: they do not end with this caller.
	working, cancel := context.WithTimeout(context.WithoutCancel(ctx), figuresMost)
	k.metrics, k.err = s.figure(working, c)
	cancel()
	k.took = time.Since(start)
	if k.err != nil {
		f.mu.Lock()
		if f.kept[id] == k {
			delete(f.kept, id) // whoever waits with us is told; the next one tries again
		}
		f.mu.Unlock()
	}
	close(k.ready)
	return k.metrics, k.err
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
	if m.Applied, err = s.count(ctx, c.kind, mark(c.ID, statusApplied)); err != nil {
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
