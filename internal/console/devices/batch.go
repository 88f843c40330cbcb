package devices

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/twin"
)

const (
	// MaxBatch is how many devices one act may be about.
	MaxBatch = 10_000
	// maxWaiting is how many acts may wait, maxKept how many are remembered,
	// maxFailures how many devices of one are named that failed.
	maxWaiting  = 8
	maxKept     = 64
	maxFailures = 200
)

// act is something to do with each of many devices.
type act struct {
	// Name is "tag", "untag", "enable", "disable" or "delete".
	Name string
	// Tag and Value are of "tag" and "untag", Reason is of "disable".
	Tag, Value, Reason string
	Actor              string
}

// batch is an act under way, or done.
type batch struct {
	ID  string
	Act act
	ids []tvilling.DeviceID
	// done is closed at the end.
	done chan struct{}

	mu sync.Mutex
	// Total, Done and Failed count devices.
	total, tried, failed int
	failures             []outcome
	began, ended         time.Time
	stopped              string
	changed              chan struct{}
}

// Batches does acts on many devices, one act after the other and each device in
// a change of its own. What was asked for is lost when the hub stops; what was
// done stays done, and the page says how far it came.
type Batches struct {
	registry Registry
	twins    Twins
	queue    chan *batch

	mu   sync.Mutex
	kept []*batch // the oldest first
}

// NewBatches returns the acts of a hub; they are done while Run runs.
func NewBatches(r Registry, t Twins) *Batches {
	return &Batches{registry: r, twins: t, queue: make(chan *batch, maxWaiting)}
}

// Run does what is asked for until ctx ends.
func (s *Batches) Run(ctx context.Context) {
	for {
		select {
		case b := <-s.queue:
			s.do(ctx, b)
		case <-ctx.Done():
			return
		}
	}
}

// start has an act done.
func (s *Batches) start(a act, ids []tvilling.DeviceID) (*batch, error) {
	b := &batch{ID: strings.ToLower(rand.Text()[:16]), Act: a, ids: ids, total: len(ids), done: make(chan struct{}), changed: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.queue <- b:
	default:
		return nil, tvilling.Errorf(tvilling.Throttled, "%d acts on many devices wait already. Nothing was changed; try again when they are done.", maxWaiting)
	}
	if s.kept = append(s.kept, b); len(s.kept) > maxKept {
		s.kept = s.kept[1:]
	}
	return b, nil
}

func (s *Batches) get(id string) *batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.kept {
		if b.ID == id {
			return b
		}
	}
	return nil
}

// do does an act on each device, some at once so that they share commits.
func (s *Batches) do(ctx context.Context, b *batch) {
	b.note(func() { b.began = time.Now() })
	var wg sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for _, id := range b.ids {
		if ctx.Err() != nil {
			break
		}
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			err := s.one(ctx, b.Act, id)
			b.note(func() {
				if b.tried++; err == nil {
					return
				}
				if b.failed++; len(b.failures) < maxFailures {
					b.failures = append(b.failures, outcome{Device: id, Err: err, Text: tvilling.MessageOf(err)})
				}
			})
		})
	}
	wg.Wait()
	b.note(func() {
		if b.ended = time.Now(); b.tried < b.total {
			b.stopped = "The hub was stopped meanwhile."
		}
	})
	close(b.done)
}

func (s *Batches) one(ctx context.Context, a act, id tvilling.DeviceID) error {
	switch a.Name {
	case "tag", "untag":
		patch, err := a.patch()
		if err != nil {
			return err
		}
		_, err = s.twins.Patch(ctx, tvilling.Device(id), twin.Update{Tags: patch}, tvilling.Match{}, a.Actor)
		return err
	case "enable", "disable":
		return able(ctx, s.registry, tvilling.Device(id), a.Name == "disable", a.Reason, tvilling.Match{}, a.Actor)
	case "delete":
		return s.registry.Delete(ctx, tvilling.Device(id), tvilling.ParseMatch("*"), a.Actor)
	}
	return tvilling.Errorf(tvilling.InvalidArgument, "There is no such act.")
}

// note changes a batch and wakes who looks at it.
func (b *batch) note(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	close(b.changed)
	b.changed = make(chan struct{})
}

// Changed returns a channel that is closed at the next progress.
func (b *batch) Changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

// progress is how far a batch has come.
type progress struct {
	ID       string
	Act      act
	Total    int
	Tried    int
	Failed   int
	Failures []outcome
	Ended    bool
	Waiting  bool
	// Stopped says why it ended early, "" if it did not.
	Stopped string
	Took    time.Duration
}

// Done is how many devices it was done for.
func (p progress) Done() int { return p.Tried - p.Failed }

// Percent is how much was tried, for a bar.
func (p progress) Percent() int { return 100 * p.Tried / max(1, p.Total) }

// Words says what is done.
func (p progress) Words() string { return p.Act.words() }

func (b *batch) progress() progress {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := progress{
		ID: b.ID, Act: b.Act, Total: b.total, Tried: b.tried, Failed: b.failed, Failures: append([]outcome(nil), b.failures...),
		Ended: !b.ended.IsZero(), Waiting: b.began.IsZero(), Stopped: b.stopped,
	}
	if p.Ended {
		p.Took = b.ended.Sub(b.began)
	}
	return p
}

// words says what the act does, as a heading.
func (a act) words() string {
	switch a.Name {
	case "tag":
		return "Set tag " + a.Tag
	case "untag":
		return "Remove tag " + a.Tag
	case "enable":
		return "Enable"
	case "disable":
		return "Disable"
	default:
		return "Delete"
	}
}

// matching are the devices that a condition finds, at most [MaxBatch]; more are
// an error.
func (p *pages) matching(ctx context.Context, q *query.Query) (ids []tvilling.DeviceID, err error) {
	for id, err := range p.Search.Each(ctx, q, tvilling.Identity{}) {
		if err != nil {
			return nil, err
		}
		if len(ids) == MaxBatch {
			return nil, tvilling.Errorf(tvilling.TooLarge, "More than %s devices match, which is the limit for one act. Narrow the query.", ui.Count(MaxBatch))
		}
		ids = append(ids, id.Device)
	}
	return ids, nil
}
