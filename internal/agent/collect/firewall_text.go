//go:build linux

package collect

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// protocolName returns the name of an IP protocol, or its number.
func protocolName(n uint8) string {
	switch n {
	case unix.IPPROTO_ICMP:
		return "icmp"
	case unix.IPPROTO_IGMP:
		return "igmp"
	case unix.IPPROTO_TCP:
		return "tcp"
	case unix.IPPROTO_UDP:
		return "udp"
	case unix.IPPROTO_DCCP:
		return "dccp"
	case unix.IPPROTO_GRE:
		return "gre"
	case unix.IPPROTO_ESP:
		return "esp"
	case unix.IPPROTO_AH:
		return "ah"
	case unix.IPPROTO_ICMPV6:
		return "icmpv6"
	case unix.IPPROTO_SCTP:
		return "sctp"
	case unix.IPPROTO_UDPLITE:
		return "udplite"
	default:
		return strconv.Itoa(int(n))
	}
}

// stateNames returns the names of connection states. Bit 0 is invalid; bits 1
// to 3 are those that conntrack has; untracked is where the caller says.
func stateNames(mask, untracked uint32) string {
	var names []string
	for i, n := range []string{"invalid", "established", "related", "new"} {
		if mask&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	if mask&untracked != 0 {
		names = append(names, "untracked")
	}
	if rest := mask &^ (15 | untracked); rest != 0 || len(names) == 0 {
		names = append(names, fmt.Sprintf("%#x", rest))
	}
	return strings.Join(names, ",")
}

// prefixLength returns how many bits a mask of leading ones has; false if it
// is another mask.
func prefixLength(mask []byte) (int, bool) {
	n := 0
	for i, b := range mask {
		ones := bits.LeadingZeros8(^b)
		n += ones
		if ones == 8 {
			continue
		}
		if b<<ones != 0 || bytes.Trim(mask[i+1:], "\x00") != nil && len(bytes.Trim(mask[i+1:], "\x00")) > 0 {
			return 0, false
		}
		break
	}
	return n, true
}

// networkText returns an address with its mask as CIDR, as address/mask where
// the mask is no prefix; "" if it is every address. mask may be nil.
func networkText(addr, mask []byte) string {
	a, ok := netip.AddrFromSlice(addr)
	if !ok {
		return "0x" + hex.EncodeToString(addr)
	}
	if mask == nil {
		return a.String()
	}
	n, ok := prefixLength(mask)
	switch m, valid := netip.AddrFromSlice(mask); {
	case ok && n == 0:
		return ""
	case ok && n == a.BitLen():
		return a.String()
	case ok && n < a.BitLen():
		return netip.PrefixFrom(a, n).String()
	case valid:
		return a.String() + "/" + m.String()
	default:
		return a.String() + "/0x" + hex.EncodeToString(mask)
	}
}

// rangeText returns the addresses from first to last: one, a CIDR, or a range.
func rangeText(first, last []byte) string {
	a, okA := netip.AddrFromSlice(first)
	b, okB := netip.AddrFromSlice(last)
	if !okA || !okB || len(first) != len(last) {
		return "0x" + hex.EncodeToString(first) + "-0x" + hex.EncodeToString(last)
	}
	if a == b {
		return a.String()
	}
	mask := make([]byte, len(first))
	for i := range mask {
		mask[i] = ^(first[i] ^ last[i])
	}
	if n, ok := prefixLength(mask); ok {
		if p := netip.PrefixFrom(a, n); p.Masked().Addr() == a {
			return p.String()
		}
	}
	return a.String() + "-" + b.String()
}

// portsText returns a range of ports; "" for all.
func portsText(first, last uint16) string {
	switch {
	case first == last:
		return strconv.Itoa(int(first))
	case first == 0 && last == 65535:
		return ""
	default:
		return strconv.Itoa(int(first)) + "-" + strconv.Itoa(int(last))
	}
}

// interfaceText returns the name of an interface; one that is not ended by a
// NUL is the beginning of names.
func interfaceText(b []byte) string {
	name, _, ended := bytes.Cut(b, []byte{0})
	if !ended && len(b) < unix.IFNAMSIZ {
		return string(name) + "*"
	}
	return string(name)
}

// nativeNumber returns a number in the machine's byte order.
func nativeNumber(b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.NativeEndian.Uint16(b))
	case 4:
		return uint64(binary.NativeEndian.Uint32(b))
	case 8:
		return binary.NativeEndian.Uint64(b)
	default:
		return 0
	}
}

// valueText returns the value of a field of a packet, all bytes of which count.
func valueText(f fwField, b []byte, link func(int) string) string {
	switch {
	case f == fwSource || f == fwDestination:
		return networkText(b, nil)
	case (f == fwSourcePort || f == fwDestinationPort) && len(b) == 2:
		return strconv.Itoa(int(binary.BigEndian.Uint16(b)))
	case f == fwProtocol && len(b) == 1:
		return protocolName(b[0])
	case f == fwInInterface || f == fwOutInterface:
		return interfaceText(b)
	case (f == fwInIndex || f == fwOutIndex) && len(b) == 4:
		return link(int(int32(nativeNumber(b))))
	case f == fwState && len(b) == 4:
		return stateNames(uint32(nativeNumber(b)), 64)
	case (f == fwICMPType || f == fwICMPCode) && len(b) == 1:
		return strconv.Itoa(int(b[0]))
	case f == fwFamily && len(b) == 1 && b[0] == unix.NFPROTO_IPV4:
		return "IPv4"
	case f == fwFamily && len(b) == 1 && b[0] == unix.NFPROTO_IPV6:
		return "IPv6"
	default:
		return "0x" + hex.EncodeToString(b)
	}
}

// spanText returns the values of a field from first to last.
func spanText(f fwField, first, last []byte, link func(int) string) string {
	switch {
	case bytes.Equal(first, last):
		return valueText(f, first, link)
	case f == fwSource || f == fwDestination:
		return rangeText(first, last)
	case (f == fwInInterface || f == fwOutInterface) && len(first) == unix.IFNAMSIZ:
		return string(bytes.TrimRight(first, "\x00")) + "*"
	default:
		return valueText(f, first, link) + "-" + valueText(f, last, link)
	}
}
