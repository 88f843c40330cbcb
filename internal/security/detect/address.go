package detect

import "net/netip"

// global reports whether an address is routed on the Internet: not loopback,
// link-local, private, shared (RFC 6598), multicast or unspecified.
func global(address string) bool {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	a = a.Unmap()
	shared := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10)
	return a.IsGlobalUnicast() && !a.IsPrivate() && !shared.Contains(a)
}
