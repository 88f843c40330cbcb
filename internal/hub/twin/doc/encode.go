package doc

import (
	"slices"
	"strconv"
	"unicode/utf8"
)

// Form says what [Section.AppendJSON] writes besides the members.
type Form struct {
	// Metadata adds "$metadata", which mirrors the section with a
	// "$lastUpdated" at every level (wire §2.2).
	Metadata bool
	// UpdatedVersion adds "$lastUpdatedVersion" to each "$lastUpdated", and
	// "$lastUpdatedBy" with "$lastUpdatedByDigest" to that of a value which an
	// automatic configuration has set; the service does so for desired properties.
	UpdatedVersion bool
	// Actors adds "$actor" to each "$lastUpdated", an extension of ours.
	Actors bool
	// Version adds "$version".
	Version bool
}

// AppendJSON appends s as a JSON object: its members, then "$metadata", then
// "$version", as f says. It allocates nothing but what dst grows, as long as
// there are no more than 24 different stamps. On bytes that are no section it
// appends nothing.
func (s Section) AppendJSON(dst []byte, f Form) []byte {
	h, ok := s.header()
	if !ok {
		return dst
	}
	dst = slices.Grow(dst, f.room(&h))
	start := len(dst)
	dst = append(dst, '{')
	if dst, ok = appendMembers(dst, h.members, 0); !ok {
		return dst[:start]
	}
	if f.Metadata {
		dst = appendComma(dst)
		dst = append(dst, `"$metadata":`...)
		if dst, ok = appendMetadata(dst, &h, f); !ok {
			return dst[:start]
		}
	}
	if f.Version {
		dst = appendComma(dst)
		dst = append(dst, `"$version":`...)
		dst = strconv.AppendInt(dst, h.version, 10)
	}
	return append(dst, '}')
}

// room estimates what the JSON of a section takes.
func (f Form) room(h *header) int {
	n := len(h.members) + len(h.members)/2 + 32
	if f.Metadata {
		n += 4 * len(h.members)
	}
	return n
}

// appendComma appends a comma unless an object was just opened.
func appendComma(dst []byte) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return dst
}

// appendMembers appends stored members as JSON, without the braces; false
// means that they are malformed.
func appendMembers(dst, b []byte, depth int) ([]byte, bool) {
	if depth > maxDepth {
		return dst, false
	}
	var m member
	for i := 0; i < len(b); {
		if i > 0 {
			dst = append(dst, ',')
		}
		if i = m.read(b, i); i < 0 {
			return dst, false
		}
		dst = appendKey(dst, m.key, m.quoted)
		if m.kind != kindObject {
			dst = appendLeaf(dst, m.kind, m.val)
			continue
		}
		dst = append(dst, '{')
		var ok bool
		if dst, ok = appendMembers(dst, m.val, depth+1); !ok {
			return dst, false
		}
		dst = append(dst, '}')
	}
	return dst, true
}

// appendKey appends a key, quoted, and the colon.
func appendKey(dst, key []byte, quoted bool) []byte {
	dst = append(dst, '"')
	if quoted {
		for _, c := range key {
			if c == '"' || c == '\\' {
				dst = append(dst, '\\')
			}
			dst = append(dst, c)
		}
	} else {
		dst = append(dst, key...)
	}
	return append(dst, '"', ':')
}

func appendLeaf(dst []byte, k kind, val []byte) []byte {
	switch k {
	case kindFalse:
		return append(dst, "false"...)
	case kindTrue:
		return append(dst, "true"...)
	case kindText, kindEscaped:
		dst = append(dst, '"')
		dst = append(dst, val...)
		return append(dst, '"')
	case kindNull:
		return append(dst, "null"...)
	case kindNumber, kindArray, kindObject:
	}
	return append(dst, val...)
}

// metadata is the state of writing $metadata.
type metadata struct {
	f      Form
	rows   []row
	actors [][]byte
}

// appendMetadata appends the $metadata object of a section.
func appendMetadata(dst []byte, h *header, f Form) ([]byte, bool) {
	var rowBuf [24]row
	var actorBuf [8][]byte
	actors, rows, ok := h.stamps(actorBuf[:0], rowBuf[:0])
	if !ok {
		return dst, false
	}
	m := metadata{f: f, rows: rows, actors: actors}
	root := row{ticks: h.ticks, version: h.version}
	if h.ticks == 0 {
		m.f.UpdatedVersion = false // never written (wire §2.2)
	}
	dst = append(dst, '{')
	dst = m.appendStamp(dst, &root)
	m.f.UpdatedVersion = f.UpdatedVersion
	if dst, ok = m.appendMembers(dst, h.members, 0); !ok {
		return dst, false
	}
	return append(dst, '}'), true
}

func (m *metadata) appendMembers(dst, b []byte, depth int) ([]byte, bool) {
	if depth > maxDepth {
		return dst, false
	}
	var e member
	for i := 0; i < len(b); {
		if i = e.read(b, i); i < 0 || int(e.stamp) >= len(m.rows) {
			return dst, false
		}
		dst = append(dst, ',')
		dst = appendKey(dst, e.key, e.quoted)
		dst = append(dst, '{')
		dst = m.appendStamp(dst, &m.rows[e.stamp])
		if e.kind == kindObject {
			var ok bool
			if dst, ok = m.appendMembers(dst, e.val, depth+1); !ok {
				return dst, false
			}
		} else if m.f.UpdatedVersion {
			dst = m.appendConfiguration(dst, &m.rows[e.stamp])
		}
		dst = append(dst, '}')
	}
	return dst, true
}

// appendConfiguration appends which automatic configuration a stamp is of, if
// it is of one (wire §2.2).
func (m *metadata) appendConfiguration(dst []byte, r *row) []byte {
	if int(r.actor) >= len(m.actors) {
		return dst
	}
	id, digest, ok := ConfigurationOf(m.actors[r.actor])
	if !ok {
		return dst
	}
	dst = appendString(append(dst, `,"$lastUpdatedBy":`...), id)
	return appendString(append(dst, `,"$lastUpdatedByDigest":`...), digest)
}

// appendStamp appends the members that a stamp gives to $metadata. The text of
// a stamp that was already written is copied from where it stands in dst.
func (m *metadata) appendStamp(dst []byte, r *row) []byte {
	if r.n > 0 {
		return append(dst, dst[r.at:r.at+r.n]...)
	}
	r.at = len(dst)
	dst = append(dst, `"$lastUpdated":"`...)
	dst = appendTime(dst, r.ticks)
	dst = append(dst, '"')
	if m.f.UpdatedVersion {
		dst = append(dst, `,"$lastUpdatedVersion":`...)
		dst = strconv.AppendInt(dst, r.version, 10)
	}
	if m.f.Actors && int(r.actor) < len(m.actors) && len(m.actors[r.actor]) > 0 {
		dst = append(dst, `,"$actor":`...)
		dst = appendString(dst, m.actors[r.actor])
	}
	r.n = len(dst) - r.at
	return dst
}

// appendString appends s as a JSON string; what is not UTF-8 in it becomes the
// replacement character.
func appendString(dst, s []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case plain[c]:
			dst = append(dst, c)
			i++
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
			i++
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			i++
		default:
			r, n := utf8.DecodeRune(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
		}
	}
	return append(dst, '"')
}
