//go:build linux

package collect

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// lookup takes in that what is loaded is in a set, or not; or that a map says
// what becomes of the packet.
func (d *nftRule) lookup(a [16][]byte) {
	name := textAttribute(a[unix.NFTA_LOOKUP_SET])
	set := d.sets[nftName{d.chain.name.family, d.chain.name.table, name}]
	if strings.HasPrefix(name, "__") {
		name = "" // nft's own name for a set without one
	}
	verdicts := a[unix.NFTA_LOOKUP_DREG] != nil && wordAttribute(a[unix.NFTA_LOOKUP_DREG]) == unix.NFT_REG_VERDICT
	if r := nftRegister(a[unix.NFTA_LOOKUP_DREG]); r >= 0 {
		d.rule.condition(strings.TrimSpace("map " + name + " has it"))
		d.set(r, &nftLoad{label: "value of map", unreadable: true})
		return
	}
	sreg := nftRegister(a[unix.NFTA_LOOKUP_SREG])
	if set == nil || sreg < 0 {
		d.rule.condition(strings.TrimSpace("set " + name))
		return
	}
	inverted := wordAttribute(a[unix.NFTA_LOOKUP_FLAGS])&unix.NFT_LOOKUP_F_INV != 0
	if !verdicts {
		d.member(d.rule, sreg, set, set.elements, inverted)
		return
	}
	d.flush()
	more := set.more
	for i, e := range set.elements {
		if i == maxSetTold {
			more += len(set.elements) - i
			break
		}
		r := d.rule.clone()
		d.member(r, sreg, set, set.elements[i:i+1], false)
		d.out = append(d.out, d.verdict(r, e.verdict))
	}
	if more > 0 && len(d.out) > 0 {
		last := d.out[len(d.out)-1]
		last.more = append(last.more, fmt.Sprintf("…and %d more of map %s", more, name))
	}
}

// part is one field of a key, and where it is in the key.
type part struct {
	load       *nftLoad
	begin, end int
}

// parts returns the fields that a key of a size is made of, each at a multiple
// of 4 bytes; nil if one of them is not understood.
func (d *nftRule) parts(r, size int) []part {
	var list []part
	for at := 0; at < size; {
		if r >= len(d.registers) {
			return nil
		}
		l := d.registers[r]
		if l == nil || l.unreadable || l.next != nil || l.mask != nil || l.field == fwOther || l.size != l.whole || at+l.size > size {
			return nil
		}
		list = append(list, part{l, at, at + l.size})
		words := (l.size + 3) / 4
		at += words * 4
		r += words
	}
	return list
}

// member adds to a rule that what is loaded at a register is one of elements,
// or none of them.
func (d *nftRule) member(r *fwRule, sreg int, set *nftSet, elements []nftElement, not bool) {
	if len(elements) == 0 {
		if !not {
			r.condition("in a set that is empty")
		}
		return
	}
	if slices.ContainsFunc(elements, func(e nftElement) bool { return e.limited }) {
		r.condition("within the limit of the set's element")
	}
	if slices.ContainsFunc(elements, func(e nftElement) bool { return e.any }) {
		if not {
			r.condition("in a set that is empty")
		}
		return // everything is in it
	}
	parts := d.parts(sreg, len(elements[0].from))
	if parts == nil {
		name := "register"
		if l := d.registers[sreg]; l != nil {
			name = l.name()
		}
		r.condition(fmt.Sprintf("%s in a set of %d", name, len(elements)))
		return
	}
	if len(elements) == 1 && !not {
		for _, p := range parts {
			d.restrictTo(r, p.load.field, d.elementText(p, elements[0]))
		}
		return
	}
	texts, names := make([]string, 0, min(len(elements), maxSetTold)), make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.load.name()
	}
	more := set.more
	for i, e := range elements {
		if i == maxSetTold {
			more += len(elements) - i
			break
		}
		words := make([]string, len(parts))
		for j, p := range parts {
			words[j] = d.elementText(p, e)
		}
		texts = append(texts, strings.Join(words, " . "))
	}
	if more > 0 {
		r.more = append(r.more, fmt.Sprintf("…and %d more of %s", more, strings.Join(names, " . ")))
	}
	list := strings.Join(texts, ",")
	if len(parts) == 1 && !not {
		d.restrictTo(r, parts[0].load.field, list)
		return
	}
	word := " in {"
	if not {
		word = " not in {"
	}
	r.condition(strings.Join(names, " . ") + word + list + "}")
}

// restrictTo is restrict, but for all of a field, which is no restriction.
func (d *nftRule) restrictTo(r *fwRule, f fwField, text string) {
	if text == "" || text == "0.0.0.0/0" || text == "::/0" {
		return
	}
	r.restrict(f, text, false)
}

// elementText returns one field of an element.
func (d *nftRule) elementText(p part, e nftElement) string {
	if p.end > len(e.from) || p.end > len(e.to) {
		return "?"
	}
	first, last := e.from[p.begin:p.end], e.to[p.begin:p.end]
	return spanText(p.load.field, first, last, d.link)
}
