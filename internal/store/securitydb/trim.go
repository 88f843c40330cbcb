package securitydb

import (
	"context"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/tvilling/tvilling"
)

// trimRows is how many records one step of a trim drops at most: commits wait
// for a step.
const trimRows = 200

// Trim drops feed entries up to a sequence, and resolved or dismissed alerts
// not updated since a time, with their history. It returns how many entries
// and alerts it has dropped; what a refused step would have dropped stays.
func (s *Store) Trim(ctx context.Context, feed uint64, alerts time.Time) (dropped int, err error) {
	const op = "trim security records"
	for _, step := range []func() (int, error){
		func() (int, error) { return s.trimFeed(min(feed, s.head.Load())) },
		func() (int, error) { return s.trimAlerts(nanos(alerts)) },
	} {
		for {
			if ctx.Err() != nil {
				return dropped, givenUp(ctx, op)
			}
			n := 0
			err := s.change(op, func() (err error) {
				n, err = step()
				return err
			})
			if err != nil {
				return dropped, err
			}
			dropped += n
			if n < trimRows {
				break
			}
		}
	}
	return dropped, nil
}

// change is a transaction beside those of Commit.
func (s *Store) change(op string, f func() error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.closed {
		return errClosed(op)
	}
	if err := s.lost.Load(); err != nil {
		return &tvilling.Error{
			Code: tvilling.Internal, Op: op, Subject: s.path,
			Message: "The security store failed before and takes no more changes; restart the hub.", Err: *err,
		}
	}
	if err := s.transaction(op, f); err != nil {
		return err
	}
	s.grown(trimRows)
	return nil
}

// trimFeed drops the oldest entries, and notes up to where, so that the next
// start does not give their sequences again.
func (s *Store) trimFeed(upTo uint64) (int, error) {
	const drop = "DELETE FROM feed WHERE sequence IN (SELECT sequence FROM feed WHERE sequence <= ? ORDER BY sequence LIMIT ?)"
	if err := exec(s.writer, drop, int64(upTo), int64(trimRows)); err != nil {
		return 0, err
	}
	n := s.writer.Changes()
	if n == 0 {
		return 0, nil
	}
	k := key{kind: kindTrimmed}
	return n, exec(s.writer, putMeta, int64(k.kind), k.a, appendNumber(nil, k, upTo))
}

func (s *Store) trimAlerts(before int64) (int, error) {
	type old struct {
		n  int64
		id string
	}
	var list []old
	err := each(s.writer, "SELECT n, id FROM alert INDEXED BY alert_over WHERE status >= 3 AND updated < ? ORDER BY updated LIMIT ?",
		func(stmt *sqlite.Stmt) bool {
			list = append(list, old{stmt.ColumnInt64(0), stmt.ColumnText(1)})
			return true
		}, before, int64(trimRows))
	if err != nil {
		return 0, err
	}
	for _, a := range list {
		if err := exec(s.writer, "DELETE FROM step WHERE alert = ?", a.id); err != nil {
			return 0, err
		}
		if err := exec(s.writer, "DELETE FROM alert WHERE n = ?", a.n); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}
