//go:build linux

package collect

import (
	"fmt"
	"slices"
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
