//go:build linux

package collect

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// match takes a match of iptables in (linux/netfilter/xt_*.h): name, revision
// and the structure that the kernel keeps, in the machine's byte order. What is
// not understood is a condition.
func (r *fwRule) match(name string, revision uint8, b []byte) {
	understood := false
	switch {
	case name == "comment":
		r.comment, understood = textAttribute(b), true
	case name == "tcp" && len(b) >= 12:
		r.matchTCP(b)
		understood = true
	case name == "udp" && len(b) >= 9:
		r.ports(fwSourcePort, b, b[8]&1 != 0)
		r.ports(fwDestinationPort, b[4:], b[8]&2 != 0)
		understood = true
	case (name == "icmp" || name == "icmp6") && len(b) >= 4:
		r.matchICMP(b, name == "icmp")
		understood = true
	case name == "multiport" && revision == 1 && len(b) >= 48:
		understood = r.matchMultiport(b)
	case name == "state" && len(b) >= 4:
		r.restrict(fwState, stateNames(binary.NativeEndian.Uint32(b), 64), false)
		understood = true
	case name == "conntrack" && revision >= 1 && revision <= 3 && len(b) >= 152:
		understood = r.matchConntrack(b, revision)
	case name == "limit" && len(b) >= 8:
		r.condition("limit " + xtRate(binary.NativeEndian.Uint32(b)))
		understood = true
	case name == "addrtype" && revision == 1 && len(b) >= 8:
		r.matchAddressType(b)
		understood = true
	}
	if !understood {
		r.condition("match " + name)
	}
}

// ports reads two ports, the first and the last of a span.
func (r *fwRule) ports(f fwField, b []byte, not bool) {
	first, last := binary.NativeEndian.Uint16(b), binary.NativeEndian.Uint16(b[2:])
	if text := portsText(first, last); text != "" {
		r.restrict(f, text, not)
	} else if not {
		r.condition("no " + fwFieldNames[f])
	}
}

// matchTCP reads a struct xt_tcp.
func (r *fwRule) matchTCP(b []byte) {
	option, mask, flags, invert := b[8], b[9], b[10], b[11]
	r.ports(fwSourcePort, b, invert&1 != 0)
	r.ports(fwDestinationPort, b[4:], invert&2 != 0)
	if mask != 0 || invert&4 != 0 {
		not := ""
		if invert&4 != 0 {
			not = "not "
		}
		r.condition(fmt.Sprintf("tcp flags %s%#x/%#x", not, flags, mask))
	}
	if option != 0 || invert&8 != 0 {
		r.condition(fmt.Sprintf("tcp option %d", option))
	}
}

// matchICMP reads a struct ipt_icmp or ip6t_icmp; type 255 of the first is any.
func (r *fwRule) matchICMP(b []byte, v4 bool) {
	kind, low, high, invert := b[0], b[1], b[2], b[3]&1 != 0
	if v4 && kind == 255 && !invert {
		return
	}
	text := strconv.Itoa(int(kind))
	if low != 0 || high != 255 {
		text += fmt.Sprintf(" code %d-%d", low, high)
	}
	r.restrict(fwICMPType, text, invert)
}

// matchMultiport reads a struct xt_multiport_v1.
func (r *fwRule) matchMultiport(b []byte) bool {
	flags, count, invert := b[0], int(b[1]), b[47] != 0
	if count > 15 {
		return false
	}
	var list []string
	for i := 0; i < count; i++ {
		text := strconv.Itoa(int(binary.NativeEndian.Uint16(b[2+2*i:])))
		if b[32+i] != 0 && i+1 < count { // the first of a span
			i++
			text += "-" + strconv.Itoa(int(binary.NativeEndian.Uint16(b[2+2*i:])))
		}
		list = append(list, text)
	}
	text := strings.Join(list, ",")
	switch flags {
	case 0:
		r.restrict(fwSourcePort, text, invert)
	case 1:
		r.restrict(fwDestinationPort, text, invert)
	case 2:
		r.condition(map[bool]string{false: "a port is ", true: "no port is "}[invert] + text)
	default:
		return false
	}
	return true
}

// matchConntrack reads a struct xt_conntrack_mtinfo1, 2 or 3 that asks for
// states and nothing else.
func (r *fwRule) matchConntrack(b []byte, revision uint8) bool {
	const stateFlag, untracked = 1, 256
	flags, inverted, states := binary.NativeEndian.Uint16(b[146:]), binary.NativeEndian.Uint16(b[148:]), binary.NativeEndian.Uint16(b[150:])
	if revision == 1 { // one byte
		states = uint16(b[150])
	}
	if flags != stateFlag || inverted&^stateFlag != 0 {
		return false
	}
	r.restrict(fwState, stateNames(uint32(states), untracked), inverted != 0)
	return true
}

// xtRate returns the rate of a struct xt_rateinfo, which has the time for one
// packet in units of 1/10000 s.
func xtRate(avg uint32) string {
	const scale = 10000
	if avg == 0 {
		return "0"
	}
	for _, seconds := range []uint64{1, 60, 3600, 86400} {
		if n := seconds * scale / uint64(avg); n > 0 {
			return rateText(n, seconds)
		}
	}
	return rateText(1, uint64(avg)/scale)
}

// matchAddressType reads a struct xt_addrtype_info_v1.
func (r *fwRule) matchAddressType(b []byte) {
	source, destination, flags := binary.NativeEndian.Uint16(b), binary.NativeEndian.Uint16(b[2:]), binary.NativeEndian.Uint32(b[4:])
	for _, t := range []struct {
		name   string
		mask   uint16
		invert bool
	}{{"source", source, flags&1 != 0}, {"destination", destination, flags&2 != 0}} {
		if t.mask == 0 {
			continue
		}
		var names []string
		for i, n := range []string{"unspecified", "unicast", "local", "broadcast", "anycast", "multicast"} {
			if t.mask&(1<<i) != 0 {
				names = append(names, n)
			}
		}
		if rest := t.mask >> 6; rest != 0 {
			names = append(names, fmt.Sprintf("%#x", rest<<6))
		}
		not := ""
		if t.invert {
			not = "not "
		}
		r.condition(t.name + " type " + not + strings.Join(names, ","))
	}
	if flags&^3 != 0 {
		r.condition("address type of the interface")
	}
}

// xtVerdict sets what a standard target does. jump names the chain that begins
// at an offset.
func (r *fwRule) xtVerdict(code int32, goesTo bool, jump func(offset int32) (string, bool)) {
	r.action = "Other"
	switch {
	case code == -nfAccept-1:
		r.action = "Allow"
	case code == -nfDrop-1:
		r.action = "Deny"
	case code == -nfQueue-1:
		r.target = "queue"
	case code == -5: // XT_RETURN
		r.target = "return"
	case code < 0:
		r.target = fmt.Sprintf("verdict %d", code)
	default:
		name, ok := jump(code)
		if r.target, r.goesTo = name, goesTo; !ok {
			r.target, r.goesTo = "continue", false
		}
	}
}

// xtInterface returns the name of an interface with its mask: names of which
// not all counts end in "+" in iptables, here in "*".
func xtInterface(name, mask []byte) string {
	n := 0
	for n < unix.IFNAMSIZ && mask[n] == 0xff {
		n++
	}
	switch {
	case n == 0:
		return ""
	case n < unix.IFNAMSIZ && name[n-1] != 0:
		return string(name[:n]) + "*"
	default:
		return textAttribute(name)
	}
}
