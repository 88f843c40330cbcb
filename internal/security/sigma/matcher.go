package sigma

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// matcher compares a value, folded or as it is, with a pattern.
type matcher struct {
	shape shape
	text  []byte
	// segments of a glob, between its stars; headed and tailed say that a star
	// stands before the first and after the last.
	segments       [][]part
	headed, tailed bool
}

type shape uint8

const (
	equals shape = iota
	begins
	ends
	contains
	anything
	globbed
)

// part of a segment: text, one rune, or one dash.
type part struct {
	kind tokenKind
	text []byte
}

// newMatcher prepares a pattern without placeholders.
func newMatcher(p pattern, cased bool) matcher {
	form := func(s string) []byte {
		if cased {
			return []byte(s)
		}
		return appendFold(nil, s)
	}
	m := matcher{headed: len(p) > 0 && p[0].kind == star, tailed: len(p) > 0 && p[len(p)-1].kind == star}
	inner := p
	if m.headed {
		inner = inner[1:]
	}
	if m.tailed && len(inner) > 0 {
		inner = inner[:len(inner)-1]
	}
	if text, ok := inner.text(); ok {
		m.text = form(text)
		switch {
		case len(inner) == 0 && m.headed:
			m.shape = anything
		case m.headed && m.tailed:
			m.shape = contains
		case m.headed:
			m.shape = ends
		case m.tailed:
			m.shape = begins
		}
		return m
	}
	m.shape = globbed
	segment := []part{}
	for _, t := range inner {
		if t.kind == star {
			m.segments = append(m.segments, segment)
			segment = []part{}
			continue
		}
		segment = append(segment, part{t.kind, form(t.text)})
	}
	m.segments = append(m.segments, segment)
	return m
}

func (m *matcher) match(v []byte) bool {
	switch m.shape {
	case equals:
		return bytes.Equal(v, m.text)
	case begins:
		return bytes.HasPrefix(v, m.text)
	case ends:
		return bytes.HasSuffix(v, m.text)
	case contains:
		return bytes.Contains(v, m.text)
	case anything:
		return true
	default:
		return m.glob(v)
	}
}

// glob takes the first place for each segment: what follows a star then has
// the most room.
func (m *matcher) glob(v []byte) bool {
	at, last := 0, len(m.segments)-1
	for i, seg := range m.segments {
		switch {
		case i == last && !m.tailed && (i > 0 || m.headed):
			return endsWith(seg, v[at:])
		case i == 0 && !m.headed:
			if at = fits(seg, v, 0); at < 0 || last == 0 && !m.tailed && at != len(v) {
				return false
			}
		default:
			if at = find(seg, v, at); at < 0 {
				return false
			}
		}
	}
	return true
}

// fits returns the end of a segment that begins at a place, -1 if it does not.
func fits(seg []part, v []byte, at int) int {
	for _, p := range seg {
		if p.kind == literal {
			if !bytes.HasPrefix(v[at:], p.text) {
				return -1
			}
			at += len(p.text)
			continue
		}
		r, size := utf8.DecodeRune(v[at:])
		if size == 0 || p.kind == dash && !strings.ContainsRune(dashes, r) {
			return -1
		}
		at += size
	}
	return at
}

// find returns the end of the first place of a segment, -1 if there is none.
// It goes from rune to rune, so that ? never stands for a part of one.
func find(seg []part, v []byte, at int) int {
	for at <= len(v) {
		if len(seg) > 0 && seg[0].kind == literal {
			i := bytes.Index(v[at:], seg[0].text)
			if i < 0 {
				return -1
			}
			at += i
		}
		if end := fits(seg, v, at); end >= 0 {
			return end
		}
		_, size := utf8.DecodeRune(v[at:])
		at += max(size, 1)
	}
	return -1
}

// endsWith reports whether v ends with a segment.
func endsWith(seg []part, v []byte) bool {
	longest := 0
	for _, p := range seg {
		longest += max(len(p.text), utf8.UTFMax)
	}
	at := max(0, len(v)-longest)
	for back := at; back >= 0 && back > at-utf8.UTFMax && back < len(v); back-- {
		if utf8.RuneStart(v[back]) {
			at = back
			break
		}
	}
	for at <= len(v) {
		if fits(seg, v, at) == len(v) {
			return true
		}
		_, size := utf8.DecodeRune(v[at:])
		at += max(size, 1)
	}
	return false
}
