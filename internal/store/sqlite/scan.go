package sqlite

import (
	"context"
	"iter"

	"zombiezen.com/go/sqlite"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

const (
	// firstStep and laterStep bound the rows of one step of a scan: a scan
	// that ends early read little, a long one pays little for its steps.
	firstStep = 64
	laterStep = 500
	// stepBytes bounds the memory of a step.
	stepBytes = 4 << 20
)

// Scan yields the identities of r with their twins.
func (s *Store) Scan(ctx context.Context, r state.Range) iter.Seq2[state.Entry, error] {
	if r.Bare {
		return s.scanTwins(ctx, r)
	}
	return func(yield func(state.Entry, error) bool) {
		limit := firstStep
		after := r.After
		for {
			step, err := s.step(ctx, r, after, limit)
			if err != nil {
				yield(state.Entry{}, s.refuse(err))
				return
			}
			for _, e := range step.entries {
				if !yield(e.Entry, s.refuse(e.err)) {
					return
				}
			}
			if !step.more {
				return
			}
			after, limit = step.last, laterStep
		}
	}
}

// step is one short read of a scan.
type step struct {
	entries []scanned
	// last is the identity up to which the step has seen everything.
	last tvilling.Identity
	more bool
}

// scanned is what a scan yields for one identity.
type scanned struct {
	state.Entry
	err error
}

// row is one identity of a step: what SQLite has of it, nil if nothing, and
// what memory has, which is newer.
type row struct {
	id                 tvilling.Identity
	identity, twin     []byte
	identityIn, twinIn found
}

func (r row) key() tvilling.Identity { return r.id }

// step merges the next rows of SQLite with the records that are dirty.
func (s *Store) step(ctx context.Context, r state.Range, after tvilling.Identity, limit int) (step, error) {
	if ctx.Err() != nil {
		return step{}, givenUp(ctx)
	}
	// Until it is given back no dirty record becomes clean: whatever a row
	// lacks is in memory when it is merged.
	s.scanning.RLock()
	defer s.scanning.RUnlock()
	pending, pendingMore, closed := s.pendingAfter(&s.pending, r, after, limit)
	if closed {
		return step{}, errClosed("scan")
	}
	var rows []row
	var rowsMore bool
	added := make([]row, 0, len(pending))
	err := s.pool.use(ctx, func(conn *sqlite.Conn) error {
		var err error
		rows, rowsMore, err = readRows(conn, r, after, limit)
		for _, id := range pending {
			if err != nil {
				break
			}
			var x row
			x, err = s.addedRow(conn, id)
			added = append(added, x)
		}
		if err != nil {
			return dbError("scan", s.path, err)
		}
		return nil
	})
	if err != nil {
		return step{}, err
	}
	return s.merge(rows, rowsMore, added, pendingMore), nil
}

// addedRow returns the row of a dirty identity, which SQLite may lack: its
// record is in memory, its twin need not be.
func (s *Store) addedRow(conn *sqlite.Conn, id tvilling.Identity) (row, error) {
	k := key{kindTwin, id}
	if s.cache.peek(k).known {
		return row{id: id}, nil
	}
	value, err := getRow(conn, k)
	return row{id: id, twin: value}, err
}

// pendingAfter returns the members of a set, which mu guards, that a range
// has after one of them.
func (s *Store) pendingAfter(set *keyset, r state.Range, after tvilling.Identity, limit int) (ids []tvilling.Identity, more, closed bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if first := tvilling.Device(r.Device); r.Device != "" && after.Compare(first) < 0 {
		if set.has(first) && r.Kind != state.Modules && within(r, first) {
			ids = append(ids, first)
		}
		after = first
	}
	set.after(after, func(id tvilling.Identity) bool {
		if !within(r, id) {
			return false
		}
		if r.Kind == state.Devices && id.IsModule() || r.Kind == state.Modules && !id.IsModule() {
			return true
		}
		if len(ids) >= limit {
			more = true
			return false
		}
		ids = append(ids, id)
		return true
	})
	return ids, more, s.closed
}

// within reports whether id, which comes after the beginning of a range, is
// not beyond its end either.
func within(r state.Range, id tvilling.Identity) bool {
	return (r.Device == "" || id.Device == r.Device) && (r.Until == tvilling.Identity{} || id.Compare(r.Until) <= 0)
}

// merge puts the rows of SQLite and those of the dirty identities in order, up
// to where both are known, and resolves them.
func (s *Store) merge(rows []row, rowsMore bool, added []row, addedMore bool) step {
	merged := mergeRows(nil, rows, rowsMore, added, addedMore)
	st := step{more: rowsMore || addedMore}
	if n := len(merged); n > 0 {
		st.last = merged[n-1].id
	}
	s.peek(merged)
	st.entries = make([]scanned, 0, len(merged))
	for i := range merged {
		if e, ok := merged[i].resolve(); ok {
			st.entries = append(st.entries, e)
		}
	}
	return st
}

// mergeRows appends to dst the rows of SQLite and those that it may lack, in
// order and each identity once, up to where both sides are known.
func mergeRows[R interface{ key() tvilling.Identity }](dst, rows []R, rowsMore bool, added []R, addedMore bool) []R {
	for len(rows) > 0 || len(added) > 0 {
		if len(rows) == 0 && rowsMore || len(added) == 0 && addedMore {
			break // beyond here the other side may have something between
		}
		c := 0
		switch {
		case len(rows) == 0:
			c = 1
		case len(added) == 0:
			c = -1
		default:
			c = rows[0].key().Compare(added[0].key())
		}
		if c <= 0 {
			dst, rows = append(dst, rows[0]), rows[1:]
		} else {
			dst = append(dst, added[0])
		}
		if c >= 0 {
			added = added[1:]
		}
	}
	return dst
}

// peek adds to rows what memory has of them, all of it at one moment. Decoding
// the rest is left for later, for no commit is visible meanwhile.
func (s *Store) peek(rows []row) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := range rows {
		r := &rows[i]
		r.identityIn = s.cache.peek(key{kindIdentity, r.id})
		r.twinIn = s.cache.peek(key{kindTwin, r.id})
	}
}

// resolve returns the identity and its twin; it reports false when there is
// no such identity.
func (r *row) resolve() (e scanned, ok bool) {
	rec, err := r.identityIn.or(key{kindIdentity, r.id}, r.identity)
	if rec == nil && err == nil {
		return e, false
	}
	e.ID = r.id
	if e.err = err; err != nil {
		return e, true
	}
	e.Identity = rec.(*state.Identity)
	rec, e.err = r.twinIn.or(key{kindTwin, r.id}, r.twin)
	if rec != nil {
		e.Twin = rec.(*state.Twin)
	}
	return e, true
}

// or returns the record that memory has, or else the one of a stored value.
func (f found) or(k key, value []byte) (any, error) {
	switch {
	case f.damaged:
		return nil, k.damaged(reasonJournal)
	case f.known:
		return f.rec, nil
	case value == nil:
		return nil, nil
	default:
		return decodeValue(k, value)
	}
}

const (
	selectRows = "SELECT i.device, i.module, i.value, t.value FROM identity AS i" +
		" LEFT JOIN twin AS t ON t.device = i.device AND t.module = i.module" +
		" WHERE (i.device, i.module) > (?1, ?2)"
	onlyDevices = " AND i.module = ''"
	onlyModules = " AND i.module <> ''"
	oneDevice   = " AND i.device = ?4"
	upTo        = " AND (i.device, i.module) <= (?5, ?6)"
	orderRows   = " ORDER BY i.device, i.module LIMIT ?3"
)

func scanQuery(r state.Range) string {
	q := selectRows
	if r.Device != "" {
		q += oneDevice
	}
	switch r.Kind {
	case state.Devices:
		q += onlyDevices
	case state.Modules:
		q += onlyModules
	case state.All:
	}
	if r.Until != (tvilling.Identity{}) {
		q += upTo
	}
	return q + orderRows
}

// readRows reads at most limit rows and reports whether there may be more.
func readRows(conn *sqlite.Conn, r state.Range, after tvilling.Identity, limit int) (rows []row, more bool, err error) {
	stmt, err := conn.Prepare(scanQuery(r))
	if err != nil {
		return nil, false, err
	}
	bindRange(stmt, r, after, limit)
	bytes := 0
	for {
		ok, err := stmt.Step()
		if err != nil {
			_ = stmt.Reset()
			return nil, false, err
		}
		if !ok {
			return rows, len(rows) == limit, stmt.Reset()
		}
		x := row{identity: column(stmt, 2)}
		x.id.Device = tvilling.DeviceID(stmt.ColumnText(0))
		x.id.Module = tvilling.ModuleID(stmt.ColumnText(1))
		if stmt.ColumnType(3) != sqlite.TypeNull {
			x.twin = column(stmt, 3)
		}
		rows = append(rows, x)
		if bytes += len(x.identity) + len(x.twin); bytes >= stepBytes {
			return rows, true, stmt.Reset()
		}
	}
}

// bindRange binds the parameters of a range's query.
func bindRange(stmt *sqlite.Stmt, r state.Range, after tvilling.Identity, limit int) {
	stmt.BindText(1, string(after.Device))
	stmt.BindText(2, string(after.Module))
	stmt.BindInt64(3, int64(limit))
	if r.Device != "" {
		stmt.BindText(4, string(r.Device))
	}
	if r.Until != (tvilling.Identity{}) {
		stmt.BindText(5, string(r.Until.Device))
		stmt.BindText(6, string(r.Until.Module))
	}
}
