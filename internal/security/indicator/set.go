package indicator

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
)

// Set is a list made ready. It does not change and may be used by several
// goroutines. The zero Set is empty.
type Set struct {
	// v4 and v6 hold networks by the length of their prefix, whole addresses
	// at the greatest length; lengths are those that are there.
	v4               map[int]*table[uint32]
	v6               map[int]*table[[16]byte]
	lengths4         []int
	lengths6         []int
	domains          names
	md5              table[[16]byte]
	sha1             table[[20]byte]
	sha256           table[[32]byte]
	addresses, total int
}

// Len returns how many different indicators the set has.
func (s *Set) Len() int { return s.total }

// Bytes returns about how much memory the set needs.
func (s *Set) Bytes() int {
	n := s.domains.bytes() + s.md5.bytes() + s.sha1.bytes() + s.sha256.bytes()
	for _, t := range s.v4 {
		n += t.bytes()
	}
	for _, t := range s.v6 {
		n += t.bytes()
	}
	return n
}

// Contains reports whether a value is on the list: an address that is listed
// or lies in a listed network, a domain that is listed or lies below one, or
// the hash of a file in hexadecimal digits, with or without the name of its
// algorithm before it ("sha1:…"). Case does not matter. It does not allocate
// for values that are well-formed.
func (s *Set) Contains(value string) bool {
	if s.total == 0 || len(value) == 0 || len(value) > maxName+len("sha256:") {
		return false
	}
	if len(s.lengths4)+len(s.lengths6) > 0 && addressLike(value) {
		if a, err := netip.ParseAddr(value); err == nil {
			return s.ContainsAddr(a)
		}
	}
	if s.md5.n+s.sha1.n+s.sha256.n > 0 && s.hash(value) {
		return true
	}
	return s.domains.n > 0 && s.domain(value)
}

// ContainsAddr reports whether an address is listed or lies in a listed network.
func (s *Set) ContainsAddr(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if a.Is4() {
		b := a.As4()
		n := binary.BigEndian.Uint32(b[:])
		for _, l := range s.lengths4 {
			if s.v4[l].has(mask4(n, l)) {
				return true
			}
		}
		return false
	}
	if !a.Is6() {
		return false
	}
	b := a.As16()
	for _, l := range s.lengths6 {
		if s.v6[l].has(mask6(b, l)) {
			return true
		}
	}
	return false
}

func mask4(n uint32, bits int) uint32 { return n &^ (1<<(32-bits) - 1) }

func mask6(b [16]byte, bits int) [16]byte {
	for i := range b {
		switch left := bits - 8*i; {
		case left >= 8:
		case left <= 0:
			b[i] = 0
		default:
			b[i] &= 0xff << (8 - left)
		}
	}
	return b
}

// addressLike says whether the parser would read the value; it makes an error
// of what it does not, which costs memory.
func addressLike(v string) bool {
	if len(v) < 2 || len(v) > 64 {
		return false
	}
	colon, dots := false, 0
	for i := range len(v) {
		switch c := v[i]; {
		case c == ':':
			colon = true
		case c == '.':
			dots++
		case c == '%':
			return colon
		case c >= '0' && c <= '9':
		case colon && (c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'):
		case (c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') && strings.IndexByte(v, ':') > i:
		default:
			return false
		}
	}
	return colon || dots == 3
}

func (s *Set) hash(v string) bool {
	if at := strings.IndexByte(v, ':'); at >= 0 {
		v = v[at+1:]
	}
	if len(v) != 32 && len(v) != 40 && len(v) != 64 {
		return false
	}
	var text [64]byte
	var raw [32]byte
	if n, err := hex.Decode(raw[:], text[:copy(text[:], v)]); err != nil || n != len(v)/2 {
		return false
	}
	switch len(v) {
	case 32:
		return s.md5.has([16]byte(raw[:16]))
	case 40:
		return s.sha1.has([20]byte(raw[:20]))
	default:
		return s.sha256.has(raw)
	}
}

// domain looks for a name and for each name above it.
func (s *Set) domain(v string) bool {
	var buf [maxName]byte
	v = strings.TrimSuffix(v, ".")
	if len(v) > maxName {
		return false
	}
	name := buf[:copy(buf[:], v)]
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			name[i] = c + 'a' - 'A'
		}
	}
	for {
		if s.domains.has(name) {
			return true
		}
		at := bytes.IndexByte(name, '.')
		if at < 0 {
			return false
		}
		name = name[at+1:]
	}
}
