package index

import (
	"cmp"
	"context"
	"math/bits"
	"slices"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
)

// run is one query under way. It is for one goroutine.
type run struct {
	x        *Index
	q        *query.Query
	t        *table
	blocks   []*block
	sources  []source
	program  *program // nil finds all rows
	moment   uint64
	step     int // words that are evaluated under one lock
	spare    []*mask
	examined int64
	damaged  int64

	// joined says that rows are modules with their devices, locked are the
	// blocks of devices that are locked, and marked says so of each block.
	joined bool
	locked []uint32
	marked []bool
}

// begin prepares a query; its end must be told.
func (x *Index) begin(q *query.Query) *run {
	r := &run{x: x, q: q, t: x.table(q.Kind()), moment: x.queries.begin(), step: blockWords}
	r.blocks = r.t.blocks()
	r.resolve()
	if where := q.Where(); where != nil {
		r.program = r.compile(where, query.Yes)
		r.program.arrange()
		if r.program.slow() {
			r.step = slowStep
		}
	}
	return r
}

func (r *run) end() { r.x.queries.end(r.moment) }

// resolve finds the sources of the members that the query reads.
func (r *run) resolve() {
	r.x.mu.RLock()
	defer r.x.mu.RUnlock()
	r.joined = r.q.Collection() == query.Joined
	for _, m := range r.q.Members() {
		s := r.t.resolve(m.Segments)
		if r.joined && !m.Module {
			s = r.x.devices.resolve(m.Segments)
			s.joined = true
		}
		if s.column != nil {
			s.column.used.Add(1)
		}
		r.sources = append(r.sources, s)
	}
}

// deviceName returns the id of the device of a row.
func (r *run) deviceName(b *block, row int) []byte {
	if r.t.modules {
		return r.x.deviceName(b.device[row])
	}
	return r.x.names.get(b.who[row])
}

// id returns the identity of a row that is there, or that a query under way
// knows.
func (x *Index) id(t *table, b *block, row int) tvilling.Identity {
	if t.modules {
		return tvilling.Identity{
			Device: tvilling.DeviceID(x.deviceName(b.device[row])), Module: tvilling.ModuleID(x.names.get(b.who[row])),
		}
	}
	return tvilling.Identity{Device: tvilling.DeviceID(x.names.get(b.who[row]))}
}

// heard returns when an identity was last heard of, if it is connected.
func (r *run) heard(id tvilling.Identity) (time.Time, bool) {
	if r.x.opt.Live == nil {
		return time.Time{}, false
	}
	connected, _, activity := r.x.opt.Live(id)
	return activity, connected
}

// span is a range of the words of a mask.
type span struct{ from, to int }

// each evaluates the query over all blocks and gives f the rows, some words of a
// block at a time, that may be hits, and those of them that are for sure. f runs
// under the lock of the block: what it reads of a row is as of the moment at
// which the row was evaluated.
func (r *run) each(ctx context.Context, f func(b *block, s span, may, sure *mask) error) error {
	var may, sure mask
	for _, b := range r.blocks {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := r.evaluate(b, &may, &sure, f); err != nil {
			return err
		}
	}
	return nil
}

// evaluate finds the rows of a block that may be hits, and those that are,
// damaged ones apart.
func (r *run) evaluate(b *block, may, sure *mask, f func(b *block, s span, may, sure *mask) error) error {
	for from := 0; from < blockWords; {
		to := min(from+r.step, blockWords)
		begin := time.Now()
		if err := r.part(b, span{from, to}, may, sure, f); err != nil {
			return err
		}
		from = to
		r.pace(time.Since(begin))
	}
	return nil
}

const (
	// slowStep is with how many words a query begins that tests rows one by one.
	slowStep = 1
	// shortPart and longPart are how long the writer may wait for a lock: a part
	// that takes less is doubled, one that takes more halved.
	shortPart, longPart = 50 * time.Microsecond, 200 * time.Microsecond
)

// pace fits the number of words that are evaluated under one lock.
func (r *run) pace(took time.Duration) {
	switch {
	case took > longPart:
		r.step = max(r.step/2, 1)
	case took < shortPart:
		r.step = min(r.step*2, blockWords)
	}
}

// part evaluates some rows of a block, all as of one moment.
func (r *run) part(b *block, s span, may, sure *mask, f func(b *block, s span, may, sure *mask) error) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if r.joined {
		r.lockDevices(b, s)
		defer r.unlockDevices()
	}
	for w := s.from; w < s.to; w++ {
		r.examined += int64(bits.OnesCount64(b.live[w]))
	}
	if r.program == nil {
		copy(may[s.from:s.to], b.live[s.from:s.to])
		copy(sure[s.from:s.to], b.live[s.from:s.to])
	} else {
		r.program.evaluate(r, b, s, &b.live, may, sure)
	}
	if b.hurt > 0 {
		for w := s.from; w < s.to; w++ {
			r.damaged += int64(bits.OnesCount64(b.damaged[w]))
			may[w] &^= b.damaged[w]
			sure[w] &^= b.damaged[w]
		}
	}
	return f(b, s, may, sure)
}

// borrow returns a mask of any content.
func (r *run) borrow() *mask {
	if n := len(r.spare); n > 0 {
		m := r.spare[n-1]
		r.spare = r.spare[:n-1]
		return m
	}
	return new(mask)
}

func (r *run) giveBack(m *mask) { r.spare = append(r.spare, m) }

// evaluate finds, among the rows in need, those that may be hits and those
// that are. Rows that are not in need are in neither.
func (p *program) evaluate(r *run, b *block, s span, need, may, sure *mask) {
	if p.leaf != nil {
		p.leaf.evaluate(b, s, need, may, sure)
		return
	}
	wanted, m, n := r.borrow(), r.borrow(), r.borrow()
	copy(wanted[s.from:s.to], need[s.from:s.to])
	for w := s.from; w < s.to; w++ {
		if p.either {
			may[w], sure[w] = 0, 0
		} else {
			may[w], sure[w] = need[w], need[w]
		}
	}
	for _, term := range p.terms {
		term.evaluate(r, b, s, wanted, m, n)
		asked, left := 0, 0
		for w := s.from; w < s.to; w++ {
			asked += bits.OnesCount64(wanted[w])
			if p.either {
				may[w] |= m[w]
				sure[w] |= n[w]
				wanted[w] = need[w] &^ sure[w]
			} else {
				may[w] &= m[w]
				sure[w] &= n[w]
				wanted[w] = may[w]
			}
			left += bits.OnesCount64(wanted[w])
		}
		term.asked += int64(asked)
		term.kept += int64(left)
		if left == 0 {
			break
		}
	}
	if p.blocks++; p.blocks == settleAfter {
		p.settle()
	}
	r.giveBack(wanted)
	r.giveBack(m)
	r.giveBack(n)
}

// slow reports whether some leaf must be tested row by row.
func (p *program) slow() bool {
	if p.leaf != nil {
		return p.leaf.slow()
	}
	for _, t := range p.terms {
		if t.slow() {
			return true
		}
	}
	return false
}

// arrange puts the terms that take least time first: what they decide, the
// others need not look at.
func (p *program) arrange() {
	for _, t := range p.terms {
		t.arrange()
	}
	slices.SortStableFunc(p.terms, func(a, b *program) int { return a.cost() - b.cost() })
}

// settleAfter is after how many evaluations the order of terms is settled.
const settleAfter = 4

// settle puts the terms first that leave fewest rows to the others for the time
// that they take.
func (p *program) settle() {
	rank := func(t *program) float64 {
		return float64(t.cost()) / (1.01 - float64(t.kept)/float64(max(t.asked, 1)))
	}
	slices.SortStableFunc(p.terms, func(a, b *program) int { return cmp.Compare(rank(a), rank(b)) })
}

// cost tells how long an evaluation takes, roughly.
func (p *program) cost() int {
	switch {
	case p.leaf == nil:
		sum := 0
		for _, t := range p.terms {
			sum += t.cost()
		}
		return sum
	case p.leaf.constant != open:
		return 0
	case p.leaf.slow():
		return 100
	case p.leaf.column.raws.Load() > 0 || p.leaf.column.inexact.Load() > 0:
		return 3
	}
	return 1
}
