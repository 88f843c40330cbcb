package index

import (
	"bytes"
	"hash/maphash"
)

const (
	pageBytes = 1 << 16
	maxPages  = 1 << 15
)

// names keeps device and module ids, each once, in pages without pointers. The
// writer alone adds and frees; a name does not move or change while a row that
// a query can see has it.
type names struct {
	pages [maxPages]*[pageBytes]byte
	count int // pages in use
	tail  int // bytes used of the last one
	free  map[int][]name
}

// name is where an id is kept: its page, and the place of its length there.
type name uint32

// get returns the bytes of a name, which must not be changed.
func (n *names) get(at name) []byte {
	page, i := n.pages[at>>16], int(at&0xffff)
	length := int(page[i])
	return page[i+1 : i+1+length]
}

// add keeps an id; false when there is no room for more. It returns by how many
// bytes the pages grew.
func (n *names) add(id string) (at name, grown int, ok bool) {
	if free := n.free[len(id)]; len(free) > 0 {
		at = free[len(free)-1]
		n.free[len(id)] = free[:len(free)-1]
	} else {
		if n.count == 0 || n.tail+1+len(id) > pageBytes {
			if n.count == maxPages {
				return 0, 0, false
			}
			n.pages[n.count] = new([pageBytes]byte)
			n.count++
			n.tail, grown = 0, pageBytes
		}
		at = name((n.count-1)<<16 | n.tail)
		n.tail += 1 + len(id)
	}
	page, i := n.pages[at>>16], int(at&0xffff)
	page[i] = byte(len(id))
	copy(page[i+1:], id)
	return at, grown, true
}

// drop frees the room of a name.
func (n *names) drop(at name) {
	if n.free == nil {
		n.free = make(map[int][]name)
	}
	length := len(n.get(at))
	n.free[length] = append(n.free[length], at)
}

// slots finds the slot of a device by its id: a hash table with open places.
// The writer alone uses it.
type slots struct {
	table []uint32 // slot+1; 0: an open place
	used  int
}

func hashName(id []byte) uint64 { return maphash.Bytes(seed, id) }

// find returns the slot whose name is id.
func (s *slots) find(id []byte, nameOf func(slot uint32) []byte) (uint32, bool) {
	if len(s.table) == 0 {
		return 0, false
	}
	for i := hashName(id); ; i++ {
		e := s.table[i&uint64(len(s.table)-1)]
		if e == 0 {
			return 0, false
		}
		if bytes.Equal(nameOf(e-1), id) {
			return e - 1, true
		}
	}
}

// add adds a slot, whose name must not be there yet, and returns by how many
// bytes the table grew.
func (s *slots) add(slot uint32, nameOf func(slot uint32) []byte) int {
	grown := 0
	if (s.used+1)*4 > len(s.table)*3 {
		old := s.table
		s.table = make([]uint32, max(1024, len(old)*2))
		grown = 4 * (len(s.table) - len(old))
		for _, e := range old {
			if e != 0 {
				s.put(e, nameOf)
			}
		}
	}
	s.put(slot+1, nameOf)
	s.used++
	return grown
}

func (s *slots) put(e uint32, nameOf func(slot uint32) []byte) {
	last := uint64(len(s.table) - 1)
	i := hashName(nameOf(e-1)) & last
	for s.table[i] != 0 {
		i = (i + 1) & last
	}
	s.table[i] = e
}

// remove takes a slot out; its name must still be there. Entries behind it move
// up, so that each is found from its place on without a gap.
func (s *slots) remove(slot uint32, nameOf func(slot uint32) []byte) {
	last := uint64(len(s.table) - 1)
	i := hashName(nameOf(slot)) & last
	for s.table[i] != slot+1 {
		if s.table[i] == 0 {
			return
		}
		i = (i + 1) & last
	}
	for j := (i + 1) & last; s.table[j] != 0; j = (j + 1) & last {
		if home := hashName(nameOf(s.table[j]-1)) & last; (j-home)&last >= (j-i)&last {
			s.table[i] = s.table[j]
			i = j
		}
	}
	s.table[i] = 0
	s.used--
}
