package eventdb

import (
	"context"
	"errors"
	"iter"
	"math"
	"slices"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
)

// letters returns the dead letters of a message that are kept, and counts the
// others. writing is held, and the partition is that of the message.
func (db *DB) letters(m *event.Message) ([]event.DeadLetter, error) {
	if len(m.Rejects) == 0 {
		return nil, nil
	}
	p := db.parts[len(db.parts)-1]
	var stored letterCount
	if db.open.counts[m.From.Device] == nil {
		var err error
		if stored, err = readLetterCount(db.writer, m.From.Device); err != nil {
			err = dbError(opAppend, p.path, err)
			if tvilling.CodeOf(err) != tvilling.Corrupt {
				return nil, err
			}
			db.damaged(p, err) // it counts anew
		}
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	count := db.open.counts[m.From.Device]
	if count == nil {
		count = &letterCount{stored: stored.kept}
		db.open.counts[m.From.Device] = count
	}
	bytes := p.sum.letterBytes + db.open.letterBytes
	var kept []event.DeadLetter
	for i, r := range m.Rejects {
		l := event.DeadLetter{From: m.From, Sequence: m.Sequence, Received: m.Received.UTC(), Reject: r, Size: m.Size}
		l.Raw = l.Raw[:min(len(l.Raw), event.MaxRejectBytes)]
		size := int64(letterSize(&l))
		twice := slices.ContainsFunc(m.Rejects[:i], func(o event.Reject) bool { return o.Index == r.Index })
		if twice || count.stored+count.kept >= int64(db.opt.Letters) || bytes+size > db.opt.LetterBytes {
			count.shed++
			db.open.shed++
			db.figures.lettersShed.Add(1)
			continue
		}
		count.kept++
		bytes += size
		kept = append(kept, l)
	}
	return kept, nil
}

func readLetterCount(conn *sqlite.Conn, device tvilling.DeviceID) (c letterCount, err error) {
	stmt, err := conn.Prepare("SELECT kept, shed FROM letter_count WHERE device = ?")
	if err != nil {
		return c, err
	}
	stmt.BindText(1, string(device))
	ok, done, err := firstRow(stmt)
	if err != nil {
		return c, err
	}
	if ok {
		c.kept, c.shed = stmt.ColumnInt64(0), stmt.ColumnInt64(1)
	}
	return c, done()
}

func writeLetters(conn *sqlite.Conn, b *batch) error {
	for i := range b.letters {
		l := &b.letters[i]
		stmt, err := conn.Prepare("INSERT INTO letter VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
		if err != nil {
			return err
		}
		stmt.BindInt64(1, int64(l.Sequence))
		stmt.BindInt64(2, int64(l.Index))
		stmt.BindText(3, string(l.From.Device))
		stmt.BindText(4, string(l.From.Module))
		stmt.BindInt64(5, clampNano(l.Received))
		stmt.BindInt64(6, int64(l.Size))
		stmt.BindText(7, l.Path)
		stmt.BindText(8, l.Reason)
		stmt.BindBytes(9, l.Raw)
		if _, err := stmt.Step(); err != nil {
			return err
		}
	}
	for device, c := range b.counts {
		stmt, err := conn.Prepare("INSERT INTO letter_count VALUES (?, ?, ?)" +
			" ON CONFLICT (device) DO UPDATE SET kept = kept + excluded.kept, shed = shed + excluded.shed")
		if err != nil {
			return err
		}
		stmt.BindText(1, string(device))
		stmt.BindInt64(2, c.kept)
		stmt.BindInt64(3, c.shed)
		if _, err := stmt.Step(); err != nil {
			return err
		}
	}
	return nil
}

// LetterCount says how many dead letters there are.
type LetterCount struct {
	// Kept is how many can be read, Shed how many were counted only, because
	// there were too many on their day.
	Kept, Shed int64
}

// LetterCount returns how many dead letters a device has, or with device ""
// all of them.
func (db *DB) LetterCount(ctx context.Context, device tvilling.DeviceID) (LetterCount, error) {
	for {
		s := db.snapshot(device)
		if s.closed {
			return LetterCount{}, errClosed(opRead)
		}
		n := s.count
		for _, v := range s.parts {
			kept, shed, err := db.storedCount(ctx, v, device)
			if err != nil {
				return n, err
			}
			n.Kept, n.Shed = n.Kept+kept, n.Shed+shed
		}
		// What has gone to disk meanwhile may have been counted twice.
		if device == "" || db.Durable() == s.durable {
			return n, nil
		}
	}
}

func (db *DB) storedCount(ctx context.Context, v partView, device tvilling.DeviceID) (kept, shed int64, err error) {
	if device == "" || v.sum.letters+v.sum.letterX == 0 {
		return v.sum.letters, v.sum.letterX, nil
	}
	var c letterCount
	err = db.pool.use(ctx, v.p, func(conn *sqlite.Conn) error {
		var err error
		if c, err = readLetterCount(conn, device); err != nil {
			return dbError(opRead, v.p.path, err)
		}
		return nil
	})
	if errors.Is(err, errGone) {
		return 0, 0, nil
	}
	return c.kept, c.shed, err
}

// DeadLetters yields what could not be read of messages of a device, or with
// device "" of all, the newest first. before, if not zero, is the place of
// the last one already seen: its sequence and Index.
//
// What cannot be read from disk is yielded as an error of code Corrupt, and
// older ones go on. An error of another code ends the loop.
func (db *DB) DeadLetters(ctx context.Context, device tvilling.DeviceID, before event.Position) iter.Seq2[*event.DeadLetter, error] {
	return func(yield func(*event.DeadLetter, error) bool) {
		s := db.snapshot("")
		if s.closed {
			yield(nil, errClosed(opRead))
			return
		}
		if before == (event.Position{}) {
			before = event.Position{Sequence: math.MaxInt64, Index: math.MaxInt}
		}
		open := slices.DeleteFunc(slices.Clone(s.letters), func(l event.DeadLetter) bool {
			return device != "" && l.From.Device != device || place(&l).Compare(before) >= 0
		})
		slices.SortFunc(open, func(a, b event.DeadLetter) int { return place(&b).Compare(place(&a)) })
		for i := range open {
			if ctx.Err() != nil {
				yield(nil, givenUp(ctx, opRead))
				return
			}
			if !yield(&open[i], nil) {
				return
			}
		}
		for _, v := range slices.Backward(s.parts) {
			if !db.storedLetters(ctx, v, device, before, yield) {
				return
			}
		}
	}
}

// storedLetters yields the dead letters of a file; false ends the loop.
func (db *DB) storedLetters(ctx context.Context, v partView, device tvilling.DeviceID, before event.Position, yield func(*event.DeadLetter, error) bool) bool {
	if v.p.damage != nil {
		return yield(nil, v.p.damage)
	}
	if v.sum.letters == 0 || v.sum.first > before.Sequence {
		return true
	}
	for {
		var rows []event.DeadLetter
		err := db.pool.use(ctx, v.p, func(conn *sqlite.Conn) error {
			var err error
			if rows, err = readLetters(conn, device, before, v.sum.position); err != nil {
				return dbError(opRead, v.p.path, err)
			}
			return nil
		})
		if errors.Is(err, errGone) {
			return true
		}
		for i := range rows {
			if !yield(&rows[i], nil) {
				return false
			}
		}
		if err != nil {
			return yield(nil, err) && tvilling.CodeOf(err) == tvilling.Corrupt
		}
		if len(rows) < letterRows {
			return true
		}
		before = place(&rows[len(rows)-1])
	}
}

// letterRows is how many dead letters are read at once: they may be large.
const letterRows = 64

// place is where a dead letter is among all.
func place(l *event.DeadLetter) event.Position {
	return event.Position{Sequence: l.Sequence, Index: l.Index}
}

func readLetters(conn *sqlite.Conn, device tvilling.DeviceID, before event.Position, bound uint64) ([]event.DeadLetter, error) {
	query := "SELECT sequence, place, device, module, received, size, path, reason, raw FROM letter WHERE sequence <= ?1 AND (sequence, place) < (?2, ?3)"
	if device != "" {
		query += " AND device = ?5"
	}
	stmt, err := conn.Prepare(query + " ORDER BY sequence DESC, place DESC LIMIT ?4")
	if err != nil {
		return nil, err
	}
	stmt.BindInt64(1, int64(bound))
	stmt.BindInt64(2, int64(before.Sequence))
	stmt.BindInt64(3, int64(before.Index))
	stmt.BindInt64(4, letterRows)
	if device != "" {
		stmt.BindText(5, string(device))
	}
	var out []event.DeadLetter
	for {
		ok, err := stmt.Step()
		if err != nil {
			_ = stmt.Reset() // it says the same error again
			return out, err
		}
		if !ok {
			return out, nil
		}
		l := event.DeadLetter{Sequence: uint64(stmt.ColumnInt64(0)), Received: time.Unix(0, stmt.ColumnInt64(4)).UTC(), Size: stmt.ColumnInt(5)}
		l.Index = stmt.ColumnInt(1)
		l.From.Device = tvilling.DeviceID(stmt.ColumnText(2))
		l.From.Module = tvilling.ModuleID(stmt.ColumnText(3))
		l.Path, l.Reason = stmt.ColumnText(6), stmt.ColumnText(7)
		l.Raw = column(stmt, 8, nil)
		out = append(out, l)
	}
}
