package eventdb

import (
	"encoding/binary"
	"encoding/hex"
	"math/bits"
)

// The forms of an id of an event: a GUID takes 16 bytes, anything else is
// kept as text. The numbers are part of the format.
const (
	textID = iota
	lowerGUID
	upperGUID
)

const (
	guidText  = 36
	guidBytes = 16
)

// parseGUID returns the bytes of a GUID in its canonical form. What it takes,
// formatGUID gives back to the letter.
func parseGUID(s string) (g [guidBytes]byte, form int) {
	if len(s) != guidText || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return g, textID
	}
	lower, upper := false, false
	at := 0
	for i := range g {
		if at == 8 || at == 13 || at == 18 || at == 23 {
			at++
		}
		for range 2 {
			c := s[at]
			at++
			switch {
			case '0' <= c && c <= '9':
				c -= '0'
			case 'a' <= c && c <= 'f':
				c -= 'a' - 10
				lower = true
			case 'A' <= c && c <= 'F':
				c -= 'A' - 10
				upper = true
			default:
				return g, textID
			}
			g[i] = g[i]<<4 | c
		}
	}
	switch {
	case lower && upper:
		return g, textID
	case upper:
		return g, upperGUID
	default:
		return g, lowerGUID
	}
}

// appendGUID appends the text of a GUID.
func appendGUID(dst, g []byte, form int) []byte {
	start := len(dst)
	dst = hex.AppendEncode(dst, g[:4])
	for _, end := range [...]int{6, 8, 10, 16} {
		from := end - 2
		if end == 16 {
			from = 10
		}
		dst = append(dst, '-')
		dst = hex.AppendEncode(dst, g[from:end])
	}
	if form == upperGUID {
		for i, c := range dst[start:] {
			if 'a' <= c && c <= 'f' {
				dst[start+i] = c - ('a' - 'A')
			}
		}
	}
	return dst
}

// salt keys the hashes of a file, so that nobody can make ids that meet others.
type salt [2]uint64

// hash returns the hash of an id that is kept in lists of messages.
func (k salt) hash(s string) uint32 {
	h := k[0] ^ uint64(len(s))
	for len(s) >= 8 {
		h = mix(h^word(s), k[1])
		s = s[8:]
	}
	var tail uint64
	for i := range len(s) {
		tail |= uint64(s[i]) << (8 * i)
	}
	h = mix(h^tail, k[1])
	return uint32(mix(h, k[0]^k[1]))
}

func word(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo ^ a
}

func (k salt) bytes() []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, k[0]), k[1])
}

// saltOf returns the salt of its bytes. It is odd so that no multiplication
// with it loses anything.
func saltOf(b []byte) (k salt, ok bool) {
	if len(b) != 16 {
		return k, false
	}
	return salt{binary.LittleEndian.Uint64(b) | 1, binary.LittleEndian.Uint64(b[8:]) | 1}, true
}
