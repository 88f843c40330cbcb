//go:build linux

package collect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tvilling/tvilling/internal/security/event"
)

// Firewall takes the rules of the firewall (asc §3.5 FirewallConfiguration), of
// nftables and of the filter table of iptables (legacy), both as the kernel
// has them.
//
// Each rule is an item, and each base chain's policy is one more behind its
// rules. ChainName is "INPUT" and the like for iptables and "inet filter input"
// for nftables, under which rules made by iptables-nft come, too. Direction is
// not told of what is forwarded, nor of chains for both ways. Action is Other
// for whatever is neither let pass nor refused, such as a jump.
//
// ExtraDetails have Family ("ip", "ip6", "inet", "netdev"), with which a chain's
// name is unique; Conditions, what else restricts the rule; Target, what Other
// means (the chain that is jumped to, by its ChainName, or a statement), with
// Goto if no return is meant; Comment; More, what is not told. Policies have
// Hook ("input", …) and Backend ("nftables", "iptables").
//
// What comes in or goes out over a version of IP that no base chain looks at is
// allowed: that is told as a policy of "INPUT" or "OUTPUT" with Backend "none".
type Firewall struct{ root fs.FS }

// NewFirewall returns the snapshot of this network namespace's firewall; root
// is the root of the file system, such as os.DirFS("/"), for /proc.
func NewFirewall(root fs.FS) *Firewall { return &Firewall{root} }

// Kind returns [event.FirewallConfigurationKind].
func (f *Firewall) Kind() event.Kind { return event.FirewallConfigurationKind }

// procNet is the folder for the network namespace of the thread that asks.
const procNet = "proc/thread-self/net"

// Sight says by what means the rules can be read.
func (f *Firewall) Sight() Sight {
	s := Sight{Name: "firewall", Extent: Full}
	var sources []string
	fail := func(err error) Sight {
		s.Extent, s.Why = Nothing, "The kernel does not tell the rules of the firewall: "+err.Error()+"."
		s.Remedy = "Look at the kernel's log."
		if errors.Is(err, unix.EPERM) || errors.Is(err, fs.ErrPermission) {
			s.Why, s.Remedy = "Only a process with CAP_NET_ADMIN may read the rules of the firewall.", "Run the agent with CAP_NET_ADMIN."
		}
		return s
	}
	n, err := openNetfilter()
	switch {
	case errors.Is(err, unix.EPROTONOSUPPORT):
	case err != nil:
		return fail(err)
	default:
		defer n.close()
		err := n.dump(unix.NFT_MSG_GETTABLE, unix.AF_UNSPEC, nil, func(uint8, []byte) {})
		switch {
		case err == nil || errors.Is(err, errInterrupted):
			sources = append(sources, "nftables")
		case !withoutNFT(err):
			return fail(err)
		}
	}
	for _, x := range xtFamilies {
		loaded, err := x.loaded(f.root, procNet)
		if err != nil {
			return fail(err)
		}
		if loaded {
			sources = append(sources, map[string]string{"ip": "iptables", "ip6": "ip6tables"}[x.name])
		}
	}
	s.Source = strings.Join(sources, ", ")
	if len(sources) == 0 {
		s.Source = "none in the kernel"
	}
	return s
}

// withoutNFT reports whether an error of a request says that the kernel has no
// nftables.
func withoutNFT(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPROTONOSUPPORT)
}

// firewallAttempts is how often rules are read that change meanwhile.
const firewallAttempts = 4

// Take returns the rules and the policies.
func (f *Firewall) Take(ctx context.Context) ([]event.Item, error) {
	chains, err := f.nft(ctx)
	if err != nil {
		return nil, fmt.Errorf("firewall: nftables: %w", err)
	}
	for _, x := range xtFamilies {
		loaded, err := x.loaded(f.root, procNet)
		if err != nil {
			return nil, fmt.Errorf("firewall: iptables: %w", err)
		}
		if !loaded {
			continue
		}
		list, err := x.read()
		if err != nil {
			return nil, fmt.Errorf("firewall: iptables: %w", err)
		}
		chains = append(chains, list...)
	}
	six, err := f.hasIPv6()
	if err != nil {
		return nil, fmt.Errorf("firewall: %w", err)
	}
	return fwItems(append(chains, uncovered(chains, six)...)), nil
}

func (f *Firewall) nft(ctx context.Context) ([]*fwChain, error) {
	n, err := openNetfilter()
	if errors.Is(err, unix.EPROTONOSUPPORT) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer n.close()
	for range firewallAttempts {
		if err = ctx.Err(); err != nil {
			return nil, err
		}
		var s *nftRuleset
		if s, err = readNFT(n); err == nil && s != nil {
			return s.chainsOf(interfaceName), nil
		}
		if !errors.Is(err, errInterrupted) {
			return nil, err
		}
	}
	return nil, err
}

// interfaceName returns the name of an interface, or its number if it has none.
func interfaceName(index int) string {
	if i, err := net.InterfaceByIndex(index); err == nil {
		return i.Name
	}
	return strconv.Itoa(index)
}

// hasIPv6 reports whether any interface but the loopback has an address of IPv6.
func (f *Firewall) hasIPv6() (bool, error) {
	b, err := fs.ReadFile(f.root, procNet+"/if_inet6")
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	for line := range strings.Lines(string(b)) {
		if fields := strings.Fields(line); len(fields) == 6 && fields[5] != "lo" {
			return true, nil
		}
	}
	return false, err
}

// uncovered returns chains without rules, that allow, for what no base chain
// looks at.
func uncovered(chains []*fwChain, six bool) []*fwChain {
	var list []*fwChain
	for _, hook := range []string{"input", "output"} {
		covers := func(family string) bool {
			return slices.ContainsFunc(chains, func(c *fwChain) bool {
				return c.hook == hook && !c.off && (c.family == family || c.family == "inet")
			})
		}
		four, six := !covers("ip"), six && !covers("ip6")
		family := "ip"
		switch {
		case four && six:
			family = "inet"
		case six:
			family = "ip6"
		case !four:
			continue
		}
		list = append(list, &fwChain{
			name: strings.ToUpper(hook), family: family, backend: "none", hook: hook, policy: "Allow", in: hook == "input", out: hook == "output",
		})
	}
	return list
}
