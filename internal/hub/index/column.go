package index

import (
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"

	"github.com/tvilling/tvilling/internal/hub/query"
)

const (
	// maxText is the longest string that a dictionary takes.
	maxText = 256
	// entryBytes is what a dictionary takes to find a value, beside its text, and
	// valueBytes what it takes for a code, which stays when the value goes.
	entryBytes, valueBytes = 64, 112
)

// column is one path of the twins of a table: what of it is told apart, and
// how. Its cells are in the blocks.
type column struct {
	number int
	name   string
	// ticks says that cells which are no codes are times, not numbers.
	ticks bool

	// The writer alone uses these.
	texts     map[string]uint32
	numbers   map[cell]uint32
	refs      []int32 // by code: rows that have it
	free      []uint32
	dead      int // codes of the dictionary that no row has
	condemned []uint32
	since     uint64 // when they were condemned

	// openTexts and openNumbers say that there are too many to have codes.
	openTexts, openNumbers atomic.Bool
	// coarse says that only whether there is a value is kept, gone that nothing is.
	coarse, gone atomic.Bool
	// inexact is how many rows have a value that the cells do not tell exactly,
	// raws how many have a number or time beside the dictionary.
	inexact, raws atomic.Int64
	// inner is how many rows have an object or an array.
	inner   atomic.Int64
	defined atomic.Int64
	bytes   atomic.Int64
	// used counts the queries that have read the column.
	used atomic.Int64

	// given counts how often a code was given to a value.
	given atomic.Int64
	// mu guards values: the dictionary by code, from firstCode on; a code that
	// is free or condemned has an undefined value.
	mu     sync.RWMutex
	values []query.Value
}

// value returns what a code of the dictionary stands for; undefined if it is
// none now.
func (c *column) value(code uint32) query.Value {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if i := int(code) - int(firstCode); i >= 0 && i < len(c.values) {
		return c.values[i]
	}
	return query.Value{}
}

// codes returns how large a code of the column may be, plus one.
func (c *column) codes() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return int(firstCode) + len(c.values)
}

// seed makes the hashes of strings, the same for all columns.
var seed = maphash.MakeSeed()

// hashOf returns the code of a string that is not in a dictionary.
func hashOf(text []byte) cell { return code(uint32(maphash.Bytes(seed, text)) | hashed) }

// text returns the cell of a string.
func (x *Index) text(t *table, c *column, text []byte) cell {
	if c.coarse.Load() {
		return code(isSome)
	}
	if k, ok := c.texts[string(text)]; ok {
		return code(k)
	}
	if c.openTexts.Load() || len(text) > maxText {
		return hashOf(text)
	}
	if len(c.texts) >= x.distinct(t) && !x.sweep(c, len(c.texts)) {
		x.open(t, c, &c.openTexts)
		return hashOf(text)
	}
	s := string(text)
	k, ok := x.newCode(c, query.StringValue(s))
	if !ok {
		return hashOf(text)
	}
	if c.texts == nil {
		c.texts = make(map[string]uint32)
	}
	c.texts[s] = k
	x.grow(c, entryBytes+len(s))
	return code(k)
}

// number returns the cell of a number.
func (x *Index) number(t *table, c *column, f float64) cell {
	if c.coarse.Load() {
		return code(isSome)
	}
	raw := cell(math.Float64bits(f + 0)) // no negative zero
	if k, ok := c.numbers[raw]; ok {
		return code(k)
	}
	if c.openNumbers.Load() {
		return raw
	}
	if len(c.numbers) >= x.distinct(t) && !x.sweep(c, len(c.numbers)) {
		x.open(t, c, &c.openNumbers)
		return raw
	}
	k, ok := x.newCode(c, query.NumberValue(f+0))
	if !ok {
		return raw
	}
	if c.numbers == nil {
		c.numbers = make(map[cell]uint32)
	}
	c.numbers[raw] = k
	x.grow(c, entryBytes)
	return code(k)
}

// newCode gives a code to a value; false if none is free now.
func (x *Index) newCode(c *column, v query.Value) (uint32, bool) {
	x.release(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead++ // until a row has it
	c.given.Add(1)
	if n := len(c.free); n > 0 {
		k := c.free[n-1]
		c.free = c.free[:n-1]
		c.values[k-firstCode] = v
		return k, true
	}
	k := firstCode + uint32(len(c.values))
	if k > dictLimit {
		c.dead--
		return 0, false
	}
	c.values = append(c.values, v)
	x.grow(c, valueBytes)
	for len(c.refs) <= int(k) {
		c.refs = append(c.refs, 0)
	}
	return k, true
}

// sweep takes the codes that no row has out of the dictionary, if they are
// worth it. They are used again once every query is over that may have seen
// what they stood for.
func (x *Index) sweep(c *column, size int) bool {
	if c.dead < size/4 || len(c.condemned) > 0 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for raw, k := range c.numbers {
		if c.refs[k] == 0 {
			delete(c.numbers, raw)
			x.condemn(c, k, 0)
		}
	}
	for s, k := range c.texts {
		if c.refs[k] == 0 {
			delete(c.texts, s)
			x.condemn(c, k, len(s))
		}
	}
	return true
}

// condemn takes a code that no row has out of use, until no query can know what
// it stood for. The caller holds the column's mu.
func (x *Index) condemn(c *column, k uint32, length int) {
	c.values[k-firstCode] = query.Value{}
	c.condemned = append(c.condemned, k)
	c.since = x.queries.now()
	c.dead--
	x.grow(c, -entryBytes-length)
}

// release frees condemned codes when it is time.
func (x *Index) release(c *column) {
	if len(c.condemned) > 0 && x.queries.over(c.since) {
		c.free = append(c.free, c.condemned...)
		c.condemned = nil
	}
}

// grow accounts for bytes of a column.
func (x *Index) grow(c *column, bytes int) {
	c.bytes.Add(int64(bytes))
	x.bytes.Add(int64(bytes))
}

// count notes that a row has a cell no longer, or from now on.
func (c *column) count(v cell, n int64) {
	if !v.isCode() {
		c.raws.Add(n)
		c.defined.Add(n)
		return
	}
	k := v.code()
	switch {
	case k == undefined:
		return
	case k&hashed != 0 || k == isSome || k == isUnknown:
		c.inexact.Add(n)
	case k == isObject || k == isList:
		c.inner.Add(n)
	case k >= firstCode:
		if c.refs[k] == 0 {
			c.dead--
		}
		if c.refs[k] += int32(n); c.refs[k] == 0 {
			c.dead++
		}
	}
	c.defined.Add(n)
}
