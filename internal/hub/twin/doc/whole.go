package doc

import (
	"slices"
	"strconv"
)

// AppendWhole appends the text of a desired properties notification like
// [Patch.AppendJSON], except that a member which whole names is written as all
// that now, the section after p was merged into it, holds of that object, with
// a null for whatever p deleted in it: some readers take what they get for the
// whole of such an object.
func (p *Patch) AppendWhole(dst []byte, now Section, whole []string) []byte {
	h, ok := now.header()
	if !ok || p.Empty() || !p.names(whole) {
		return p.AppendJSON(dst, h.version)
	}
	dst = append(dst, '{')
	var m member
	for i, end := uint32(1), p.nodes[0].end; i < end; i = p.nodes[i].end {
		n := &p.nodes[i]
		dst = appendComma(dst)
		dst = appendKey(dst, p.key(n), n.flags&keyQuoted != 0)
		switch {
		case n.kind == kindObject && slices.Contains(whole, string(p.key(n))) && m.find(h.members, string(p.key(n))) && m.kind == kindObject:
			dst = p.appendFull(dst, i, m.val)
		case n.kind == kindObject:
			dst = append(p.appendMembers(append(dst, '{'), i), '}')
		default:
			dst = appendLeaf(dst, n.kind, p.val(n))
		}
	}
	dst = append(dst, `,"$version":`...)
	return append(strconv.AppendInt(dst, h.version, 10), '}')
}

// names reports whether p has a member of one of some names.
func (p *Patch) names(list []string) bool {
	return slices.ContainsFunc(list, func(name string) bool { return p.find(0, []byte(name)) != 0 })
}

// appendFull appends the stored members of an object that p was merged into,
// and the nulls of p.
func (p *Patch) appendFull(dst []byte, object uint32, members []byte) []byte {
	dst = append(dst, '{')
	var m member
	for i := 0; i < len(members); {
		if i = m.read(members, i); i < 0 {
			break
		}
		dst = appendKey(appendComma(dst), m.key, m.quoted)
		at := p.find(object, m.key)
		switch {
		case m.kind != kindObject:
			dst = appendLeaf(dst, m.kind, m.val)
		case at != 0 && p.nodes[at].kind == kindObject:
			dst = p.appendFull(dst, at, m.val)
		default:
			start := len(dst)
			var ok bool
			if dst, ok = appendMembers(append(dst, '{'), m.val, 0); !ok {
				dst = append(dst[:start], '{')
			}
			dst = append(dst, '}')
		}
	}
	for i, end := object+1, p.nodes[object].end; i < end; i = p.nodes[i].end {
		if n := &p.nodes[i]; n.kind == kindNull && !m.find(members, string(p.key(n))) {
			dst = append(appendKey(appendComma(dst), p.key(n), n.flags&keyQuoted != 0), "null"...)
		}
	}
	return append(dst, '}')
}
