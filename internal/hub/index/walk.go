package index

import (
	"bytes"

	"github.com/tvilling/tvilling"
)

// walker yields the slots of a table's rows ascending by identity, a chunk at a
// time. Rows that come while it is under way may be left out. The names of those
// it has given must stay, so it is for queries under way only.
type walker struct {
	x       *Index
	modules bool
	// from is the id of the device to go on with, module what to leave out of
	// its modules: those up to it.
	from   []byte
	module string
	begun  bool

	version   uint64
	chunk, at int
	done      bool
	slots     []uint32
}

// walk returns a walker over what comes after an identity.
func (x *Index) walk(modules bool, after tvilling.Identity) *walker {
	return &walker{x: x, modules: modules, from: []byte(after.Device), module: string(after.Module), slots: make([]uint32, 0, chunkSlots)}
}

// next returns the next slots, nil at the end. The slice is the walker's.
func (w *walker) next() []uint32 {
	w.slots = w.slots[:0]
	for len(w.slots) == 0 && !w.done {
		w.fill()
	}
	if len(w.slots) == 0 {
		return nil
	}
	return w.slots
}

// fill adds the slots of one chunk of devices.
func (w *walker) fill() {
	x := w.x
	x.mu.RLock()
	defer x.mu.RUnlock()
	o := &x.order
	if !w.begun || w.version != o.version {
		w.chunk, w.at = o.seek(w.from, x.deviceName)
		w.version = o.version
	}
	if w.chunk == len(o.chunks) {
		w.done = true
		return
	}
	devices := o.chunks[w.chunk][w.at:]
	inDevices, inModules := x.devices.blocks(), x.modules.blocks()
	for i, slot := range devices {
		var seen bool
		if i == 0 {
			seen = bytes.Equal(x.deviceName(slot), w.from)
		}
		switch {
		case w.modules:
			w.modulesOf(inDevices, inModules, slot, seen)
		case !seen:
			w.slots = append(w.slots, slot)
		}
	}
	if n := len(devices); n > 0 {
		w.from = append(w.from[:0], x.deviceName(devices[n-1])...)
		w.module, w.begun = "", true
		if w.modules {
			w.module = last // all of its modules are given
		}
	}
	w.chunk, w.at = w.chunk+1, 0
	if w.modules {
		w.slots = living(inModules, w.slots)
	} else {
		w.slots = living(inDevices, w.slots)
	}
}

// living keeps the slots whose rows are there. One whose row went before the
// query began may be another one's by the time that the query looks at it.
func living(blocks []*block, slots []uint32) []uint32 {
	kept := slots[:0]
	for rest := slots; len(rest) > 0; {
		n := rest[0] / blockRows
		kept, rest = blocks[n].living(n, kept, rest)
	}
	return kept
}

// living appends to kept the slots of block n that rest begins with, if their
// rows are there, and returns those of other blocks.
func (b *block) living(n uint32, kept, rest []uint32) (_, others []uint32) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for len(rest) > 0 && rest[0]/blockRows == n {
		if b.live.has(int(rest[0] % blockRows)) {
			kept = append(kept, rest[0])
		}
		rest = rest[1:]
	}
	return kept, rest
}

// last is behind every module id.
const last = "\xff"

// modulesOf adds the modules of a device; seen says that some were given.
func (w *walker) modulesOf(devices, modules []*block, device uint32, seen bool) {
	x := w.x
	for e := devices[device/blockRows].first[device%blockRows]; e != 0; {
		slot := e - 1
		b := modules[slot/blockRows]
		if !seen || string(x.names.get(b.who[slot%blockRows])) > w.module {
			w.slots = append(w.slots, slot)
		}
		e = b.next[slot%blockRows]
	}
}
