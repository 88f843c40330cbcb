package tlsconf

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/tvilling/tvilling"
)

// names are what a server certificate is for.
type names struct {
	dns []string
	ips []net.IP
}

// alwaysNamed are in every certificate that the hub makes: how one reaches it
// on the same machine. hub.localhost is there for clients that insist on a dot.
var alwaysNamed = []string{"localhost", "hub.localhost", "127.0.0.1", "::1"}

// collectNames returns the names that are always there, the machine's own
// unless it could not stand in a certificate, and those given, each once.
func collectNames(machine string, given []string) (names, error) {
	var n names
	for _, s := range alwaysNamed {
		n.add(s)
	}
	n.add(machine)
	for _, s := range given {
		if !n.add(s) {
			return names{}, tvilling.Errorf(tvilling.InvalidArgument,
				"%q cannot be a name of this hub: give a DNS name such as hub.example.org, or an IP address, without a scheme or port.", s)
		}
	}
	return n, nil
}

// add takes a DNS name or an IP address and reports whether it is one.
func (n *names) add(s string) bool {
	s = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(s), "."))
	if addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err == nil && addr.Zone() == "" {
		ip := net.IP(addr.Unmap().AsSlice())
		if !slices.ContainsFunc(n.ips, ip.Equal) {
			n.ips = append(n.ips, ip)
		}
		return true
	}
	if !isDNSName(s) {
		return false
	}
	if !slices.Contains(n.dns, s) {
		n.dns = append(n.dns, s)
	}
	return true
}

// isDNSName reports whether s is a DNS name in lower case (RFC 1123), the
// underscore of many container names included; its first label may be "*".
func isDNSName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	s, wild := strings.CutPrefix(s, "*.")
	labels := strings.Split(s, ".")
	if wild && len(labels) < 2 {
		return false
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' {
				return false
			}
		}
	}
	// A last label of digits would be read as an IP address, a malformed one here.
	return strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

// missingFrom returns the first of the names that other does not have, "" if
// it has all.
func (n names) missingFrom(other names) string {
	for _, s := range n.dns {
		if !slices.Contains(other.dns, s) {
			return s
		}
	}
	for _, ip := range n.ips {
		if !slices.ContainsFunc(other.ips, ip.Equal) {
			return ip.String()
		}
	}
	return ""
}

func (n names) list() []string {
	all := slices.Clone(n.dns)
	for _, ip := range n.ips {
		all = append(all, ip.String())
	}
	return all
}
