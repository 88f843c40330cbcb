package doc

import (
	"math"
	"slices"
)

// Merge applies p to s (wire §2.4): objects merge member by member, a null
// deletes, anything else replaces. Every member that p names and that is there
// afterwards, and the section itself, bear the stamp of st and the new
// version, which is one above that of s, even when p changes nothing. A stamp
// is never older than that of s.
//
// A result over the size limit of part is refused with InvalidArgument; bytes
// of s that are no section are an error of code Corrupt. s stays as it is.
func (s Section) Merge(p *Patch, part Part, st Stamp) (Section, error) {
	return s.change(p, part, st, false)
}

// Replace puts the members of p in the place of all members of s, and stamps
// them; a nil p clears the section. Nulls of p create nothing. For the rest it
// is like [Section.Merge].
func (s Section) Replace(p *Patch, part Part, st Stamp) (Section, error) {
	return s.change(p, part, st, true)
}

func (s Section) change(p *Patch, part Part, st Stamp, replace bool) (Section, error) {
	h, ok := s.header()
	if !ok || h.version == math.MaxInt64 {
		return nil, corrupt("its head is malformed")
	}
	var rowBuf [24]row
	var actorBuf [8][]byte
	var seenBuf [4]uint64
	m := merger{size: h.size, rows: rowBuf[:0], seen: seenBuf[:]}
	actors := actorBuf[:0]
	old := h.members
	if replace {
		old, m.size = nil, 0
	} else if actors, m.rows, ok = h.stamps(actors, m.rows); !ok {
		return nil, corrupt("its table of stamps is malformed")
	}
	ticks, version := max(ticksOf(st.Time), h.ticks), h.version+1
	m.rows, m.now = place(m.rows, row{ticks: ticks, version: version, actor: lastActor})

	// The head can only be written once the members are, so room is left for
	// it, and it is put right before them.
	room := len(s) - len(h.members) + len(st.Actor) + 4*len(m.rows) + 32
	dst := make([]byte, room, room+len(old)+p.room())
	if p != nil && len(p.nodes) > 0 {
		m.p = p
		if n := (len(p.nodes) + 63) / 64; n > len(m.seen) {
			m.seen = make([]uint64, n)
		}
		dst, ok = m.merge(dst, old, 0)
	} else {
		dst = append(dst, old...)
	}
	if !ok || m.size < 0 {
		return nil, corrupt("its members are malformed")
	}
	if limit := part.maxSize(); m.size > limit {
		return nil, refuse(part.String(), "Twin properties size %d exceeds maximum %d", m.size, limit)
	}

	var headBuf [384]byte
	head := append(headBuf[:0], format)
	head = appendUvarint(head, uint64(version))
	head = appendUvarint(head, uint64(m.size))
	head = appendUvarint(head, uint64(ticks))
	at := len(head)
	table := appendStamps(head, m.rows, actors, st.Actor, ticks, version)
	var pad [5]byte
	head = append(table, pad[:uvarintLen(uint64(len(table)-at))]...) //nolint:gocritic // the table was appended to head
	copy(head[len(head)-(len(table)-at):], head[at:len(table)])
	appendUvarint(head[:at], uint64(len(table)-at))

	size := len(head) + len(dst) - room
	if size > maxStored {
		return nil, refuse(part.String(), "Twin properties take %d bytes to store, which exceeds maximum %d", size, maxStored)
	}
	if len(head) > room || cap(dst)-size > size/4+64 {
		return append(append(make([]byte, 0, size), head...), dst[room:]...), nil
	}
	copy(dst[room-len(head):], head)
	return slices.Clip(dst[room-len(head):]), nil
}

// room estimates how many bytes the members of p take in a section.
func (p *Patch) room() int {
	if p == nil {
		return 0
	}
	return len(p.body) + len(p.nodes)
}

// merger is the state of one change of a section.
type merger struct {
	p    *Patch
	size int
	rows []row
	// now is the place of this change's stamp among the rows.
	now uint32
	// seen has a bit for each node of the patch that met a member.
	seen []uint64
}

// place puts a stamp into a free place of the table and returns where.
func place(rows []row, r row) ([]row, uint32) {
	for i := range rows {
		if rows[i].count == 0 {
			rows[i] = r
			return rows, uint32(i)
		}
	}
	return append(rows, r), uint32(len(rows))
}

// unbear takes a member from the bearers of its stamp.
func (m *merger) unbear(stamp uint32) bool {
	if int(stamp) >= len(m.rows) || stamp == m.now || m.rows[stamp].count == 0 {
		return false
	}
	m.rows[stamp].count--
	return true
}

// met reports whether a node of the patch has met a member already.
func (m *merger) met(at uint32) bool { return m.seen[at>>6]&(1<<(at&63)) != 0 }

// merge appends to dst the members of old after the patch's object has been
// applied to them; false means that old is malformed.
func (m *merger) merge(dst, old []byte, object uint32) ([]byte, bool) {
	p := m.p
	end := p.nodes[object].end
	var mask uint64
	left := 0
	if len(old) > 0 {
		for i := object + 1; i < end; i = p.nodes[i].end {
			mask |= keyBit(p.key(&p.nodes[i]))
			left++
		}
	}
	// Clients tend to send members in the order in which they sent them
	// before: the one after the last that was met is tried first.
	likely := object + 1
	all := left
	run := 0
	var e member
	for i := 0; i < len(old) && left > 0; {
		next := e.read(old, i)
		if next < 0 {
			return dst, false
		}
		var at uint32
		if mask&keyBit(e.key) != 0 {
			if likely < end && string(p.key(&p.nodes[likely])) == string(e.key) {
				at = likely
			} else {
				at = p.find(object, e.key)
			}
		}
		if at == 0 {
			i = next
			continue
		}
		dst = append(dst, old[run:i]...)
		i, run = next, next
		left--
		likely = p.nodes[at].end
		if m.met(at) {
			return dst, false
		}
		m.seen[at>>6] |= 1 << (at & 63)
		var ok bool
		if dst, ok = m.member(dst, &e, at); !ok {
			return dst, false
		}
	}
	dst = append(dst, old[run:]...)
	if all > 0 && left == 0 {
		return dst, true
	}
	for i := object + 1; i < end; i = p.nodes[i].end {
		if !m.met(i) {
			dst = m.put(dst, i)
		}
	}
	return dst, true
}

// member applies a node of the patch to the member that it names.
func (m *merger) member(dst []byte, e *member, at uint32) ([]byte, bool) {
	n := &m.p.nodes[at]
	if n.kind != kindObject || e.kind != kindObject {
		ok := m.drop(e, 0)
		return m.put(dst, at), ok
	}
	if !m.unbear(e.stamp) {
		return dst, false
	}
	m.rows[m.now].count++
	guess := uvarintLen(uint64(len(e.val)) << 3)
	dst = appendMember(dst, e.key, e.quoted, m.now, kindObject, len(e.val))
	start := len(dst)
	dst, ok := m.merge(dst, e.val, at)
	return closeObject(dst, start, guess), ok
}

// put appends a node of the patch as a new member, without its nulls.
func (m *merger) put(dst []byte, at uint32) []byte {
	p := m.p
	n := &p.nodes[at]
	if n.kind == kindNull {
		return dst
	}
	m.rows[m.now].count++
	m.size += int(n.keyLen)
	if n.kind != kindObject {
		m.size += int(n.size)
		val := p.val(n)
		dst = appendMember(dst, p.key(n), n.flags&keyQuoted != 0, m.now, n.kind, len(val))
		return append(dst, val...)
	}
	dst = appendMember(dst, p.key(n), n.flags&keyQuoted != 0, m.now, kindObject, 0)
	start := len(dst)
	for i := at + 1; i < n.end; i = p.nodes[i].end {
		dst = m.put(dst, i)
	}
	return closeObject(dst, start, 1)
}

// drop takes a member with all below it out of the size and the stamps.
func (m *merger) drop(e *member, depth int) bool {
	if !m.unbear(e.stamp) {
		return false
	}
	m.size -= len(e.key)
	if e.kind != kindObject {
		m.size -= sizeOf(e.kind, e.val)
		return true
	}
	if depth > maxDepth {
		return false
	}
	var c member
	for i := 0; i < len(e.val); {
		if i = c.read(e.val, i); i < 0 || !m.drop(&c, depth+1) {
			return false
		}
	}
	return true
}

// sizeOf is what a stored leaf counts to the size limit (wire §2.5).
func sizeOf(k kind, val []byte) int {
	switch k {
	case kindFalse, kindTrue:
		return 4
	case kindNumber:
		return 8
	case kindText:
		return len(val)
	case kindEscaped:
		return sizeOfEscaped(val)
	case kindArray:
		return sizeOfArray(val)
	case kindObject, kindNull:
	}
	return 0
}
