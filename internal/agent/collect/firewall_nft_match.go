//go:build linux

package collect

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// nftRegister returns the place of a register (NFTA_…REG), -1 if it is none or
// that of the verdict. Four are of 16 bytes, sixteen of 4; they overlap.
func nftRegister(b []byte) int {
	if len(b) < 4 {
		return -1
	}
	switch r := wordAttribute(b); {
	case r >= unix.NFT_REG_1 && r <= unix.NFT_REG_4:
		return int(r-unix.NFT_REG_1) * 4
	case r >= unix.NFT_REG32_00 && r <= unix.NFT_REG32_15:
		return int(r - unix.NFT_REG32_00)
	default:
		return -1
	}
}

// set puts what is loaded into a register.
func (d *nftRule) set(r int, l *nftLoad) {
	d.flushOne(r)
	d.registers[r] = l
}

// load takes an expression in that reads something of a packet into a
// register. Those without a register to read into write something instead,
// which restricts nothing.
func (d *nftRule) load(name string, a [16][]byte) {
	dreg := a[1] // NFTA_…_DREG, but of these:
	if name == "hash" || name == "socket" || name == "tunnel" {
		dreg = a[2]
	}
	r := nftRegister(dreg)
	if r < 0 {
		d.statement = "set " + name
		return
	}
	switch name {
	case "meta":
		d.set(r, metaLoad(wordAttribute(a[unix.NFTA_META_KEY])))
	case "payload":
		d.set(r, d.payloadLoad(wordAttribute(a[unix.NFTA_PAYLOAD_BASE]), wordAttribute(a[unix.NFTA_PAYLOAD_OFFSET]), wordAttribute(a[unix.NFTA_PAYLOAD_LEN])))
	case "ct":
		switch key := wordAttribute(a[unix.NFTA_CT_KEY]); key {
		case unix.NFT_CT_STATE:
			d.set(r, &nftLoad{field: fwState, size: 4, whole: 4})
		default:
			d.set(r, &nftLoad{label: fmt.Sprintf("ct %d", key)})
		}
	case "fib":
		label, flags := "fib", wordAttribute(a[unix.NFTA_FIB_FLAGS])
		if flags&unix.NFTA_FIB_F_SADDR != 0 {
			label += " saddr"
		}
		if flags&unix.NFTA_FIB_F_DADDR != 0 {
			label += " daddr"
		}
		if wordAttribute(a[unix.NFTA_FIB_RESULT]) == unix.NFT_FIB_RESULT_ADDRTYPE {
			label += " type"
		}
		d.set(r, &nftLoad{label: label, number: true})
	default:
		d.set(r, &nftLoad{label: name})
	}
}

func metaLoad(key uint32) *nftLoad {
	switch key {
	case unix.NFT_META_L4PROTO:
		return &nftLoad{field: fwProtocol, size: 1, whole: 1}
	case unix.NFT_META_NFPROTO:
		return &nftLoad{field: fwFamily, size: 1, whole: 1}
	case unix.NFT_META_PROTOCOL:
		return &nftLoad{label: "ethertype", size: 2, whole: 2}
	case unix.NFT_META_IIF:
		return &nftLoad{field: fwInIndex, size: 4, whole: 4}
	case unix.NFT_META_OIF:
		return &nftLoad{field: fwOutIndex, size: 4, whole: 4}
	case unix.NFT_META_IIFNAME:
		return &nftLoad{field: fwInInterface, size: unix.IFNAMSIZ, whole: unix.IFNAMSIZ}
	case unix.NFT_META_OIFNAME:
		return &nftLoad{field: fwOutInterface, size: unix.IFNAMSIZ, whole: unix.IFNAMSIZ}
	}
	names := map[uint32]string{
		unix.NFT_META_LEN: "length", unix.NFT_META_MARK: "mark", unix.NFT_META_SKUID: "socket user", unix.NFT_META_SKGID: "socket group",
		unix.NFT_META_PKTTYPE: "packet type", unix.NFT_META_CGROUP: "cgroup", unix.NFT_META_IIFTYPE: "in interface type", unix.NFT_META_OIFTYPE: "out interface type",
	}
	if n := names[key]; n != "" {
		return &nftLoad{label: n, number: true}
	}
	return &nftLoad{label: fmt.Sprintf("meta %d", key)}
}

// payloadLoad returns the field that begins at a place of a packet. Loads of
// several fields, one after the other, are taken apart.
func (d *nftRule) payloadLoad(base, offset, size uint32) *nftLoad {
	f, label, whole := d.fieldAt(base, offset)
	if size > 64 {
		size = 64 // the kernel's own bound
	}
	l := &nftLoad{field: f, label: label, size: int(size), whole: whole}
	if whole > 0 && l.size > whole {
		l.size = whole
		l.next = d.payloadLoad(base, offset+uint32(whole), size-uint32(whole))
	}
	return l
}

// fieldAt returns the field at an offset of a header and its length; 0 if it
// is not known, since it depends on the protocol.
func (d *nftRule) fieldAt(base, offset uint32) (f fwField, label string, size int) {
	network := map[uint32]fwField{12: fwSource, 16: fwDestination, 9: fwProtocol}
	length := 4
	if d.version == unix.NFPROTO_IPV6 {
		network, length = map[uint32]fwField{8: fwSource, 24: fwDestination, 6: fwProtocol}, 16
	}
	protocols := strings.Split(d.rule.fields[fwProtocol], ",")
	all := func(names ...string) bool {
		for _, p := range protocols {
			if !slices.Contains(names, p) {
				return false
			}
		}
		return true
	}
	switch {
	case base == unix.NFT_PAYLOAD_NETWORK_HEADER && d.version != 0:
		if f = network[offset]; f == fwProtocol {
			return f, "", 1
		} else if f != fwOther {
			return f, "", length
		}
	case base != unix.NFT_PAYLOAD_TRANSPORT_HEADER:
	case offset == 0 && all("tcp", "udp", "sctp", "dccp", "udplite"):
		return fwSourcePort, "", 2
	case offset == 2 && all("tcp", "udp", "sctp", "dccp", "udplite"):
		return fwDestinationPort, "", 2
	case offset == 13 && all("tcp"):
		return fwTCPFlags, "", 1
	case offset == 0 && all("icmp", "icmpv6"):
		return fwICMPType, "", 1
	case offset == 1 && all("icmp", "icmpv6"):
		return fwICMPCode, "", 1
	}
	header := "header"
	switch base {
	case unix.NFT_PAYLOAD_LL_HEADER:
		header = "link header"
	case unix.NFT_PAYLOAD_NETWORK_HEADER:
		header = "network header"
	case unix.NFT_PAYLOAD_TRANSPORT_HEADER:
		header = "transport header"
	}
	return fwOther, fmt.Sprintf("%s+%d", header, offset), 0
}

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
