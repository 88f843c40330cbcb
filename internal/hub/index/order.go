package index

import (
	"bytes"
	"slices"
	"sort"
)

// chunkSlots bounds a chunk of the order.
const chunkSlots = 512

// order holds the slots of devices ascending by their ids, in chunks.
type order struct {
	chunks [][]uint32
	// version counts the changes, so that who walks along knows when to look
	// anew for where it was.
	version uint64
}

// seek returns the place of the first slot whose name is not below id: its
// chunk, and where in it. The chunk is one beyond the last if there is none.
func (o *order) seek(id []byte, nameOf func(slot uint32) []byte) (chunk, at int) {
	below := func(slot uint32) bool { return bytes.Compare(nameOf(slot), id) < 0 }
	chunk = sort.Search(len(o.chunks), func(i int) bool { return !below(o.chunks[i][len(o.chunks[i])-1]) })
	if chunk == len(o.chunks) {
		return chunk, 0
	}
	c := o.chunks[chunk]
	return chunk, sort.Search(len(c), func(i int) bool { return !below(c[i]) })
}

// add puts a slot in its place and returns by how many bytes the order grew.
func (o *order) add(slot uint32, nameOf func(slot uint32) []byte) int {
	o.version++
	id := nameOf(slot)
	chunk, at := len(o.chunks), 0
	if !o.behind(id, nameOf) {
		chunk, at = o.seek(id, nameOf)
	}
	if chunk == len(o.chunks) {
		if n := len(o.chunks); n > 0 && len(o.chunks[n-1]) < chunkSlots {
			o.chunks[n-1] = append(o.chunks[n-1], slot)
			return 0
		}
		o.chunks = append(o.chunks, append(make([]uint32, 0, chunkSlots), slot))
		return 4*chunkSlots + 24
	}
	c := o.chunks[chunk]
	if len(c) < chunkSlots {
		o.chunks[chunk] = slices.Insert(c, at, slot)
		return 0
	}
	half := append(make([]uint32, 0, chunkSlots), c[chunkSlots/2:]...)
	o.chunks[chunk] = c[:chunkSlots/2]
	o.chunks = slices.Insert(o.chunks, chunk+1, half)
	if at > chunkSlots/2 {
		chunk, at = chunk+1, at-chunkSlots/2
	}
	o.chunks[chunk] = slices.Insert(o.chunks[chunk], at, slot)
	return 4*chunkSlots + 24
}

// behind reports whether id is behind all names, as it is in a build.
func (o *order) behind(id []byte, nameOf func(slot uint32) []byte) bool {
	if len(o.chunks) == 0 {
		return true
	}
	last := o.chunks[len(o.chunks)-1]
	return bytes.Compare(id, nameOf(last[len(last)-1])) > 0
}

// remove takes a slot out and returns by how many bytes the order grew.
func (o *order) remove(slot uint32, nameOf func(slot uint32) []byte) int {
	o.version++
	chunk, at := o.seek(nameOf(slot), nameOf)
	if chunk == len(o.chunks) || at == len(o.chunks[chunk]) || o.chunks[chunk][at] != slot {
		return 0
	}
	o.chunks[chunk] = slices.Delete(o.chunks[chunk], at, at+1)
	if len(o.chunks[chunk]) > 0 {
		return 0
	}
	o.chunks = slices.Delete(o.chunks, chunk, chunk+1)
	return -4*chunkSlots - 24
}
