package indicator

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"unsafe"
)

// seed makes places unpredictable: lists come from outside, and so do the
// values that are looked for.
var seed = maphash.MakeSeed()

// table is a hash set of keys of a fixed size, by open addressing: three
// quarters of the places are taken, so a key costs four thirds of its size.
type table[K comparable] struct {
	places []K
	// zero says that the zero key is in the set; in places it marks a free one.
	zero bool
	n    int
}

// place maps a hash to a place; any number of places will do.
func place(hash uint64, places int) int {
	hi, _ := bits.Mul64(hash, uint64(places))
	return int(hi)
}

func newTable[K comparable](keys []K) table[K] {
	t := table[K]{}
	if len(keys) == 0 {
		return t
	}
	t.places = make([]K, len(keys)+len(keys)/3+1)
	var none K
	for _, k := range keys {
		if k == none {
			if !t.zero {
				t.zero = true
				t.n++
			}
			continue
		}
		i := place(maphash.Comparable(seed, k), len(t.places))
		for t.places[i] != none && t.places[i] != k {
			if i++; i == len(t.places) {
				i = 0
			}
		}
		if t.places[i] == none {
			t.places[i] = k
			t.n++
		}
	}
	return t
}

func (t *table[K]) has(k K) bool {
	var none K
	if k == none || len(t.places) == 0 {
		return t.zero && k == none
	}
	i := place(maphash.Comparable(seed, k), len(t.places))
	for t.places[i] != none {
		if t.places[i] == k {
			return true
		}
		if i++; i == len(t.places) {
			i = 0
		}
	}
	return false
}

func (t *table[K]) bytes() int {
	var k K
	return len(t.places) * int(unsafe.Sizeof(k))
}

// names is a hash set of texts of at most 255 bytes: they stand one after the
// other with their lengths, and the places hold where + 1.
type names struct {
	text   []byte
	places []uint32
	n      int
}

// newNames takes texts written one after the other, each with its length before it.
func newNames(text []byte, count int) names {
	s := names{}
	if count == 0 {
		return s
	}
	s.places = make([]uint32, count+count/2+1)
	for at := 0; at < len(text); {
		end := at + 1 + int(text[at])
		if name := text[at+1 : end]; !s.has(name) {
			i := place(maphash.Bytes(seed, name), len(s.places))
			for s.places[i] != 0 {
				if i++; i == len(s.places) {
					i = 0
				}
			}
			s.places[i] = uint32(len(s.text)) + 1
			s.text = append(s.text, text[at:end]...)
			s.n++
		}
		at = end
	}
	s.text = append([]byte(nil), s.text...)
	return s
}

func (s *names) has(name []byte) bool {
	if len(s.places) == 0 {
		return false
	}
	for i := place(maphash.Bytes(seed, name), len(s.places)); s.places[i] != 0; {
		at := int(s.places[i]) - 1
		if n := int(s.text[at]); bytes.Equal(s.text[at+1:at+1+n], name) {
			return true
		}
		if i++; i == len(s.places) {
			i = 0
		}
	}
	return false
}

func (s *names) bytes() int { return len(s.text) + 4*len(s.places) }
