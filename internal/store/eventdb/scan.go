package eventdb

import (
	"slices"

	"zombiezen.com/go/sqlite"
)

// stretch is the part of a file that a query has yet to look over: rows go by
// the sequence of their first message.
type stretch struct {
	low, high uint64
	begun     bool
	done      bool
	last      uint64 // the block last returned
}

// How much is looked up at once.
const (
	blockRows = 64
	listRows  = 16
)

// nextBlocks returns the next blocks that may hold what is wanted, in the
// order of the query.
func (r *reading) nextBlocks(conn *sqlite.Conn, st *stretch) ([]uint64, error) {
	if !st.begun {
		st.begun = true
		// The block in which the stretch begins may begin before it.
		start, err := lastUpTo(conn, "SELECT max(first) FROM block WHERE first <= ?1", st.low, "")
		if err != nil {
			return nil, err
		}
		st.low = start
	}
	query := "SELECT first FROM block WHERE first BETWEEN ?1 AND ?2 AND last >= ?3 AND newest >= ?4 AND oldest <= ?5 AND mask & ?6 <> 0 AND mask & ?7 <> 0 ORDER BY first"
	if r.q.Descending {
		query += " DESC"
	}
	stmt, err := conn.Prepare(query + " LIMIT ?8")
	if err != nil {
		return nil, err
	}
	for i, v := range [...]int64{
		int64(st.low), int64(st.high), int64(r.low), r.oldest, r.newest,
		int64(r.want.names), int64(r.want.typ), blockRows,
	} {
		stmt.BindInt64(i+1, v)
	}
	var blocks []uint64
	for {
		ok, err := stmt.Step()
		if err != nil {
			_ = stmt.Reset() // it says the same error again
			return nil, err
		}
		if !ok {
			break
		}
		blocks = append(blocks, uint64(stmt.ColumnInt64(0)))
	}
	if len(blocks) < blockRows {
		st.done = true
	} else {
		st.behind(blocks[len(blocks)-1], r.q.Descending)
	}
	return blocks, nil
}

// behind moves a stretch behind a row.
func (st *stretch) behind(first uint64, descending bool) {
	switch {
	case !descending:
		st.low = first + 1
	case first == 0:
		st.done = true
	default:
		st.high = first - 1
	}
}

// nextOfDevice returns the next blocks with messages of the device that may
// hold what is wanted, in the order of the query, and damage that is in the
// way to others.
func (r *reading) nextOfDevice(conn *sqlite.Conn, p *partition, st *stretch) (blocks []uint64, damage []error, err error) {
	if !st.begun {
		st.begun = true
		start, err := lastUpTo(conn, "SELECT max(first) FROM posting WHERE first <= ?1 AND device = ?2", st.low, string(r.q.Device))
		if err != nil {
			return nil, nil, err
		}
		st.low = start
	}
	query := "SELECT first, list FROM posting WHERE device = ?1 AND first BETWEEN ?2 AND ?3 ORDER BY first"
	if r.q.Descending {
		query += " DESC"
	}
	stmt, err := conn.Prepare(query + " LIMIT ?4")
	if err != nil {
		return nil, nil, err
	}
	stmt.BindText(1, string(r.q.Device))
	stmt.BindInt64(2, int64(st.low))
	stmt.BindInt64(3, int64(st.high))
	stmt.BindInt64(4, listRows)
	high := min(r.high, st.high)
	rows := 0
	for {
		ok, err := stmt.Step()
		if err != nil {
			_ = stmt.Reset() // it says the same error again
			return nil, nil, err
		}
		if !ok {
			break
		}
		rows++
		first := uint64(stmt.ColumnInt64(0))
		r.buf = column(stmt, 1, r.buf)
		from := len(blocks)
		l := openList(first, r.buf)
		var e posting
		for l != nil && l.next(&e) {
			if e.sequence <= high && r.may(header{first: e.sequence, last: e.sequence, oldest: e.oldest, newest: e.newest, mask: e.mask}) {
				blocks = append(blocks, e.block)
			}
		}
		if l == nil || l.r.bad {
			damage = append(damage, damagedList(p, r.q.Device, first))
		}
		if r.q.Descending {
			slices.Reverse(blocks[from:])
		}
		st.behind(first, r.q.Descending)
	}
	st.done = st.done || rows < listRows
	return st.unique(blocks), damage, nil
}

// unique removes blocks that were returned: a block may hold several messages
// of a device, which are all taken from it at once.
func (st *stretch) unique(blocks []uint64) []uint64 {
	out := blocks[:0]
	for _, b := range blocks {
		if b != st.last {
			out = append(out, b)
			st.last = b
		}
	}
	return out
}

// lastUpTo returns the last row at or before a sequence, 0 if there is none.
func lastUpTo(conn *sqlite.Conn, query string, sequence uint64, device string) (uint64, error) {
	stmt, err := conn.Prepare(query)
	if err != nil {
		return 0, err
	}
	stmt.BindInt64(1, int64(sequence))
	if device != "" {
		stmt.BindText(2, device)
	}
	_, done, err := firstRow(stmt)
	if err != nil {
		return 0, err
	}
	first := uint64(stmt.ColumnInt64(0)) // NULL is 0
	return first, done()
}
