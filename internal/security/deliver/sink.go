package deliver

import (
	"context"
	"time"

	"github.com/tvilling/tvilling/internal/security/ledger"
)

// Sink gives entries to one receiver.
type Sink interface {
	// Deliver gives the receiver some entries, in order, and returns how many
	// of them it has taken; fewer than all only with an error. It is called by
	// one goroutine at a time and gives up, by itself, within a minute or so.
	Deliver(ctx context.Context, entries []ledger.Entry) (taken int, err error)
}

// Unacknowledged is a [Sink] whose receiver does not say what it has taken. What
// it was given is sent again after a failure until it has settled.
type Unacknowledged interface {
	Sink
	// Settled returns the newest sequence, of those given to Deliver, that need
	// not be sent again, 0 if there is none, and after how long it is worth to
	// ask again, 0 if nothing waits. An error, which is told once, says that
	// what was not settled is to be sent again.
	Settled() (sequence uint64, again time.Duration, err error)
	// Finish ends the connection in good order. If it returns nil, the receiver
	// has taken all it was given.
	Finish(ctx context.Context) error
}

// Delayed is an error of a [Sink] whose receiver has said how long it wants to
// be left alone.
type Delayed interface {
	error
	RetryAfter() time.Duration
}
