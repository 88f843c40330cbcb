//go:build linux

package collect

import (
	"strconv"

	"github.com/tvilling/tvilling/internal/security/event"
)

// FirewallLimit is maxFirewallItems.
const FirewallLimit = maxFirewallItems

// NFTItems reads messages as nftables sends them: the attributes of chains, of
// rules and of the elements of a set named "s", all of family inet.
func NFTItems(chain, rule, elements []byte, intervals bool) []event.Item {
	s := &nftRuleset{byName: make(map[nftName]*nftChain), sets: make(map[nftName]*nftSet)}
	c := parseChain(1, chain)
	if c == nil {
		return nil
	}
	c.references(attributeList(rule)[4])
	c.rules, c.in = [][]byte{rule}, c.hook == "input"
	s.add(c)
	set := &nftSet{}
	set.take(elements)
	set.join(intervals)
	s.sets[nftName{1, c.name.table, "s"}] = set
	return fwItems(s.chainsOf(strconv.Itoa))
}

// XTItems reads a table as ip_tables (six: ip6_tables) gives it.
func XTItems(six bool, info, entries []byte) ([]event.Item, error) {
	f := xtFamilies[0]
	if six {
		f = xtFamilies[1]
	}
	chains, err := f.parse(parseXTInfo(append(info, make([]byte, xtInfoSize)...)), entries)
	return fwItems(chains), err
}

// XTTable reads the table of the network namespace, as it is.
func XTTable(six bool) (info, entries []byte, err error) {
	f := xtFamilies[0]
	if six {
		f = xtFamilies[1]
	}
	return f.fetch()
}

// NFTRules returns the attributes of all chains, rules and elements of sets in
// the network namespace.
func NFTRules() (chains, rules, elements [][]byte, err error) {
	n, err := openNetfilter()
	if err != nil {
		return nil, nil, nil, err
	}
	defer n.close()
	s, err := readNFT(n)
	if err != nil {
		return nil, nil, nil, err
	}
	keep := func(list *[][]byte) func(uint8, []byte) {
		return func(_ uint8, b []byte) { *list = append(*list, append([]byte(nil), b...)) }
	}
	if err := n.dump(4, 0, nil, keep(&chains)); err != nil {
		return nil, nil, nil, err
	}
	if err := n.dump(7, 0, nil, keep(&rules)); err != nil {
		return nil, nil, nil, err
	}
	for name := range s.sets {
		attrs := stringAttribute(stringAttribute(nil, 1, name.table), 2, name.name)
		err := n.dump(13, name.family, attrs, func(_ uint8, b []byte) {
			elements = append(elements, append([]byte(nil), attributeList(b)[3]...))
		})
		if err != nil {
			return nil, nil, nil, err
		}
	}
	return chains, rules, elements, nil
}
