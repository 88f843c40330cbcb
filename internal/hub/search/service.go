package search

import (
	"context"
	"iter"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/index"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
)

// Store reads the records of a hub; a [state.Store] is one.
type Store interface {
	Identity(ctx context.Context, id tvilling.Identity) (*state.Identity, error)
	Twin(ctx context.Context, id tvilling.Identity) (*state.Twin, error)
	Session(ctx context.Context, id tvilling.Identity) (*state.Session, error)
	Scan(ctx context.Context, r state.Range) iter.Seq2[state.Entry, error]
}

// Sessions knows who is connected; a session.Manager is one.
type Sessions interface {
	Live(id tvilling.Identity) (connected bool, since, activity time.Time)
}

// Options are what a [Service] works with.
type Options struct {
	Store    Store
	Sessions Sessions
	// Document appends a whole twin to dst as services see it.
	Document func(dst []byte, v twin.View) []byte
	// Index answers from memory once it is ready; nil for none.
	Index *index.Index
	// Owned are the members that parts of the hub add to the documents of twins.
	Owned []string
	// Observe, if set, is told of every page, count and list, when it is done.
	Observe func(Work)

	// Scans is how many queries may look through all twins, or test all rows of the
	// index one by one, at once; 2 if 0.
	// Others wait, so that they leave room for the traffic of the devices.
	Scans int
	// Waiting is how many may wait for that at once; 64 if 0.
	Waiting int
	// PageTime is how long the making of one page may take before it is given
	// out short, to be continued by the next one; 5 s if 0.
	PageTime time.Duration
}

// Service runs queries. It is safe for concurrent use.
type Service struct {
	opt   Options
	scans admission
	// split returns up to n-1 identities, ascending, that cut all of them into n
	// ranges of about the same size; nil if nobody knows them.
	split func(n int) []tvilling.Identity
}

// Stats are figures of the moment, but for Refused, which only grows.
type Stats struct {
	// Scans is how many queries look at all twins, Waiting how many wait to.
	Scans, Waiting int64
	// Refused is how many were refused, since so many did or waited.
	Refused int64
}

// Stats returns the figures of the service.
func (s *Service) Stats() Stats {
	return Stats{Scans: int64(len(s.scans.places)), Waiting: s.scans.waiting.Load(), Refused: s.scans.refused.Load()}
}

// New returns a service.
func New(o Options) *Service {
	if o.Scans <= 0 {
		o.Scans = 2
	}
	if o.Waiting <= 0 {
		o.Waiting = 64
	}
	if o.PageTime <= 0 {
		o.PageTime = 5 * time.Second
	}
	s := &Service{opt: o}
	if o.Index != nil {
		s.split = o.Index.Split
	}
	s.scans.init(o.Scans, o.Waiting)
	return s
}
