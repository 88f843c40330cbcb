package sqlite

import (
	"context"
	"iter"
	"runtime"

	"zombiezen.com/go/sqlite"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// yieldEvery is after how many rows a scan lets others run: some scans at once
// would otherwise keep commits waiting, at each step of theirs that sleeps, for
// as long as a step of a scan takes.
const yieldEvery = 32

// twinScan is a scan of twins alone. It is what queries without an index go
// through, so it reads one table and allocates by the step, not by the row.
type twinScan struct {
	s *Store
	r state.Range
	// after is the identity up to which the scan has seen everything.
	after tvilling.Identity
	limit int

	values arena
	// What follows is used anew by every step.
	rows, merged []twinRow
	keys         []byte
	ends         []int
	// twins are those of a step; a new step has the same only if nobody holds one.
	twins []state.Twin
}

// twinRow is one twin of a step: what SQLite has of it, nil if nothing, and
// what memory has, which is newer.
type twinRow struct {
	id    tvilling.Identity
	value []byte
	in    found
}

func (r twinRow) key() tvilling.Identity { return r.id }

// scanTwins yields the twins of r without their identities.
func (s *Store) scanTwins(ctx context.Context, r state.Range) iter.Seq2[state.Entry, error] {
	return func(yield func(state.Entry, error) bool) {
		sc := twinScan{s: s, r: r, after: r.After, limit: firstStep}
		for more := true; more; sc.limit = laterStep {
			var rows []twinRow
			var err error
			if rows, more, err = sc.step(ctx); err != nil {
				yield(state.Entry{}, s.refuse(err))
				return
			}
			if !sc.yield(rows, yield) {
				return
			}
			sc.release()
		}
	}
}

// release makes ready for the next step: with the memory of this one, if the
// consumer says that it holds nothing of it, and with new memory otherwise.
func (sc *twinScan) release() {
	if sc.r.Hold != nil && !*sc.r.Hold {
		sc.values.again()
		return
	}
	sc.twins = nil
	if sc.r.Hold == nil {
		sc.values.leave()
		return
	}
	sc.values.blocks = nil // any of them may be handed out again later
	*sc.r.Hold = false
}

// yield decodes the rows of a step; it reports whether the consumer wants more.
func (sc *twinScan) yield(rows []twinRow, yield func(state.Entry, error) bool) bool {
	s := sc.s
	if len(sc.twins) < len(rows) {
		sc.twins = make([]state.Twin, max(len(rows), min(sc.limit, laterStep)))
	}
	twins := sc.twins
	for i := range rows {
		row := &rows[i]
		e := state.Entry{ID: row.id}
		var err error
		switch {
		case row.in.damaged:
			err = key{kindTwin, row.id}.damaged(reasonJournal)
		case row.in.known:
			e.Twin, _ = row.in.rec.(*state.Twin)
		case row.value != nil:
			twins[i] = state.Twin{}
			if err = decodeTwinValue(&twins[i], row.id, row.value); err == nil {
				e.Twin = &twins[i]
			}
		}
		if e.Twin == nil && err == nil {
			continue // it was deleted
		}
		if !yield(e, s.refuse(err)) {
			return false
		}
	}
	return true
}

// step merges the next rows of SQLite with the twins that are dirty. What it
// returns is good until the next step.
func (sc *twinScan) step(ctx context.Context) (rows []twinRow, more bool, err error) {
	if ctx.Err() != nil {
		return nil, false, givenUp(ctx)
	}
	s := sc.s
	// As in a scan with identities, no dirty record becomes clean meanwhile.
	s.scanning.RLock()
	defer s.scanning.RUnlock()
	pending, pendingMore, closed := s.pendingAfter(&s.newTwins, sc.r, sc.after, sc.limit)
	if closed {
		return nil, false, errClosed("scan")
	}
	if err := s.pool.use(ctx, func(conn *sqlite.Conn) error {
		var err error
		if more, err = sc.read(conn); err != nil {
			return dbError("scan", s.path, err)
		}
		return nil
	}); err != nil {
		return nil, false, err
	}
	rows = sc.rows
	if len(pending) > 0 {
		added := make([]twinRow, len(pending))
		for i, id := range pending {
			added[i].id = id
		}
		sc.merged = mergeRows(sc.merged[:0], rows, more, added, pendingMore)
		rows, more = sc.merged, more || pendingMore
	}
	if n := len(rows); n > 0 {
		sc.after = rows[n-1].id
	}
	s.peekTwins(rows)
	return rows, more, nil
}

// peekTwins adds to rows what memory has of them, all of it at one moment.
func (s *Store) peekTwins(rows []twinRow) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.cache.dirtyCount.Load() == 0 {
		return
	}
	for i := range rows {
		rows[i].in = s.cache.peek(key{kindTwin, rows[i].id})
	}
}

const (
	selectTwins = "SELECT device, module, value FROM twin WHERE (device, module) > (?1, ?2)"
	orderTwins  = " ORDER BY device, module LIMIT ?3"
)

func twinQuery(r state.Range) string {
	q := selectTwins
	if r.Device != "" {
		q += " AND device = ?4"
	}
	switch r.Kind {
	case state.Devices:
		q += " AND module = ''"
	case state.Modules:
		q += " AND module <> ''"
	case state.All:
	}
	if r.Until != (tvilling.Identity{}) {
		q += " AND (device, module) <= (?5, ?6)"
	}
	return q + orderTwins
}

// read fills sc.rows with the next rows of SQLite, and reports whether there
// may be more.
func (sc *twinScan) read(conn *sqlite.Conn) (more bool, err error) {
	stmt, err := conn.Prepare(twinQuery(sc.r))
	if err != nil {
		return false, err
	}
	bindRange(stmt, sc.r, sc.after, sc.limit)
	sc.rows, sc.keys, sc.ends = sc.rows[:0], sc.keys[:0], sc.ends[:0]
	sc.values.total = 0
	for sc.values.total < stepBytes && len(sc.rows) < sc.limit {
		if len(sc.rows)%yieldEvery == 0 {
			runtime.Gosched()
		}
		ok, err := stmt.Step()
		if err != nil {
			// The step's error says more than the reset's, which repeats it.
			_ = stmt.Reset()
			return false, err
		}
		if !ok {
			sc.name()
			return false, stmt.Reset()
		}
		for column := range 2 {
			sc.keys = appendColumn(sc.keys, stmt, column)
			sc.ends = append(sc.ends, len(sc.keys))
		}
		value := sc.values.take(stmt.ColumnLen(2))
		sc.rows = append(sc.rows, twinRow{value: value[:stmt.ColumnBytes(2, value)]})
	}
	sc.name()
	return true, stmt.Reset()
}

// name gives the rows their identities, whose texts lie in one string.
func (sc *twinScan) name() {
	text, start := string(sc.keys), 0
	for i := range sc.rows {
		device, module := sc.ends[2*i], sc.ends[2*i+1]
		sc.rows[i].id = tvilling.Identity{
			Device: tvilling.DeviceID(text[start:device]), Module: tvilling.ModuleID(text[device:module]),
		}
		start = module
	}
}

// appendColumn appends the bytes of a column to b.
func appendColumn(b []byte, stmt *sqlite.Stmt, column int) []byte {
	n := stmt.ColumnLen(column)
	b = append(b, make([]byte, n)...)
	stmt.ColumnBytes(column, b[len(b)-n:])
	return b
}

// arena hands out memory in pieces of a few large blocks.
type arena struct {
	blocks [][]byte
	at     int // the one that is handed out
	total  int // of what was handed out
}

// arenaBlock suits a step of twins of a usual size.
const arenaBlock = 256 << 10

func (a *arena) take(n int) []byte {
	a.total += n
	for ; a.at < len(a.blocks); a.at++ {
		b := a.blocks[a.at]
		if start := len(b); n <= cap(b)-start {
			a.blocks[a.at] = b[:start+n]
			return b[start : start+n : start+n]
		}
	}
	b := make([]byte, n, max(n, arenaBlock))
	a.blocks = append(a.blocks, b)
	return b[:n:n]
}

// again hands out the same memory once more.
func (a *arena) again() {
	for i := range a.blocks {
		a.blocks[i] = a.blocks[i][:0]
	}
	a.at = 0
}

// leave leaves what was handed out to whoever has it, and goes on with the rest
// of the last block.
func (a *arena) leave() {
	if n := len(a.blocks); n > 0 {
		a.blocks[0] = a.blocks[n-1]
		clear(a.blocks[1:])
		a.blocks = a.blocks[:1]
	}
	a.at = 0
}
