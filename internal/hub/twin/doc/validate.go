package doc

import (
	"bytes"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Validate checks stored bytes: that they are a section of a known format, all
// of it well formed, every key and value one that [Parse] lets through, no key
// twice, and size and stamps as the members say. A nil section is valid. The
// error is of code Corrupt.
func (s Section) Validate() error {
	if len(s) == 0 {
		return nil
	}
	if s[0] != format {
		return corrupt(fmt.Sprintf("it has format %d, and this version of the hub knows format %d only", s[0], format))
	}
	if len(s) > maxStored {
		return corrupt(fmt.Sprintf("it has %d bytes, and the maximum is %d", len(s), maxStored))
	}
	h, ok := s.header()
	if !ok {
		return corrupt("its head is malformed")
	}
	var rowBuf [24]row
	var actorBuf [8][]byte
	_, rows, ok := h.stamps(actorBuf[:0], rowBuf[:0])
	if !ok {
		return corrupt("its table of stamps is malformed")
	}
	m := merger{size: h.size, rows: rows, now: ^uint32(0)}
	if what := m.check(h.members, 0); what != "" {
		return corrupt(what)
	}
	if m.size != 0 {
		return corrupt(fmt.Sprintf("its size is said to be %d and is %d", h.size, h.size-m.size))
	}
	for _, r := range rows {
		if r.count != 0 {
			return corrupt("a stamp is said to have more members than bear it")
		}
	}
	return nil
}

// check takes stored members out of the size and the stamps and returns what
// is wrong with them, "" for nothing.
func (m *merger) check(b []byte, depth int) string {
	if depth > maxDepth {
		return "it nests too deep"
	}
	var e member
	var mask uint64
	count := 0
	for i := 0; i < len(b); {
		start := i
		if i = e.read(b, i); i < 0 {
			return "a member is malformed"
		}
		if what := e.check(); what != "" {
			return what
		}
		bit := keyBit(e.key)
		if mask&bit != 0 && count < manyMembers {
			var o member
			if o.find(b[:start], string(e.key)) {
				return "a key is there twice"
			}
		}
		mask |= bit
		count++
		if !m.unbear(e.stamp) {
			return "a member bears a stamp that is not there"
		}
		m.size -= len(e.key)
		if e.kind == kindObject {
			if what := m.check(e.val, depth+1); what != "" {
				return what
			}
			continue
		}
		m.size -= sizeOf(e.kind, e.val)
	}
	if count > manyMembers && repeats(b, count) {
		return "a key is there twice"
	}
	return ""
}

// repeats reports whether a key occurs twice among count well-formed members.
func repeats(b []byte, count int) bool {
	keys := make([][]byte, 0, count)
	var e member
	for i := 0; i < len(b); {
		i = e.read(b, i)
		keys = append(keys, e.key)
	}
	slices.SortFunc(keys, bytes.Compare)
	for i := 1; i < len(keys); i++ {
		if bytes.Equal(keys[i-1], keys[i]) {
			return true
		}
	}
	return false
}

// check returns what is wrong with the key and value of a member by
// themselves, "" for nothing.
func (m *member) check() string {
	if _, bad := forbidden(m.key, Owned); bad || len(m.key) > maxKey || !utf8.Valid(m.key) || m.quoted != needsQuoting(m.key) {
		return "a key is malformed"
	}
	ok := true
	switch m.kind {
	case kindFalse, kindTrue:
		ok = len(m.val) == 0
	case kindNumber:
		end, n := scanNumber(m.val, 0)
		ok = n != noNumber && end == len(m.val) && inRange(m.val, n)
	case kindText, kindEscaped:
		ok = m.checkString()
	case kindArray:
		end, valid := scanValue(m.val, 0, 0)
		ok = valid && end == len(m.val) && m.val[0] == '[' && isCompact(m.val)
	case kindNull:
		ok = false
	case kindObject:
	}
	if !ok {
		return "a value is malformed"
	}
	return ""
}

// checkString checks a stored string. The scanner wants its closing quotation
// mark, which stands in for anything that follows.
func (m *member) checkString() bool {
	var buf [256]byte
	t, ok := scanString(append(append(buf[:0], m.val...), '"'), 0)
	return ok && t.end == len(m.val) && t.length <= maxString && t.kind() == m.kind
}

// isCompact reports whether valid JSON text has neither white space between
// its tokens nor a null.
func isCompact(b []byte) bool {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case ' ', '\n', '\r', '\t', 'n':
			return false
		case '"':
			t, _ := scanString(b, i+1)
			i = t.end
		}
	}
	return true
}
