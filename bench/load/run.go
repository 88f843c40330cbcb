package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// Plan is one run of a load.
type Plan struct {
	Conns []*Conn
	// InFlight is how many requests are on their way at any time.
	InFlight int
	// Work says what is sent and what has to come back.
	Work Work
	// Sticky keeps each request's successor on the same connection, so that
	// InFlight/len(Conns) are on their way on each. Otherwise the successor
	// goes to a connection picked at random.
	Sticky bool

	Warm, Measure time.Duration
	// Begin and End, if set, are called at both ends of the measured time.
	Begin, End func()
}

// Work makes requests and knows their answers.
type Work interface {
	// Append appends the request of a slot, a number below Plan.InFlight that
	// the answer must give back. pick is random.
	Append(dst []byte, slot int, pick uint64) []byte
	// Slot returns the slot that a packet answers; an error ends the run.
	Slot(f packet.Frame) (int, error)
}

// Result is what a run measured.
type Result struct {
	Histogram
	Took time.Duration
}

// Rate returns answers per second.
func (r *Result) Rate() float64 { return float64(r.Count()) / r.Took.Seconds() }

// run is a Plan under way.
type run struct {
	Plan
	sent      []atomic.Int64 // when, by slot; 0: not on its way
	open      atomic.Int64   // requests on their way
	recording atomic.Bool
	stopping  atomic.Bool
	result    Result
	start     time.Time

	failOnce sync.Once
	err      error
	failed   chan struct{}
	drained  chan struct{}
}

// Run runs a plan. Every request sent is answered when it returns without an
// error, and its connections can serve another run.
func Run(ctx context.Context, p Plan) (*Result, error) {
	r := &run{
		Plan: p, sent: make([]atomic.Int64, p.InFlight), start: time.Now(),
		failed: make(chan struct{}), drained: make(chan struct{}),
	}
	var readers sync.WaitGroup
	for i, c := range p.Conns {
		readers.Go(func() { r.serve(c, rand.New(rand.NewPCG(uint64(i), 1))) })
	}
	r.begin()
	r.measure(ctx)
	// The readers are woken out of their reads; crypto/tls goes on after that.
	for _, c := range p.Conns {
		if err := c.nc.SetReadDeadline(time.Unix(1, 0)); err != nil {
			r.fail(err)
		}
	}
	readers.Wait()
	for _, c := range p.Conns {
		if err := c.nc.SetReadDeadline(time.Time{}); err != nil {
			r.fail(err)
		}
	}
	return &r.result, r.err
}

// begin sends the first requests.
func (r *run) begin() {
	rng := rand.New(rand.NewPCG(uint64(len(r.Conns)), 2))
	r.open.Store(int64(r.InFlight))
	var b []byte
	for slot := range r.InFlight {
		c := r.Conns[slot%len(r.Conns)]
		b = r.request(b[:0], slot, rng.Uint64())
		if err := c.Send(b); err != nil {
			r.fail(err)
			return
		}
	}
}

func (r *run) request(b []byte, slot int, pick uint64) []byte {
	r.sent[slot].Store(int64(time.Since(r.start)))
	return r.Work.Append(b, slot, pick)
}

// measure lets the run go on for its time and ends it.
func (r *run) measure(ctx context.Context) {
	defer r.stopping.Store(true)
	if !r.wait(ctx, r.Warm) {
		return
	}
	if r.Begin != nil {
		r.Begin()
	}
	began := time.Now()
	r.recording.Store(true)
	ok := r.wait(ctx, r.Measure)
	r.recording.Store(false)
	r.result.Took = time.Since(began)
	if r.End != nil {
		r.End()
	}
	r.stopping.Store(true)
	if !ok {
		return
	}
	const patience = 20 * time.Second
	select {
	case <-r.drained:
	case <-r.failed:
	case <-time.After(patience):
		r.fail(fmt.Errorf("%d requests had no answer %s after the last one was sent", r.open.Load(), patience))
	}
}

func (r *run) wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-r.failed:
	case <-ctx.Done():
		r.fail(context.Cause(ctx))
	}
	return false
}

func (r *run) fail(err error) {
	r.failOnce.Do(func() {
		r.err = err
		close(r.failed)
	})
}

// serve handles what comes on one connection until its read is ended.
func (r *run) serve(c *Conn, rng *rand.Rand) {
	var own, other []byte
	for {
		own = own[:0]
		for {
			f, ok, err := c.next()
			if err != nil {
				r.fail(err)
				return
			}
			if !ok {
				break
			}
			slot, ok := r.answered(f)
			if !ok {
				continue
			}
			pick := rng.Uint64()
			if r.Sticky {
				own = r.request(own, slot, pick)
				continue
			}
			other = r.request(other[:0], slot, pick)
			if err := r.Conns[pick%uint64(len(r.Conns))].Send(other); err != nil {
				r.fail(err)
				return
			}
		}
		if len(own) > 0 {
			if err := c.Send(own); err != nil {
				r.fail(err)
				return
			}
		}
		if err := c.read(); err != nil {
			var timeout net.Error
			if !r.stopping.Load() || !errors.As(err, &timeout) && !errors.Is(err, os.ErrDeadlineExceeded) {
				r.fail(err)
			}
			return
		}
	}
}

// answered takes an answer. ok is false when no request is to follow.
func (r *run) answered(f packet.Frame) (slot int, ok bool) {
	slot, err := r.Work.Slot(f)
	if err != nil {
		r.fail(err)
		return 0, false
	}
	if slot < 0 || slot >= r.InFlight {
		r.fail(fmt.Errorf("an answer came for request %d; there are %d", slot, r.InFlight))
		return 0, false
	}
	sent := r.sent[slot].Swap(0)
	if sent == 0 {
		r.fail(fmt.Errorf("a second answer came for request %d", slot))
		return 0, false
	}
	if r.recording.Load() {
		r.result.Add(time.Since(r.start) - time.Duration(sent))
	}
	if r.stopping.Load() {
		if r.open.Add(-1) == 0 {
			close(r.drained)
		}
		return 0, false
	}
	return slot, true
}
