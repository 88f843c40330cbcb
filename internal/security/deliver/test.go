package deliver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// Outcome is what came of a test of a receiver.
type Outcome struct {
	// Taken says that the receiver took the entry; of one that acknowledges
	// nothing, that it was sent on a good connection.
	Taken bool
	// Error is why it did not.
	Error string
	Took  time.Duration
}

// testSubject is the subject of an entry that is sent to try a receiver.
const testSubject = "test"

// test is a test that waits for the runner, which is the only one to speak with
// the receiver.
type test struct {
	actor string
	done  chan Outcome
}

// Test sends one entry to the receiver, marked as a test, by the way that all
// entries take, and returns what came of it. It waits for what is under way. The
// entry is not in the feed, has sequence 0 where the receiver acknowledges, and
// is not tried again.
func (r *Runner) Test(ctx context.Context, actor string) (Outcome, error) {
	q := &test{actor: actor, done: make(chan Outcome, 1)}
	select {
	case r.tests <- q:
	case <-ctx.Done():
		return Outcome{}, &tvilling.Error{Code: tvilling.Unavailable, Op: "test", Subject: r.opt.Name, Message: "The sink is busy with a delivery that takes long; its status says how it is. Try again.", Err: ctx.Err()}
	}
	select {
	case o := <-q.done:
		return o, nil
	case <-ctx.Done():
		return Outcome{}, &tvilling.Error{Code: tvilling.Unavailable, Op: "test", Subject: r.opt.Name, Message: "The receiver has not answered yet; the sink's status will say what came of it.", Err: ctx.Err()}
	}
}

// test sends the entry, and reports whether it was taken.
func (r *Runner) test(ctx context.Context, q *test) bool {
	begin := time.Now()
	u, unacknowledged := r.opt.Sink.(Unacknowledged)
	e := ledger.Entry{Time: begin.UTC(), Subject: testSubject, ID: testSubject, Action: testSubject, Actor: q.actor}
	if unacknowledged {
		// It settles with what was given before it.
		r.mu.Lock()
		e.Sequence = max(r.given, 1)
		r.mu.Unlock()
	}
	body, err := json.Marshal(map[string]string{
		"type": "TvillingTest", "severity": "informational", "title": "Test of the sink " + r.opt.Name,
		"description": fmt.Sprintf("%s has tried this sink. Nothing has happened.", q.actor),
	})
	if err == nil {
		e.Body = body
		_, err = r.opt.Sink.Deliver(ctx, []ledger.Entry{e})
	}
	o := Outcome{Taken: err == nil, Took: time.Since(begin)}
	if err != nil {
		if o.Error = tvilling.MessageOf(err); tvilling.CodeOf(err) == tvilling.Internal {
			o.Error = err.Error()
		}
		if unacknowledged {
			// What had not settled on the connection is next in the feed again.
			if _, settled := r.settled(u, true); settled != nil && !errors.Is(err, settled) {
				o.Error += "; " + tvilling.MessageOf(settled)
			}
		}
	}
	q.done <- o
	return o.Taken
}
