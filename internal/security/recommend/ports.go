package recommend

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// maxEndpoints bounds the endpoints that are named.
const maxEndpoints = 100

// endpoint is one that accepts what comes from the network.
type endpoint struct {
	Address  string `json:"address"`
	Port     string `json:"port"`
	Protocol string `json:"protocol"`
}

type openPorts struct {
	Endpoints []endpoint `json:"endpoints"`
	Count     int        `json:"count"`
}

func (a *Assessor) ports(tx *ledger.Tx, d *ledger.Device, m *event.Message, e *event.Event) error {
	mem := recall(d)
	if !fresh(&mem.ports, e) {
		return nil
	}
	mem.keep(tx, d)
	var list []endpoint
	for _, it := range items(m, e) {
		if p, ok := it.(*event.ListeningPorts); ok && listening(p) {
			list = append(list, endpoint{cmp.Or(p.LocalAddress, "*"), p.LocalPort, strings.ToLower(p.Protocol)})
		}
	}
	slices.SortFunc(list, func(a, b endpoint) int {
		return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(portNumber(a.Port), portNumber(b.Port)),
			cmp.Compare(a.Port, b.Port), cmp.Compare(a.Address, b.Address))
	})
	list = slices.Compact(list)
	return a.either(tx, d.ID, OpenPorts, len(list) > 0, advice{details: openPorts{list[:min(len(list), maxEndpoints)], len(list)}})
}

// ephemeral is the first port that systems give to a socket that did not ask
// for one. A socket of UDP has no state that tells a server from a client, so
// one with such a port counts as a client.
const ephemeral = 32768

// listening reports whether a row is an endpoint that accepts what comes from
// the network. Agents send rows of all states (asc §4.2): one with a far end
// is a connection, and one bound to an address that only the device itself or
// its link reaches is not open.
func listening(p *event.ListeningPorts) bool {
	if !wildcardPort(p.RemotePort) || !wildcardAddress(p.RemoteAddress) || wildcardPort(p.LocalPort) {
		return false
	}
	switch protocol := strings.ToLower(p.Protocol); {
	case strings.HasPrefix(protocol, "raw"), strings.HasPrefix(protocol, "icmp"):
		return false
	case strings.HasPrefix(protocol, "udp"):
		n := portNumber(p.LocalPort)
		if n >= ephemeral || n == 68 || n == 546 { // clients of DHCP
			return false
		}
	}
	if wildcardAddress(p.LocalAddress) {
		return true
	}
	a, err := netip.ParseAddr(p.LocalAddress)
	if err != nil {
		return true
	}
	a = a.Unmap()
	return !a.IsLoopback() && !a.IsLinkLocalUnicast() && !a.IsMulticast()
}

func wildcardPort(s string) bool { return s == "" || s == "*" || s == "0" }

func wildcardAddress(s string) bool {
	if s == "" || s == "*" {
		return true
	}
	a, err := netip.ParseAddr(s)
	return err == nil && a.Unmap().IsUnspecified()
}

// portNumber returns the number of a port, or -1 for a range or a list.
func portNumber(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}
