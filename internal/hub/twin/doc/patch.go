package doc

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"strconv"
)

// Patch is a parsed change of a section: the members to set and, as nulls, the
// members to delete. It is immutable and may be applied any number of times.
type Patch struct {
	body []byte // the text that was parsed; most keys and values are slices of it
	made []byte // decoded keys and rewritten values
	// nodes are the members in the order of the text, each before its own
	// members; the first is the section itself.
	nodes []node
	// index holds hash tables of the members of large objects.
	index []uint32
	seed  maphash.Seed
	few   [12]node // room for the nodes of a small patch
}

// node is one member of a patch.
type node struct {
	key, keyLen uint32
	// val and valLen are the bytes of the value as a section stores it. An
	// object has none; its val and valLen are where its hash table is in the
	// index and how large, 0 if it has none.
	val, valLen uint32
	end         uint32 // index of the first node that is not below this one
	size        uint32 // what a leaf's value counts to the size limit
	kind        kind
	flags       nodeFlags
}

type nodeFlags uint8

const (
	keyMade   nodeFlags = 1 << iota // key is in made
	keyQuoted                       // key must be escaped in JSON
	valMade                         // val is in made
)

func (p *Patch) key(n *node) []byte {
	if n.flags&keyMade != 0 {
		return p.made[n.key : n.key+n.keyLen]
	}
	return p.body[n.key : n.key+n.keyLen]
}

// val returns the bytes of a leaf's value as a section stores them.
func (p *Patch) val(n *node) []byte {
	if n.flags&valMade != 0 {
		return p.made[n.val : n.val+n.valLen]
	}
	return p.body[n.val : n.val+n.valLen]
}

// Empty reports whether p neither sets nor deletes anything.
func (p *Patch) Empty() bool { return p == nil || len(p.nodes) <= 1 }

// AppendJSON appends p as it was given, compact, with its nulls and without
// $version and $metadata of the client. A version above 0 is added as last
// member, "$version": the text of a desired properties notification (wire §1.6).
func (p *Patch) AppendJSON(dst []byte, version int64) []byte {
	dst = append(dst, '{')
	if !p.Empty() {
		dst = p.appendMembers(dst, 0)
	}
	if version > 0 {
		if !p.Empty() {
			dst = append(dst, ',')
		}
		dst = append(dst, `"$version":`...)
		dst = strconv.AppendInt(dst, version, 10)
	}
	return append(dst, '}')
}

func (p *Patch) appendMembers(dst []byte, object uint32) []byte {
	first := object + 1
	for i, end := first, p.nodes[object].end; i < end; i = p.nodes[i].end {
		n := &p.nodes[i]
		if i > first {
			dst = append(dst, ',')
		}
		dst = appendKey(dst, p.key(n), n.flags&keyQuoted != 0)
		if n.kind != kindObject {
			dst = appendLeaf(dst, n.kind, p.val(n))
			continue
		}
		dst = append(dst, '{')
		dst = p.appendMembers(dst, i)
		dst = append(dst, '}')
	}
	return dst
}

// manyMembers is the number of members from which on an object gets a hash
// table: it keeps parse and merge linear whatever comes in.
const manyMembers = 16

// keyBit returns the bit of key in a mask of 64: a cheap way to know that a
// key is not in a small set.
func keyBit(key []byte) uint64 {
	n := uint(len(key))
	if n == 0 {
		return 1
	}
	return 1 << ((uint(key[0]) + uint(key[n-1])*5 + uint(key[n/2])*11 + n*17) & 63)
}

// indexMembers builds the hash table of the members of object, count of them.
// It returns the first member whose key occurred before, 0 if there is none.
func (p *Patch) indexMembers(object uint32, count int) uint32 {
	if len(p.index) == 0 {
		p.seed = maphash.MakeSeed()
	}
	size := 1 << bits.Len(uint(count)*3/2)
	at := len(p.index)
	p.index = append(p.index, make([]uint32, size)...)
	table := p.index[at:]
	o := &p.nodes[object]
	o.val, o.valLen = uint32(at), uint32(size)
	for i, end := object+1, o.end; i < end; i = p.nodes[i].end {
		key := p.key(&p.nodes[i])
		slot := maphash.Bytes(p.seed, key) & uint64(size-1)
		for ; table[slot] != 0; slot = (slot + 1) & uint64(size-1) {
			if bytes.Equal(p.key(&p.nodes[table[slot]]), key) {
				return i
			}
		}
		table[slot] = i
	}
	return 0
}

// find returns the member of object with the given key, 0 if it has none.
func (p *Patch) find(object uint32, key []byte) uint32 {
	o := &p.nodes[object]
	if o.valLen > 0 {
		table := p.index[o.val : o.val+o.valLen]
		last := uint64(len(table) - 1)
		for slot := maphash.Bytes(p.seed, key) & last; table[slot] != 0; slot = (slot + 1) & last {
			if bytes.Equal(p.key(&p.nodes[table[slot]]), key) {
				return table[slot]
			}
		}
		return 0
	}
	for i, end := object+1, o.end; i < end; i = p.nodes[i].end {
		if bytes.Equal(p.key(&p.nodes[i]), key) {
			return i
		}
	}
	return 0
}
