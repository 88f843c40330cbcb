package eventdb

import (
	"context"
	"time"

	"github.com/tvilling/tvilling"
)

// Retain removes the days of which every message is older than MaxAge at the
// given time, and then the oldest days while the files take more than
// MaxBytes. It returns how many files it removed. The day that is being
// written to stays; queries that read a day which goes pass on to the next.
//
// With a day go the ids by which duplicates are known, so MaxBytes should
// leave room for [Window].
func (db *DB) Retain(ctx context.Context, now time.Time) (dropped int, err error) {
	db.writing.Lock()
	defer db.writing.Unlock()
	if db.closed {
		return 0, errClosed(opRetain)
	}
	n, err := db.aged(now)
	if err != nil {
		return 0, err
	}
	for ; n > 0; n-- {
		if err := db.dropOldest(ctx, "age"); err != nil {
			return dropped, err
		}
		dropped++
	}
	for db.opt.MaxBytes > 0 && len(db.parts) > 1 && db.bytes() > db.opt.MaxBytes {
		if err := db.dropOldest(ctx, "size"); err != nil {
			return dropped, err
		}
		dropped++
	}
	return dropped, nil
}

// aged returns how many of the oldest partitions are too old. When that is all
// of them, it makes one for today, which keeps the position.
func (db *DB) aged(now time.Time) (int, error) {
	if db.opt.MaxAge <= 0 {
		return 0, nil
	}
	limit := now.Add(-db.opt.MaxAge)
	n := 0
	for i, p := range db.parts {
		// What came before a day that is too old is older, whatever the clock
		// said then.
		if p.old(limit) {
			n = i + 1
		}
	}
	if n == 0 || n < len(db.parts) {
		return n, nil
	}
	if db.open.from != 0 || !dayOf(now).After(db.parts[n-1].day) {
		return n - 1, nil
	}
	return n, db.rotate(dayOf(now))
}

// old reports whether all messages of a partition were received before a time.
func (p *partition) old(limit time.Time) bool {
	if p.damage == nil && p.sum.lastReceived >= p.sum.firstReceived {
		return p.sum.lastReceived < clampNano(limit)
	}
	return p.day.AddDate(0, 0, 1).Before(limit)
}

func (db *DB) bytes() int64 {
	var n int64
	for _, p := range db.parts {
		n += p.size()
	}
	return n
}

// dropOldest removes the oldest partition. writing is held, and it is not the
// one that is written to.
func (db *DB) dropOldest(ctx context.Context, reason string) error {
	if ctx.Err() != nil {
		return givenUp(ctx, opRetain)
	}
	p := db.parts[0]
	db.forget(p)
	if err := p.drop(db.pool); err != nil {
		return &tvilling.Error{
			Code: tvilling.Internal, Op: opRetain, Subject: p.path,
			Message: "The file cannot be removed; see the cause.", Err: err,
		}
	}
	db.recall.drop(p)
	db.mu.Lock()
	db.parts = db.parts[1:]
	db.mu.Unlock()
	db.figures.dropped.Add(1)
	db.opt.Logger.InfoContext(ctx, "a day of events was removed", "reason", reason, "file", p.path,
		"day", p.day.Format(dayFormat), "events", p.sum.events, "dead_letters", p.sum.letters)
	return nil
}
