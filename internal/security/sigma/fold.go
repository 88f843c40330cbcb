package sigma

import (
	"unicode"
	"unicode/utf8"
)

// lowerASCII maps a byte to its lower case, and those outside ASCII to themselves.
var lowerASCII = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
		if i >= 'A' && i <= 'Z' {
			t[i] += 'a' - 'A'
		}
	}
	return t
}()

// appendFold appends s in the form in which texts are compared without regard
// to case: every rune becomes the one that stands for all runes that differ
// from it in case only, as (?i) of a regular expression has it. Bytes that are
// no UTF-8 stay. Folding goes rune by rune, so a text that contains another
// still contains it when both are folded.
func appendFold(dst []byte, s string) []byte {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return appendFoldRunes(dst, s[i:])
		}
		dst = append(dst, lowerASCII[s[i]])
	}
	return dst
}

func appendFoldRunes(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			dst = append(dst, lowerASCII[s[i]])
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, s[i])
		} else {
			dst = utf8.AppendRune(dst, foldRune(r))
		}
		i += size
	}
	return dst
}

// folded are the runes that stand for those of the Latin, Greek and Cyrillic
// scripts, so that the texts of most people are folded without a search.
var folded = func() (t [0x530]rune) {
	for r := range t {
		t[r] = orbit(rune(r))
	}
	return t
}()

// foldRune returns the rune that stands for the case orbit of r.
func foldRune(r rune) rune {
	switch {
	case r >= 0 && int(r) < len(folded):
		return folded[r]
	case r >= 0x2e80 && r < 0xa640, r >= 0xac00 && r < 0xfb00, r >= 0x1f000:
		return r // scripts without case
	default:
		return orbit(r)
	}
}

// orbit returns the lower case of the smallest member of the case orbit of r,
// and r if it has no other.
func orbit(r rune) rune {
	least := r
	if unicode.SimpleFold(r) == r {
		return r
	}
	for q := unicode.SimpleFold(r); q != r; q = unicode.SimpleFold(q) {
		least = min(least, q)
	}
	if least < utf8.RuneSelf {
		return rune(lowerASCII[least])
	}
	return unicode.ToLower(least)
}

func fold(s string) string { return string(appendFold(nil, s)) }
