package index

import (
	"slices"
	"sync"
	"sync/atomic"
)

// table holds the twins of devices, or those of modules. A row has a slot,
// which stays its own as long as a query can know it; the slot of a device is
// also where its modules find its name.
type table struct {
	modules bool

	// list holds the blocks; the writer replaces it.
	list atomic.Pointer[[]*block]
	// columns and the paths are changed by the writer under the index's mu;
	// whoever else reads them holds it, too.
	columns           []*column
	tags              *path
	desired, reported *path
	owned             *path // its members are the owned members of the root

	// The columns of members that are in no section.
	status, statusReason, statusTime *column
	connected, activity              *column
	auth, primary, secondary         *column
	version, model, module           *column
	scope, parents, edge             *column
	desiredVersion, reportedVersion  *column
	desiredTime, reportedTime        *column

	// The writer alone uses these.
	free  []uint32
	slots uint32 // given out so far

	rows, damaged atomic.Int64
	// ready says that every twin is here, short that some have no room.
	ready, short atomic.Bool
}

// block holds blockRows rows.
type block struct {
	// mu guards all below. The writer holds it for one row at a time.
	mu sync.RWMutex
	// live are the rows that queries see: those whose records are all here.
	live mask
	// damaged are rows of which nothing is known, because they cannot be read.
	damaged mask
	hurt    int // how many those are
	parts   []parts
	segs    []segment // by the number of the column; one that is beyond the end is undefined

	// who is the name of a device, or of a module; device is the slot of the
	// module's device.
	who    []name
	device []uint32
	// first is the first module of a device and next the module after this one,
	// by their names, slot+1 each. They are guarded by the index's mu.
	first, next []uint32
}

// parts says which records of a row are in the index.
type parts uint8

const (
	hasIdentity parts = 1 << iota
	hasTwin
	hasSession
	isDamaged
	// isKnown says that a row is there or was until lately; without it its
	// slot is free, or only the name of a device that has modules.
	isKnown
)

const visible = hasIdentity | hasTwin

func newBlock(modules bool) *block {
	b := &block{parts: make([]parts, blockRows), who: make([]name, blockRows)}
	if modules {
		b.device, b.next = make([]uint32, blockRows), make([]uint32, blockRows)
	} else {
		b.first = make([]uint32, blockRows)
	}
	return b
}

// rowBytes is what a row of a block takes beside its columns.
const rowBytes = 1 + 4 + 4 + 4

// blocks returns the blocks as of now.
func (t *table) blocks() []*block {
	if list := t.list.Load(); list != nil {
		return *list
	}
	return nil
}

func (t *table) block(slot uint32) *block { return t.blocks()[slot/blockRows] }

func (t *table) who(slot uint32) name { return t.block(slot).who[slot%blockRows] }

// distinct returns how many distinct values of a kind a column gives codes to.
func (x *Index) distinct(t *table) int {
	return min(max(x.limits.minDistinct, int(t.rows.Load())/rowsPerDistinct), x.limits.maxDistinct)
}

// segment returns the segment of a column, to be changed.
func (x *Index) segment(b *block, column int) *segment {
	if n := column + 1 - len(b.segs); n > 0 {
		b.segs = append(b.segs, make([]segment, n)...)
		x.bytes.Add(int64(n * segmentBytes))
	}
	return &b.segs[column]
}

// cell returns the cell of a row.
func (b *block) cell(column, row int) cell {
	if column >= len(b.segs) {
		return code(undefined)
	}
	return b.segs[column].get(row)
}

// newSlot gives out a slot, a new block if need be. The caller holds mu.
func (x *Index) newSlot(t *table) uint32 {
	if n := len(t.free); n > 0 {
		slot := t.free[n-1]
		t.free = t.free[:n-1]
		return slot
	}
	slot := t.slots
	t.slots++
	if blocks := t.blocks(); int(slot/blockRows) == len(blocks) {
		list := append(slices.Clone(blocks), newBlock(t.modules))
		t.list.Store(&list)
		x.bytes.Add(blockRows * rowBytes)
	}
	return slot
}
