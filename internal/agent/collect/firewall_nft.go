//go:build linux

package collect

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// nftName names a chain or a set: both belong to a table of a family.
type nftName struct {
	family      uint8
	table, name string
}

// String returns the name as nft prints it: "inet filter input".
func (n nftName) String() string { return nftFamily(n.family) + " " + n.table + " " + n.name }

// nftFamily returns the word for a family, "" for those that are not looked
// at: bridges and ARP are no way in to the device's services.
func nftFamily(f uint8) string {
	switch f {
	case unix.NFPROTO_INET:
		return "inet"
	case unix.NFPROTO_IPV4:
		return "ip"
	case unix.NFPROTO_IPV6:
		return "ip6"
	case unix.NFPROTO_NETDEV:
		return "netdev"
	default:
		return ""
	}
}

// nftHook returns the name of a hook, "" for those that are not looked at.
func nftHook(family uint8, hook uint32) string {
	if family == unix.NFPROTO_NETDEV {
		switch hook {
		case unix.NF_NETDEV_INGRESS:
			return "ingress"
		case unix.NF_NETDEV_EGRESS:
			return "egress"
		}
		return ""
	}
	switch hook {
	case unix.NF_INET_LOCAL_IN:
		return "input"
	case unix.NF_INET_FORWARD:
		return "forward"
	case unix.NF_INET_LOCAL_OUT:
		return "output"
	case unix.NF_INET_NUMHOOKS: // NF_INET_INGRESS
		return "ingress"
	default:
		return ""
	}
}

// nftRuleset is what was read of nftables. Rules are kept as they came.
type nftRuleset struct {
	chains []*nftChain
	byName map[nftName]*nftChain
	sets   map[nftName]*nftSet
	// intervals are the sets of intervals.
	intervals map[nftName]bool
}

type nftChain struct {
	name     nftName
	hook     string // of base chains that are looked at
	policy   string
	device   string
	priority int32
	off      bool
	in, out  bool
	reached  bool
	rules    [][]byte // the attributes of each
	more     int
	to       map[string]bool // chains that rules name
	maps     map[string]bool // and maps, which may name others
}

// readNFT reads the rules that packets of the hooks that matter can come to.
// It returns nil and no error where the kernel has no nftables.
func readNFT(n *netfilter) (*nftRuleset, error) {
	s := &nftRuleset{byName: make(map[nftName]*nftChain), sets: make(map[nftName]*nftSet), intervals: make(map[nftName]bool)}
	dormant := make(map[nftName]bool)
	err := n.dump(unix.NFT_MSG_GETTABLE, unix.AF_UNSPEC, nil, func(family uint8, b []byte) {
		a := attributeList(b)
		if wordAttribute(a[unix.NFTA_TABLE_FLAGS])&unix.NFT_TABLE_F_DORMANT != 0 {
			dormant[nftName{family, textAttribute(a[unix.NFTA_TABLE_NAME]), ""}] = true
		}
	})
	if withoutNFT(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	err = n.dump(unix.NFT_MSG_GETCHAIN, unix.AF_UNSPEC, nil, func(family uint8, b []byte) {
		if c := parseChain(family, b); c != nil {
			c.off = dormant[nftName{family, c.name.table, ""}]
			s.add(c)
		}
	})
	if err != nil {
		return nil, err
	}
	if err := s.readIntervals(n); err != nil {
		return nil, err
	}
	if err := s.reach(n); err != nil {
		return nil, err
	}
	return s, s.read(n)
}

// add takes a chain in, base chains first by hook and priority.
func (s *nftRuleset) add(c *nftChain) {
	s.byName[c.name] = c
	s.chains = append(s.chains, c)
}

// parseChain reads the attributes of a chain, nil if it is of no family that matters.
func parseChain(family uint8, b []byte) *nftChain {
	a := attributeList(b)
	c := &nftChain{name: nftName{family, textAttribute(a[unix.NFTA_CHAIN_TABLE]), textAttribute(a[unix.NFTA_CHAIN_NAME])}}
	if nftFamily(family) == "" || c.name.name == "" {
		return nil
	}
	if hook := a[unix.NFTA_CHAIN_HOOK]; hook != nil {
		h := attributeList(hook)
		c.hook = nftHook(family, wordAttribute(h[unix.NFTA_HOOK_HOOKNUM]))
		c.priority = int32(wordAttribute(h[unix.NFTA_HOOK_PRIORITY]))
		c.device = textAttribute(h[unix.NFTA_HOOK_DEV])
		if devs := h[4]; devs != nil { // NFTA_HOOK_DEVS: several, each in an attribute
			var list []string
			attributes(devs, func(_ uint16, v []byte) { list = append(list, textAttribute(v)) })
			c.device = strings.Join(list, ",")
		}
		c.policy = "Allow"
		if p := a[unix.NFTA_CHAIN_POLICY]; p != nil && wordAttribute(p) == nfDrop {
			c.policy = "Deny"
		}
	}
	return c
}

// reach finds the chains that packets of the hooks can come to.
func (s *nftRuleset) reach(n *netfilter) error {
	err := n.dump(unix.NFT_MSG_GETRULE, unix.AF_UNSPEC, nil, func(family uint8, b []byte) {
		a := attributeList(b)
		c := s.byName[nftName{family, textAttribute(a[unix.NFTA_RULE_TABLE]), textAttribute(a[unix.NFTA_RULE_CHAIN])}]
		if c != nil {
			c.references(a[unix.NFTA_RULE_EXPRESSIONS])
		}
	})
	if err != nil {
		return err
	}
	var todo []*nftChain
	visit := func(c *nftChain, in, out bool) {
		if c != nil && (!c.reached || in && !c.in || out && !c.out) {
			c.reached, c.in, c.out = true, c.in || in, c.out || out
			todo = append(todo, c)
		}
	}
	for _, c := range s.chains {
		if c.hook != "" {
			visit(c, c.hook == "input" || c.hook == "ingress", c.hook == "output" || c.hook == "egress")
		}
	}
	for len(todo) > 0 {
		c := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, name := range sortedNames(c.maps) {
			set, err := s.set(n, nftName{c.name.family, c.name.table, name})
			if err != nil {
				return err
			}
			for _, e := range set.elements {
				visit(s.byName[nftName{c.name.family, c.name.table, e.verdict.chain}], c.in, c.out)
			}
		}
		for _, name := range sortedNames(c.to) {
			visit(s.byName[nftName{c.name.family, c.name.table, name}], c.in, c.out)
		}
	}
	s.chains = slices.DeleteFunc(s.chains, func(c *nftChain) bool { return !c.reached })
	slices.SortStableFunc(s.chains, func(a, b *nftChain) int {
		return cmp.Or(cmp.Compare(hookOrder(a.hook), hookOrder(b.hook)), cmp.Compare(a.priority, b.priority))
	})
	return nil
}

// hookOrder puts base chains first, in the order that packets come to them.
func hookOrder(hook string) int {
	i := slices.Index([]string{"ingress", "input", "forward", "output", "egress"}, hook)
	if i < 0 {
		return 9
	}
	return i
}

func sortedNames(m map[string]bool) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// references notes the chains and the maps that a rule names.
func (c *nftChain) references(expressions []byte) {
	eachExpression(expressions, func(name string, a [16][]byte) {
		switch name {
		case "immediate":
			if v := parseVerdict(attributeList(a[unix.NFTA_IMMEDIATE_DATA])[unix.NFTA_DATA_VERDICT]); v.chain != "" {
				noteName(&c.to, v.chain)
			}
		case "lookup":
			if a[unix.NFTA_LOOKUP_DREG] != nil && wordAttribute(a[unix.NFTA_LOOKUP_DREG]) == unix.NFT_REG_VERDICT {
				noteName(&c.maps, textAttribute(a[unix.NFTA_LOOKUP_SET]))
			}
		}
	})
}

func noteName(m *map[string]bool, name string) {
	if *m == nil {
		*m = make(map[string]bool)
	}
	(*m)[name] = true
}

// read keeps the rules of the chains that are reached, as many as are told,
// and the sets that they name.
func (s *nftRuleset) read(n *netfilter) error {
	kept := 0
	last := make(map[*nftChain][]byte) // of chains that are cut
	err := n.dump(unix.NFT_MSG_GETRULE, unix.AF_UNSPEC, nil, func(family uint8, b []byte) {
		a := attributeList(b)
		c := s.byName[nftName{family, textAttribute(a[unix.NFTA_RULE_TABLE]), textAttribute(a[unix.NFTA_RULE_CHAIN])}]
		if c == nil || !c.reached {
			return
		}
		if kept < maxFirewallItems {
			kept++
			c.rules = append(c.rules, slices.Clone(b))
			return
		}
		c.more++
		last[c] = append(last[c][:0], b...)
	})
	if err != nil {
		return err
	}
	for c, b := range last {
		c.rules, c.more = append(c.rules, b), c.more-1
	}
	for _, c := range s.chains {
		for _, r := range c.rules {
			var sets []string
			eachExpression(attributeList(r)[unix.NFTA_RULE_EXPRESSIONS], func(name string, a [16][]byte) {
				if name == "lookup" {
					sets = append(sets, textAttribute(a[unix.NFTA_LOOKUP_SET]))
				}
			})
			for _, name := range sets {
				if _, err := s.set(n, nftName{c.name.family, c.name.table, name}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// eachExpression calls f with the name and the attributes of each expression
// of a rule.
func eachExpression(b []byte, f func(name string, a [16][]byte)) {
	attributes(b, func(kind uint16, v []byte) {
		if kind == unix.NFTA_LIST_ELEM {
			a := attributeList(v)
			f(textAttribute(a[unix.NFTA_EXPR_NAME]), attributeList(a[unix.NFTA_EXPR_DATA]))
		}
	})
}

// chainsOf turns a ruleset into chains of rules. link names an interface.
func (s *nftRuleset) chainsOf(link func(int) string) []*fwChain {
	list := make([]*fwChain, 0, len(s.chains))
	for _, c := range s.chains {
		fc := &fwChain{
			name: c.name.String(), family: nftFamily(c.name.family), backend: "nftables", hook: c.hook, policy: c.policy,
			device: c.device, off: c.off, in: c.in, out: c.out, more: c.more,
		}
		for _, r := range c.rules {
			fc.rules = append(fc.rules, s.decode(c, r, link)...)
		}
		list = append(list, fc)
	}
	return list
}
