package deliver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// How much is read of the feed at once, and how seldom the cursor is written:
// what was delivered in between is delivered again after a crash.
const (
	entriesAtOnce = 64
	bytesAtOnce   = 1 << 20
	writeEvery    = time.Second
)

// The defaults of [Options].
const (
	FirstWait = time.Second
	MaxWait   = 5 * time.Minute
)

// Options say whom a runner tells of what.
type Options struct {
	// Name tells the receiver from others; the cursor is kept under it.
	Name string
	// Kind is a word for [Status]: "webhook".
	Kind string
	Sink Sink
	// Severity is the least severity of entries that are delivered; the others
	// are passed over.
	Severity ledger.Severity
	// FirstWait is how long the runner waits after a failure; the wait doubles
	// with each failure up to MaxWait. Zero values are the defaults.
	FirstWait, MaxWait time.Duration
	Logger             *slog.Logger
}

// Status says how a receiver is served.
type Status struct {
	Name, Kind string
	// Cursor is the newest entry that is delivered (or passed over), Head the
	// newest there is, Lag how many lie between.
	Cursor, Head, Lag uint64
	// Sent counts entries delivered, PassedOver those below the least severity,
	// Missed those that the feed no longer had when the receiver could take
	// them, Failures attempts that failed; all since the process started.
	Sent, PassedOver, Missed, Failures int64
	// LastSuccess is when something was last delivered; zero if never.
	LastSuccess time.Time
	// LastError is why the last attempt failed, "" if it did not; Next is when
	// the next one will be.
	LastError string
	Next      time.Time
}

// Runner serves one receiver. Make one with [New].
type Runner struct {
	ledger *ledger.Ledger
	opt    Options
	log    *slog.Logger
	poke   chan struct{}
	tests  chan *test

	mu sync.Mutex
	// position is up to where entries were given to the sink, cursor up to
	// where they need not be given again, written the cursor that is durable.
	position, cursor, written uint64
	given                     uint64 // newest entry given to the sink itself
	replays                   int    // a delivery under way at a replay does not count
	replayed                  bool   // what the feed no longer has is not missed then
	changed                   time.Time
	status                    Status
}

// CursorName is the name of a receiver's cursor in the ledger.
func CursorName(name string) string { return "sink:" + name }

// New returns a runner for a receiver. One that the ledger does not know yet
// begins at the head of the feed: it is told of what happens from now on.
func New(ctx context.Context, l *ledger.Ledger, o Options) (*Runner, error) {
	if o.FirstWait == 0 {
		o.FirstWait = FirstWait
	}
	if o.MaxWait == 0 {
		o.MaxWait = MaxWait
	}
	r := &Runner{ledger: l, opt: o, log: o.Logger.With("sink", o.Name), poke: make(chan struct{}, 1), tests: make(chan *test)}
	key := CursorName(o.Name)
	err := l.Do(ctx, func(tx *ledger.Tx) error {
		known, err := tx.Value(key)
		if err != nil {
			return err
		}
		if known != nil {
			r.position, err = tx.Cursor(key)
			return err
		}
		r.position = l.Store().FeedHead()
		tx.SetValue(key, []byte(o.Kind))
		tx.SetCursor(key, r.position)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("begin to deliver to %s: %w", o.Name, err)
	}
	// A ledger that was put back from a backup may be behind the cursor.
	r.position = min(r.position, l.Store().FeedHead())
	r.cursor, r.written = r.position, r.position
	return r, nil
}

// Status returns how the receiver is served.
func (r *Runner) Status() Status {
	head := r.ledger.Store().FeedHead()
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.status
	s.Name, s.Kind = r.opt.Name, r.opt.Kind
	s.Cursor, s.Head = r.cursor, max(head, r.cursor)
	s.Lag = s.Head - s.Cursor
	return s
}

// Replay has everything after a sequence delivered again, or, if the sequence
// is beyond the cursor, has what lies between passed over. It is durable when
// it returns. A failing receiver is tried at once.
func (r *Runner) Replay(ctx context.Context, after uint64) error {
	if head := r.ledger.Store().FeedHead(); after > head {
		return &tvilling.Error{
			Code: tvilling.InvalidArgument, Op: "replay", Subject: r.opt.Name,
			Message: fmt.Sprintf("The feed has not come to %d; its newest entry is %d.", after, head),
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.write(ctx, after); err != nil {
		return err
	}
	r.position, r.cursor, r.given = after, after, after
	r.replays++
	r.replayed = true
	select {
	case r.poke <- struct{}{}:
	default:
	}
	return nil
}

// write makes a cursor durable. The caller holds mu.
func (r *Runner) write(ctx context.Context, cursor uint64) error {
	err := r.ledger.Do(ctx, func(tx *ledger.Tx) error {
		tx.SetCursor(CursorName(r.opt.Name), cursor)
		return nil
	})
	if err != nil {
		return fmt.Errorf("write the cursor of %s: %w", r.opt.Name, err)
	}
	r.written = cursor
	return nil
}

// Run delivers until ctx ends. It returns when the sink is done with what it
// was given and the cursor is written.
func (r *Runner) Run(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		changed := r.ledger.Changed()
		again, err := r.settle(ctx)
		more := false
		if err == nil {
			more, err = r.step(ctx)
		}
		if ctx.Err() != nil {
			if u, ok := r.opt.Sink.(Unacknowledged); ok && err != nil {
				_, _ = r.settled(u, true) // what has not settled comes again
			}
			break
		}
		if err != nil {
			wait := r.wait(failures, err)
			failures++
			r.failed(ctx, err, wait)
			if r.sleep(ctx, wait) {
				failures = 0
			}
			continue
		}
		failures = 0
		if !more {
			r.idle(ctx, changed, again)
			continue
		}
		select {
		case q := <-r.tests:
			r.test(ctx, q)
		default:
		}
	}
	r.finish(context.WithoutCancel(ctx))
}

// wait is how long to leave the receiver alone after a number of failures:
// double each time, and up to half more by chance, so that a receiver of many
// hubs is not met by all of them at once.
func (r *Runner) wait(failures int, err error) time.Duration {
	d := min(r.opt.FirstWait<<min(failures, 30), r.opt.MaxWait)
	if d <= 0 {
		d = r.opt.MaxWait
	}
	d = min(d+rand.N(d/2+1), r.opt.MaxWait) //nolint:gosec // chance, no secret
	if e, ok := errors.AsType[Delayed](err); ok {
		d = min(max(d, e.RetryAfter()), r.opt.MaxWait)
	}
	return d
}

func (r *Runner) failed(ctx context.Context, err error, wait time.Duration) {
	message := tvilling.MessageOf(err)
	if tvilling.CodeOf(err) == tvilling.Internal {
		message = err.Error()
	}
	r.mu.Lock()
	first := r.status.LastError == ""
	r.status.Failures++
	r.status.LastError = message
	r.status.Next = time.Now().Add(wait)
	r.mu.Unlock()
	if u, ok := r.opt.Sink.(Unacknowledged); ok {
		_, _ = r.settled(u, true) // its error is told: it is err
	}
	r.flush(ctx)
	if first {
		r.log.WarnContext(ctx, "the receiver cannot be told; it will be tried again", "error", err, "wait", wait)
	}
}

// sleep waits; true if it was ended by a replay.
func (r *Runner) sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-r.poke:
		return true
	case q := <-r.tests:
		// A receiver that is well again need not be waited for.
		return r.test(ctx, q)
	}
	return false
}

// idle waits until there may be something to do.
func (r *Runner) idle(ctx context.Context, changed <-chan struct{}, again time.Duration) {
	r.mu.Lock()
	if r.cursor != r.written {
		if due := max(time.Until(r.changed.Add(writeEvery)), time.Millisecond); again == 0 || due < again {
			again = due
		}
	}
	r.mu.Unlock()
	var timer <-chan time.Time
	if again > 0 {
		t := time.NewTimer(again)
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-ctx.Done():
	case <-changed:
	case <-r.poke:
	case <-timer:
	case q := <-r.tests:
		r.test(ctx, q)
	}
}

// step delivers what comes next in the feed and reports whether there may be
// more.
func (r *Runner) step(ctx context.Context) (more bool, err error) {
	r.mu.Lock()
	from, replays := r.position, r.replays
	r.mu.Unlock()
	p, err := r.read(ctx, from)
	if err != nil {
		return false, fmt.Errorf("read the feed: %w", err)
	}
	if p.last == from {
		return false, nil
	}
	taken := 0
	if len(p.entries) > 0 {
		taken, err = r.opt.Sink.Deliver(ctx, p.entries)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Sent += int64(taken)
	if taken > 0 {
		r.status.LastSuccess = time.Now()
	}
	if r.replays != replays {
		return true, nil
	}
	if r.replayed {
		p.missed = 0
	}
	if taken > 0 {
		r.replayed = false
		r.given = p.entries[taken-1].Sequence
	}
	switch {
	case err == nil:
		r.position = p.last
		r.status.PassedOver += p.passedOver
		r.status.Missed += p.missed
		r.status.LastError, r.status.Next = "", time.Time{}
	case taken > 0:
		r.position = r.given
	}
	if p.missed > 0 && err == nil {
		r.log.ErrorContext(ctx, "the feed no longer has entries that the receiver was not told of", "missed", p.missed, "after", from)
	}
	if _, ok := r.opt.Sink.(Unacknowledged); !ok {
		r.advance(r.position)
	}
	return true, err
}

// advance moves the cursor. The caller holds mu.
func (r *Runner) advance(to uint64) {
	if to <= r.cursor {
		return
	}
	if r.cursor == r.written {
		r.changed = time.Now()
	}
	r.cursor = to
}

// settled moves the cursor of a sink whose receiver acknowledges nothing. If
// the connection failed, what has not settled is next in the feed again.
func (r *Runner) settled(u Unacknowledged, failed bool) (again time.Duration, err error) {
	sequence, again, err := u.Settled()
	r.mu.Lock()
	defer r.mu.Unlock()
	if sequence >= r.given {
		r.advance(r.position)
	} else {
		r.advance(min(sequence, r.position))
	}
	if failed || err != nil {
		r.position = r.cursor
	}
	return again, err
}

// settle moves the cursor of a sink whose receiver acknowledges nothing, and
// writes the cursor if it is time to; again is when to come back.
func (r *Runner) settle(ctx context.Context) (again time.Duration, err error) {
	if u, ok := r.opt.Sink.(Unacknowledged); ok {
		if again, err = r.settled(u, false); err != nil {
			return 0, err
		}
	}
	r.mu.Lock()
	due := r.cursor != r.written && time.Since(r.changed) >= writeEvery
	r.mu.Unlock()
	if due {
		r.flush(ctx)
	}
	return again, nil
}

// flush writes the cursor. A ledger that cannot be written to now is no reason
// to stop: what was delivered may be delivered again.
func (r *Runner) flush(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cursor == r.written {
		return
	}
	if err := r.write(ctx, r.cursor); err != nil && ctx.Err() == nil {
		r.changed = time.Now()
		r.log.WarnContext(ctx, "the cursor cannot be written now", "error", err)
	}
}

// finish ends what is under way when Run ends.
func (r *Runner) finish(ctx context.Context) {
	if u, ok := r.opt.Sink.(Unacknowledged); ok {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if err := u.Finish(ctx); err == nil {
			r.mu.Lock()
			r.advance(r.position)
			r.mu.Unlock()
		}
	}
	r.flush(ctx)
}

// page is a part of the feed.
type page struct {
	entries            []ledger.Entry
	last               uint64
	passedOver, missed int64
}

// read takes entries out of the feed; no read of the store is open while they
// are delivered.
func (r *Runner) read(ctx context.Context, from uint64) (page, error) {
	p, size, seen := page{last: from}, 0, 0
	for e, err := range r.ledger.Store().Feed(ctx, from) {
		if err != nil {
			return page{}, err
		}
		if p.last == from {
			p.missed = int64(e.Sequence - from - 1)
		}
		p.last = e.Sequence
		if severity(e) < r.opt.Severity {
			p.passedOver++
		} else {
			p.entries = append(p.entries, e)
			size += len(e.Body)
		}
		if seen++; seen >= 16*entriesAtOnce || len(p.entries) >= entriesAtOnce || size >= bytesAtOnce {
			break
		}
	}
	return p, nil
}

// severity returns the severity of an entry; what has none that can be read is
// delivered to everybody.
func severity(e ledger.Entry) ledger.Severity {
	var body struct {
		Severity string `json:"severity"`
	}
	if json.Unmarshal(e.Body, &body) == nil {
		if s, ok := ledger.ParseSeverity(body.Severity); ok {
			return s
		}
	}
	return ledger.High
}
