package eventdb

import (
	"context"
	"errors"
	"iter"
	"math"
	"slices"

	"zombiezen.com/go/sqlite"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
)

// snapshot is what there is at a moment. A query looks at nothing that comes
// later, so that what moves to disk meanwhile is seen once.
type snapshot struct {
	closed  bool
	durable uint64
	parts   []partView
	blocks  []blockView // of the open batch
	letters []event.DeadLetter
	count   LetterCount // of the open batch
}

type partView struct {
	p   *partition
	sum summary
}

type blockView struct {
	header
	contents
}

// snapshot returns what there is, with the count of dead letters in the open
// batch: those of a device, or with device "" all.
func (db *DB) snapshot(device tvilling.DeviceID) snapshot {
	db.mu.RLock()
	defer db.mu.RUnlock()
	b := db.open
	s := snapshot{
		closed: db.shut, durable: db.durable, letters: b.letters,
		parts: make([]partView, len(db.parts)), blocks: make([]blockView, len(b.blocks)),
	}
	for i, p := range db.parts {
		s.parts[i] = partView{p, p.sum}
	}
	for i, k := range b.blocks {
		s.blocks[i] = blockView{k.header, k.contents}
	}
	if device == "" {
		s.count = LetterCount{int64(len(b.letters)), b.shed}
	} else if c := b.counts[device]; c != nil {
		s.count = LetterCount{c.kept, c.shed}
	}
	return s
}

// Events yields the events that a query selects, in the order of their
// positions, of those that had been appended when the loop begins. What is
// read is taken from disk in small steps; between them nothing is held, so a
// slow loop is in nobody's way. Days that retention removes meanwhile are
// passed over.
//
// What is damaged is yielded as an error of code Corrupt that names it, and
// the events after it go on. An error of another code ends the loop: ctx is
// done, the store is closed, the disk fails.
func (db *DB) Events(ctx context.Context, q event.Query) iter.Seq2[*event.Record, error] {
	return func(yield func(*event.Record, error) bool) {
		s := db.snapshot("")
		if s.closed {
			yield(nil, errClosed(opRead))
			return
		}
		r := newReading(ctx, db, q, yield)
		if q.Descending {
			for _, b := range slices.Backward(s.blocks) {
				if !r.open(b) {
					return
				}
			}
			for _, v := range slices.Backward(s.parts) {
				if !r.partition(v) {
					return
				}
			}
			return
		}
		for _, v := range s.parts {
			if !r.partition(v) {
				return
			}
		}
		for _, b := range s.blocks {
			if !r.open(b) {
				return
			}
		}
	}
}

// reading is a query under way. Its methods that yield return false when the
// loop is over.
type reading struct {
	ctx   context.Context //nolint:containedctx // it lives as long as one loop
	db    *DB
	q     event.Query
	want  wanted
	yield func(*event.Record, error) bool
	// The sequences and times, both inclusive, outside of which nothing is
	// wanted.
	low, high      uint64
	oldest, newest int64

	buf     []byte
	records []*event.Record
}

func newReading(ctx context.Context, db *DB, q event.Query, yield func(*event.Record, error) bool) *reading {
	r := &reading{
		ctx: ctx, db: db, q: q, want: wantedOf(q.Names, q.Type), yield: yield,
		high: math.MaxInt64, oldest: math.MinInt64, newest: math.MaxInt64,
	}
	if !q.From.IsZero() {
		r.oldest = clampNano(q.From)
	}
	if !q.To.IsZero() {
		r.newest = clampNano(q.To)
	}
	switch {
	case q.After == event.Position{}:
	case q.Descending:
		r.high = q.After.Sequence
	default:
		r.low = q.After.Sequence
	}
	return r
}

// may reports whether something with a header may hold what is wanted.
func (r *reading) may(h header) bool {
	return h.first <= r.high && h.last >= r.low && h.oldest <= r.newest && h.newest >= r.oldest && r.want.in(h.mask)
}

// open yields what is wanted of a block of the open batch.
func (r *reading) open(b blockView) bool {
	if !r.may(b.header) {
		return true
	}
	if err := r.collect(b.first, b.contents); err != nil {
		return r.yield(nil, &tvilling.Error{Code: tvilling.Internal, Op: opRead, Message: "The open batch cannot be read.", Err: err}) && false
	}
	return r.deliver()
}

// partition yields what is wanted of a file.
func (r *reading) partition(v partView) bool {
	if v.p.damage != nil {
		return r.yield(nil, v.p.damage)
	}
	if v.sum.events == 0 || v.sum.first > r.high || v.sum.position < r.low || v.sum.newest < r.oldest || v.sum.oldest > r.newest {
		return true
	}
	st := &stretch{low: r.low, high: min(r.high, v.sum.position)}
	for !st.done {
		var blocks []uint64
		var damage []error
		err := r.db.pool.use(r.ctx, v.p, func(conn *sqlite.Conn) error {
			var err error
			if r.q.Device == "" {
				blocks, err = r.nextBlocks(conn, st)
			} else {
				blocks, damage, err = r.nextOfDevice(conn, v.p, st)
			}
			if err != nil {
				return dbError(opRead, v.p.path, err)
			}
			return nil
		})
		if errors.Is(err, errGone) {
			return true
		}
		if err != nil {
			return r.fail(err)
		}
		for _, d := range damage {
			if !r.fail(d) {
				return false
			}
		}
		for _, first := range blocks {
			if goOn, gone := r.block(v, first); !goOn || gone {
				return goOn
			}
		}
	}
	return true
}

// fail yields an error; the loop goes on only behind damage.
func (r *reading) fail(err error) bool {
	if tvilling.CodeOf(err) == tvilling.Corrupt {
		r.db.figures.corrupt.Add(1)
		return r.yield(nil, err)
	}
	r.yield(nil, err)
	return false
}

// block yields what is wanted of a stored block. gone says that the file is
// not there any more.
func (r *reading) block(v partView, first uint64) (goOn, gone bool) {
	err := r.db.pool.use(r.ctx, v.p, func(conn *sqlite.Conn) error {
		c, buf, err := r.db.readBlock(conn, v.p, first, r.buf)
		r.buf = buf
		if err != nil {
			return err
		}
		if err := r.collect(first, c); err != nil {
			return damagedBlock(v.p, first, err)
		}
		return nil
	})
	if errors.Is(err, errGone) {
		return true, true
	}
	if err != nil {
		r.records = r.records[:0]
		return r.fail(err), false
	}
	return r.deliver(), false
}

// collect takes what is wanted out of a block.
func (r *reading) collect(first uint64, c contents) error {
	r.records = r.records[:0]
	cur := newCursor(first, c)
	for {
		ok, err := cur.next()
		if err != nil || !ok {
			return err
		}
		if cur.sequence < r.low || cur.sequence > r.high || r.q.Device != "" && cur.sender.from.Device != r.q.Device {
			continue
		}
		if err := r.collectMessage(cur); err != nil {
			return err
		}
	}
}

func (r *reading) collectMessage(cur *cursor) error {
	var v view
	for {
		ok, err := cur.event(&v)
		if err != nil || !ok {
			return err
		}
		if r.wants(cur.sequence, &v) {
			r.records = append(r.records, v.record(cur))
		}
	}
}

func (r *reading) wants(sequence uint64, v *view) bool {
	q := &r.q
	if q.After != (event.Position{}) {
		c := event.Position{Sequence: sequence, Index: v.index}.Compare(q.After)
		if q.Descending && c >= 0 || !q.Descending && c <= 0 {
			return false
		}
	}
	if !q.From.IsZero() && v.time.Before(q.From) || !q.To.IsZero() && !v.time.Before(q.To) {
		return false
	}
	if q.Type != "" && !v.hasType(q.Type) {
		return false
	}
	return len(q.Names) == 0 || slices.ContainsFunc(q.Names, v.hasName)
}

// deliver yields what was collected.
func (r *reading) deliver() bool {
	if r.q.Descending {
		slices.Reverse(r.records)
	}
	for _, rec := range r.records {
		if r.ctx.Err() != nil {
			r.yield(nil, givenUp(r.ctx, opRead))
			return false
		}
		if !r.yield(rec, nil) {
			return false
		}
	}
	return true
}
