package index

import (
	"bytes"

	"github.com/tvilling/tvilling/internal/hub/query"
)

// Where an order is one of columns, rows with the same codes have the same key.
// So most rows of many are told from the first ones without making a key: by
// the codes, and, where these are those of a row at the border, by the id.

const (
	// maxTerms is of how many columns an order may be for that.
	maxTerms = 4
	// verdictSlots is how many verdicts are kept; a power of two.
	verdictSlots = 1 << 12
)

// verdicts are what was found of codes.
type verdicts struct {
	sources []*source
	slots   [verdictSlots]verdict
	// asked is where the verdict about the row that is looked at is, or goes.
	asked *verdict
	codes [maxTerms]uint32
}

// verdict is what was found of the rows that have certain codes.
type verdict struct {
	codes [maxTerms]uint32
	known bool
	// early rows were on a page before, late ones are behind all that are kept.
	// What is kept moves to the front only, so that late rows stay late.
	early, late bool
	// first rows have the key with which the page begins, last ones that of the
	// last row kept, as of a turn: the id decides.
	first, last bool
	turn        uint32
}

// verdicts returns what to keep verdicts in; nil if the order is not one of a
// few columns of the rows themselves.
func (r *run) verdicts() *verdicts {
	v := &verdicts{}
	for _, o := range r.q.Order() {
		m, ok := o.Operand.(*query.Member)
		if !ok || len(v.sources) == maxTerms {
			return nil
		}
		s := &r.sources[m.Number]
		if s.column == nil || s.joined || s.activity || s.device {
			return nil
		}
		v.sources = append(v.sources, s)
	}
	return v
}

// passed reports whether the row that is looked at is known to be none of the
// page. Otherwise note is to be told of its key.
func (t *top) passed(b *block) bool {
	v := t.verdicts
	v.asked = nil
	h := uint32(0)
	for i, s := range v.sources {
		c := b.cell(s.column.number, t.row.at)
		k := c.code()
		if !c.isCode() || k&hashed != 0 || k == isSome || k == isUnknown || k == isObject || k == isList {
			return false
		}
		v.codes[i] = k
		h = (h ^ k) * 0x9e3779b1
	}
	s := &v.slots[h>>(32-12)]
	v.asked = s
	if !s.known || s.codes != v.codes {
		return false
	}
	switch {
	case s.early:
		return true
	case s.late:
		t.more = true
		return true
	case s.first && string(t.r.deviceName(b, t.row.at)) < string(t.after.id.Device):
		return true
	case s.last && s.turn == t.turn && string(t.r.deviceName(b, t.row.at)) > string(t.heap[0].id.Device):
		t.more = true
		return true
	}
	return false
}

// note keeps what the key of the row says of all rows with its codes.
func (t *top) note() {
	v := t.verdicts
	if v.asked == nil {
		return
	}
	*v.asked = verdict{codes: v.codes, known: true}
	if t.after != nil {
		c := bytes.Compare(t.key, t.after.key)
		v.asked.early, v.asked.first = c < 0, c == 0
	}
	if len(t.heap) == t.limit {
		c := bytes.Compare(t.key, t.heap[0].key)
		v.asked.late, v.asked.last, v.asked.turn = c > 0, c == 0, t.turn
	}
}
