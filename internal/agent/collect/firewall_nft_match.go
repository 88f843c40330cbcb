//go:build linux

package collect

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// bitwise takes an operation on a register in; masks are understood.
func (d *nftRule) bitwise(a [16][]byte) {
	l := d.move(a[unix.NFTA_BITWISE_SREG], a[unix.NFTA_BITWISE_DREG])
	if l == nil {
		return
	}
	mask, xor := attributeList(a[unix.NFTA_BITWISE_MASK])[unix.NFTA_DATA_VALUE], attributeList(a[unix.NFTA_BITWISE_XOR])[unix.NFTA_DATA_VALUE]
	op := a[6] // NFTA_BITWISE_OP
	if wordAttribute(op) != unix.NFT_BITWISE_BOOL || mask == nil || l.mask != nil || l.next != nil || len(bytes.Trim(xor, "\x00")) > 0 {
		l.unreadable = true
		return
	}
	l.mask = mask
}

// move copies what a register holds to another.
func (d *nftRule) move(sreg, dreg []byte) *nftLoad {
	from, to := nftRegister(sreg), nftRegister(dreg)
	if from < 0 || to < 0 {
		return nil
	}
	l := &nftLoad{label: "register", unreadable: true}
	if d.registers[from] != nil {
		c := *d.registers[from]
		l = &c
	}
	d.registers[to] = l
	return l
}

// compare takes a comparison in.
func (d *nftRule) compare(a [16][]byte) {
	r := nftRegister(a[unix.NFTA_CMP_SREG])
	if r < 0 {
		d.rule.condition("a comparison")
		return
	}
	l := d.registers[r]
	if l == nil {
		l = &nftLoad{label: "register", unreadable: true}
	}
	data := attributeList(a[unix.NFTA_CMP_DATA])[unix.NFTA_DATA_VALUE]
	op := wordAttribute(a[unix.NFTA_CMP_OP])
	switch {
	case op == unix.NFT_CMP_GTE && l.plain():
		d.flushOne(r)
		l.from = data
		d.registers[r] = l
	case op == unix.NFT_CMP_LTE && l.plain() && len(l.from) == len(data) && len(data) == l.whole:
		d.rule.between(l, l.from, data, false, d.link)
		l.from = nil
	case op == unix.NFT_CMP_EQ && l.next != nil && l.mask == nil && !l.unreadable:
		for ; l != nil && len(data) > 0; l = l.next {
			one, n := *l, min(l.size, len(data))
			one.next = nil
			d.equal(&one, data[:n], false)
			data = data[n:]
		}
	case op == unix.NFT_CMP_EQ || op == unix.NFT_CMP_NEQ:
		d.equal(l, data, op == unix.NFT_CMP_NEQ)
	default:
		sign := map[uint32]string{unix.NFT_CMP_LT: "<", unix.NFT_CMP_LTE: "<=", unix.NFT_CMP_GT: ">", unix.NFT_CMP_GTE: ">="}[op]
		d.rule.condition(l.name() + " " + sign + " " + d.value(l, data))
	}
}

// plain reports whether a register holds all of one field as it is in the packet.
func (l *nftLoad) plain() bool {
	return l.mask == nil && l.next == nil && !l.unreadable && l.field != fwOther && l.size == l.whole
}

func (l *nftLoad) name() string {
	if l.field == fwOther {
		return l.label
	}
	return fwFieldNames[l.field]
}

// value returns what a register is compared with, as text.
func (d *nftRule) value(l *nftLoad, data []byte) string {
	if l.number && len(data) <= 4 {
		return strconv.FormatUint(nativeNumber(data), 10)
	}
	return valueText(l.field, data, d.link)
}

// equal takes in that what is loaded equals data, or not.
func (d *nftRule) equal(l *nftLoad, data []byte, not bool) {
	address := l.field == fwSource || l.field == fwDestination
	zero := len(bytes.Trim(data, "\x00")) == 0
	switch {
	case l.unreadable || l.next != nil:
		d.rule.condition(l.name() + " is changed and compared")
	case l.label == "ethertype" && len(data) == 2 && !not:
		d.protocolFamily(data)
	case address && l.whole == len(data) && (l.mask == nil || len(l.mask) == len(data)):
		d.restrict(l.field, networkText(data, l.mask), not)
	case address && l.mask == nil && l.size == len(data) && len(data) < l.whole: // the first bytes of an address
		mask := append(bytes.Repeat([]byte{0xff}, l.size), make([]byte, l.whole-l.size)...)
		d.restrict(l.field, networkText(append(slices.Clone(data), make([]byte, l.whole-l.size)...), mask), not)
	case l.field == fwState && len(l.mask) == 4 && zero: // "any of these" is "not none of these"
		d.rule.restrict(fwState, stateNames(uint32(nativeNumber(l.mask)), 64), !not)
	case l.mask != nil:
		not := map[bool]string{true: " is not ", false: " is "}[not]
		d.rule.condition(fmt.Sprintf("%s & 0x%s%s0x%s", l.name(), hex.EncodeToString(l.mask), not, hex.EncodeToString(data)))
	case l.field == fwOther:
		not := map[bool]string{true: " not", false: ""}[not]
		d.rule.condition(l.label + not + " " + d.value(l, data))
	case l.field == fwFamily && len(data) == 1 && !not:
		d.version = data[0]
		d.family()
	case l.whole == len(data) || l.field == fwInInterface || l.field == fwOutInterface:
		d.rule.restrict(l.field, valueText(l.field, data, d.link), not)
	default:
		d.rule.condition(l.name() + " in part")
	}
}

// restrict is that of the rule; every address is no restriction.
func (d *nftRule) restrict(f fwField, text string, not bool) {
	if text != "" || not {
		d.rule.restrict(f, text, not)
	}
}

// family notes that the rule is for one version of IP, if its chain is for both.
func (d *nftRule) family() {
	if d.chain.name.family == d.version {
		return
	}
	switch d.version {
	case unix.NFPROTO_IPV4:
		d.rule.family = "IPv4"
	case unix.NFPROTO_IPV6:
		d.rule.family = "IPv6"
	default:
		d.rule.condition(fmt.Sprintf("family %d", d.version))
	}
}

func (d *nftRule) protocolFamily(ethertype []byte) {
	switch {
	case bytes.Equal(ethertype, []byte{0x08, 0x00}):
		d.version = unix.NFPROTO_IPV4
		d.family()
	case bytes.Equal(ethertype, []byte{0x86, 0xdd}):
		d.version = unix.NFPROTO_IPV6
		d.family()
	default:
		d.rule.condition("ethertype 0x" + hex.EncodeToString(ethertype))
	}
}

// between adds that a field is in a span, or not.
func (r *fwRule) between(l *nftLoad, first, last []byte, not bool, link func(int) string) {
	r.restrict(l.field, spanText(l.field, first, last, link), not)
}

// span takes a range in.
func (d *nftRule) span(a [16][]byte) {
	r := nftRegister(a[unix.NFTA_RANGE_SREG])
	first, last := attributeList(a[unix.NFTA_RANGE_FROM_DATA])[unix.NFTA_DATA_VALUE], attributeList(a[unix.NFTA_RANGE_TO_DATA])[unix.NFTA_DATA_VALUE]
	if r < 0 || d.registers[r] == nil || !d.registers[r].plain() || len(first) != d.registers[r].whole || len(last) != len(first) {
		name := "register"
		if r >= 0 && d.registers[r] != nil {
			name = d.registers[r].name()
		}
		d.rule.condition(name + " is in a range")
		return
	}
	d.rule.between(d.registers[r], first, last, wordAttribute(a[unix.NFTA_RANGE_OP]) == unix.NFT_RANGE_NEQ, d.link)
}

// flush makes conditions of comparisons that began and never ended.
func (d *nftRule) flush() {
	for r := range d.registers {
		d.flushOne(r)
	}
}

func (d *nftRule) flushOne(r int) {
	l := d.registers[r]
	if l == nil || l.from == nil {
		return
	}
	if port := l.field == fwSourcePort || l.field == fwDestinationPort; port && len(l.from) == 2 {
		d.rule.restrict(l.field, spanText(l.field, l.from, []byte{0xff, 0xff}, d.link), false)
	} else {
		d.rule.condition(l.name() + " >= " + d.value(l, l.from))
	}
	l.from = nil
}
