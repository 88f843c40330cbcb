package doc

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/tvilling/tvilling"
)

// Section is a twin section in compact form. It is immutable: nobody may
// change the bytes once they are a Section. A nil Section is an empty section
// of version 0 that was never written. Bytes that are no section read as if
// they held nothing; [Section.Validate] says what is wrong with them.
type Section []byte

// New returns an empty section of the given version that was never written.
func New(version int64) Section {
	b := make([]byte, 0, 8)
	b = append(b, format)
	b = binary.AppendUvarint(b, uint64(max(version, 0)))
	return append(b, 0, 0, 0) // size, ticks, length of the table
}

// Version returns the $version of s.
func (s Section) Version() int64 {
	h, _ := s.header()
	return h.version
}

// Size returns what the size limits count of s: the lengths of keys and
// strings without control characters, 8 for a number, 4 for a bool (wire §2.5).
func (s Section) Size() int {
	h, _ := s.header()
	return h.size
}

// Updated returns when s was last changed, and the zero time if it never was.
func (s Section) Updated() time.Time {
	h, _ := s.header()
	return timeOf(h.ticks)
}

// IsEmpty reports whether s has no members.
func (s Section) IsEmpty() bool {
	h, _ := s.header()
	return len(h.members) == 0
}

// header is what stands before the members of a section.
type header struct {
	version int64
	size    int
	ticks   int64
	table   []byte
	members []byte
}

// header reads the fixed part of s and finds its table and members; on
// malformed bytes it returns the zero header and false.
func (s Section) header() (header, bool) {
	if len(s) == 0 {
		return header{}, true
	}
	if s[0] != format {
		return header{}, false
	}
	version, i := uvarint(s, 1)
	size, i := uvarint(s, i)
	ticks, i := uvarint(s, i)
	table, i := uvarint(s, i)
	if i < 0 || version > math.MaxInt64 || size > math.MaxInt32 || ticks > maxTicks || table > uint64(len(s)-i) {
		return header{}, false
	}
	j := i + int(table)
	return header{
		version: int64(version), size: int(size), ticks: int64(ticks),
		table: s[i:j:j], members: s[j:],
	}, true
}

// corrupt is the error for bytes that are not what this package wrote.
func corrupt(what string) error {
	return tvilling.Errorf(tvilling.Corrupt, "The stored twin section is damaged: %s.", what)
}
