package ledger

import (
	"context"
	"sync"
	"time"
)

// Ledger changes a store, one transaction after the other.
type Ledger struct {
	store Store

	// mu is held by the transaction under way.
	mu sync.Mutex

	// signal guards changed, which is closed and replaced after each commit.
	signal  sync.Mutex
	changed chan struct{}
}

// NewLedger returns a ledger over a store, which nobody else may commit to.
func NewLedger(store Store) *Ledger {
	return &Ledger{store: store, changed: make(chan struct{})}
}

// Store returns the store, for reading.
func (l *Ledger) Store() Store { return l.store }

// Changed returns a channel that is closed after the next commit.
func (l *Ledger) Changed() <-chan struct{} {
	l.signal.Lock()
	defer l.signal.Unlock()
	return l.changed
}

// Do runs f in a transaction of its own. If f returns nil, what it staged is
// durable and visible, whole, when Do returns nil; otherwise nothing of it is
// kept. Transactions wait for each other; f must not call Do.
func (l *Ledger) Do(ctx context.Context, f func(tx *Tx) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	tx := newTx(ctx, l.store, time.Now().UTC())
	if err := f(tx); err != nil {
		return err
	}
	b, err := tx.batch()
	if err != nil || b == nil {
		return err
	}
	// A commit that has begun is not cut short: its outcome would be unknown.
	if err := l.store.Commit(context.WithoutCancel(ctx), b); err != nil {
		return err
	}
	l.announce()
	return nil
}

func (l *Ledger) announce() {
	l.signal.Lock()
	defer l.signal.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
}

// Trim drops entries of the feed up to a sequence, and resolved or dismissed
// alerts not updated since a time. Transactions wait meanwhile; the store
// keeps each step short.
func (l *Ledger) Trim(ctx context.Context, feed uint64, alerts time.Time) (dropped int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.store.Trim(ctx, feed, alerts)
}
