//go:build linux

package collect_test

import (
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/agent/collect"
	"github.com/tvilling/tvilling/internal/security/event"
)

// netlinkAttr encodes a netlink attribute of parts, which are joined.
func netlinkAttr(kind uint16, parts ...[]byte) []byte {
	var v []byte
	for _, p := range parts {
		v = append(v, p...)
	}
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(v)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), v...)
	return append(b, make([]byte, (4-len(b)%4)%4)...)
}

func bigEndian(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
func cString(s string) []byte   { return append([]byte(s), 0) }
func nftValue(b ...byte) []byte { return netlinkAttr(1, b) } // NFTA_DATA_VALUE

// nftExpr encodes one expression of a rule.
func nftExpr(name string, attrs ...[]byte) []byte {
	return netlinkAttr(1, netlinkAttr(1, cString(name)), netlinkAttr(2, attrs...))
}

// Expressions by the numbers of linux/netfilter/nf_tables.h.
func metaExpr(key uint32) []byte {
	return nftExpr("meta", netlinkAttr(1, bigEndian(1)), netlinkAttr(2, bigEndian(key)))
}

func payloadExpr(base, offset, size uint32) []byte {
	return nftExpr("payload", netlinkAttr(1, bigEndian(1)), netlinkAttr(2, bigEndian(base)), netlinkAttr(3, bigEndian(offset)), netlinkAttr(4, bigEndian(size)))
}

func cmpExpr(op uint32, b ...byte) []byte {
	return nftExpr("cmp", netlinkAttr(1, bigEndian(1)), netlinkAttr(2, bigEndian(op)), netlinkAttr(3, nftValue(b...)))
}

func maskExpr(b ...byte) []byte {
	return nftExpr("bitwise", netlinkAttr(1, bigEndian(1)), netlinkAttr(2, bigEndian(1)), netlinkAttr(3, bigEndian(uint32(len(b)))), netlinkAttr(4, nftValue(b...)), netlinkAttr(5, nftValue(make([]byte, len(b))...)))
}

func verdictExpr(code int32, chain string) []byte {
	v := netlinkAttr(1, bigEndian(uint32(code)))
	if chain != "" {
		v = append(v, netlinkAttr(2, cString(chain))...)
	}
	return nftExpr("immediate", netlinkAttr(1, bigEndian(0)), netlinkAttr(2, netlinkAttr(2, v)))
}

func lookupExpr(flags uint32) []byte {
	return nftExpr("lookup", netlinkAttr(1, cString("s")), netlinkAttr(2, bigEndian(1)), netlinkAttr(5, bigEndian(flags)))
}

func setElement(end bool, b ...byte) []byte {
	e := netlinkAttr(1, nftValue(b...))
	if end {
		e = append(e, netlinkAttr(3, bigEndian(1))...)
	}
	return netlinkAttr(1, e)
}

// chainMessage is an inet chain "t c" at hook input that drops.
func chainMessage() []byte {
	return append(append(append(netlinkAttr(1, cString("t")), netlinkAttr(3, cString("c"))...), netlinkAttr(4, netlinkAttr(1, bigEndian(1)), netlinkAttr(2, bigEndian(0)))...), netlinkAttr(5, bigEndian(0))...)
}

func ruleMessage(expressions ...[]byte) []byte {
	return append(append(netlinkAttr(1, cString("t")), netlinkAttr(2, cString("c"))...), netlinkAttr(4, expressions...)...)
}

func TestFirewallDecode(t *testing.T) {
	const accept, network, transport = 1, 1, 2
	v4, tcp := [][]byte{metaExpr(15), cmpExpr(0, 2)}, [][]byte{metaExpr(16), cmpExpr(0, 6)}
	rule := func(parts ...any) []byte {
		var list [][]byte
		for _, p := range parts {
			switch p := p.(type) {
			case []byte:
				list = append(list, p)
			case [][]byte:
				list = append(list, p...)
			}
		}
		return ruleMessage(list...)
	}
	for _, c := range []struct {
		name     string
		rule     []byte
		elements []byte
		want     string
	}{
		{"nothing but a verdict", rule(verdictExpr(accept, "")), nil, "Allow dir=In | Family: inet"},
		{"an address", rule(v4, payloadExpr(network, 12, 4), cmpExpr(0, 10, 0, 0, 1), verdictExpr(0, "")), nil, "Deny dir=In from=10.0.0.1 | Family: inet"},
		{"the first bytes of one", rule(v4, payloadExpr(network, 16, 2), cmpExpr(0, 10, 1), verdictExpr(accept, "")), nil, "Allow dir=In to=10.1.0.0/16 | Family: inet"},
		{"a mask", rule(v4, payloadExpr(network, 12, 4), maskExpr(255, 240, 0, 0), cmpExpr(0, 172, 16, 0, 0), verdictExpr(accept, "")), nil, "Allow dir=In from=172.16.0.0/12 | Family: inet"},
		{
			"a mask, not", rule(v4, payloadExpr(network, 12, 4), maskExpr(255, 0, 0, 0), cmpExpr(1, 10, 0, 0, 0), verdictExpr(accept, "")), nil,
			"Allow dir=In | Family: inet | Conditions: IPv4; source address not 10.0.0.0/8",
		},
		{"two ports at once", rule(tcp, payloadExpr(transport, 0, 4), cmpExpr(0, 0, 80, 1, 0), verdictExpr(accept, "")), nil, "Allow dir=In sport=80 dport=256 proto=tcp | Family: inet"},
		{"ports from to", rule(tcp, payloadExpr(transport, 2, 2), cmpExpr(5, 0, 80), cmpExpr(3, 0, 90), verdictExpr(accept, "")), nil, "Allow dir=In dport=80-90 proto=tcp | Family: inet"},
		{"ports from", rule(tcp, payloadExpr(transport, 2, 2), cmpExpr(5, 0, 80), verdictExpr(accept, "")), nil, "Allow dir=In dport=80-65535 proto=tcp | Family: inet"},
		{"ports up to", rule(tcp, payloadExpr(transport, 2, 2), cmpExpr(3, 0, 80), verdictExpr(accept, "")), nil, "Allow dir=In proto=tcp | Family: inet | Conditions: destination port <= 80"},
		{
			"a range", rule(tcp, payloadExpr(transport, 2, 2), nftExpr("range", netlinkAttr(1, bigEndian(1)), netlinkAttr(2, bigEndian(0)), netlinkAttr(3, nftValue(0, 1)), netlinkAttr(4, nftValue(0, 9))), verdictExpr(accept, "")), nil,
			"Allow dir=In dport=1-9 proto=tcp | Family: inet",
		},
		{
			"a set of intervals", rule(v4, payloadExpr(network, 12, 4), lookupExpr(0), verdictExpr(accept, "")),
			append(append(setElement(true, 11, 0, 0, 0), setElement(false, 10, 0, 0, 0)...), setElement(true, 0, 0, 0, 0)...), "Allow dir=In from=10.0.0.0/8 | Family: inet",
		},
		{
			"a set of intervals without ends", rule(v4, payloadExpr(network, 12, 4), lookupExpr(0), verdictExpr(accept, "")),
			setElement(false, 128, 0, 0, 0), "Allow dir=In from=128.0.0.0/1 | Family: inet",
		},
		{
			"a set of intervals with everything", rule(v4, payloadExpr(network, 12, 4), lookupExpr(0), verdictExpr(accept, "")),
			setElement(false, 0, 0, 0, 0), "Allow dir=In | Family: inet | Conditions: IPv4",
		},
		{
			"a set with a limit for each element", rule(v4, payloadExpr(network, 12, 4), lookupExpr(0), verdictExpr(accept, "")),
			netlinkAttr(1, netlinkAttr(1, nftValue(10, 0, 0, 1)), netlinkAttr(7, netlinkAttr(1, cString("quota")))),
			"Allow dir=In from=10.0.0.1 | Family: inet | Conditions: within the limit of the set's element",
		},
		{
			"none of a set", rule(v4, payloadExpr(network, 12, 4), lookupExpr(1), verdictExpr(accept, "")), setElement(false, 10, 0, 0, 1),
			"Allow dir=In | Family: inet | Conditions: IPv4; source address not in {10.0.0.1}",
		},
		{
			"a set of what is not understood", rule(payloadExpr(4, 3, 4), lookupExpr(0), verdictExpr(accept, "")), setElement(false, 10, 0, 0, 1),
			"Allow dir=In | Family: inet | Conditions: header+3 in a set of 1",
		},
		{"a port before the protocol is known", rule(payloadExpr(transport, 2, 2), cmpExpr(0, 0, 22), verdictExpr(accept, "")), nil, "Allow dir=In | Family: inet | Conditions: transport header+2 0x0016"},
		{"an address before the version is known", rule(payloadExpr(network, 12, 4), cmpExpr(0, 10, 0, 0, 1), verdictExpr(accept, "")), nil, "Allow dir=In | Family: inet | Conditions: network header+12 0x0a000001"},
		{"the same field twice", rule(v4, payloadExpr(network, 12, 4), cmpExpr(0, 10, 0, 0, 1), cmpExpr(0, 10, 0, 0, 2), verdictExpr(accept, "")), nil, "Allow dir=In from=10.0.0.1 | Family: inet | Conditions: source address 10.0.0.2"},
		{"an expression that nobody knows", rule(nftExpr("quantum"), verdictExpr(accept, "")), nil, "Allow dir=In | Family: inet | Conditions: quantum"},
		{"an operation that is not understood", rule(v4, payloadExpr(network, 12, 4), nftExpr("bitwise", netlinkAttr(1, bigEndian(1)), netlinkAttr(2, bigEndian(1)), netlinkAttr(6, bigEndian(1))), cmpExpr(0, 1, 1, 1, 1), verdictExpr(accept, "")), nil, "Allow dir=In | Family: inet | Conditions: IPv4; source address is changed and compared"},
		{"a register that nothing was loaded to", rule(cmpExpr(0, 1), verdictExpr(accept, "")), nil, "Allow dir=In | Family: inet | Conditions: register is changed and compared"},
		{"a jump", rule(verdictExpr(-3, "web")), nil, "Other dir=In | Family: inet | Target: inet t web"},
		{"a queue", rule(verdictExpr(3, "")), nil, "Other dir=In | Family: inet | Target: queue"},
		{"no verdict", rule(nftExpr("counter")), nil, "Other dir=In | Family: inet | Target: continue"},
		{"what is behind a verdict", rule(verdictExpr(0, ""), verdictExpr(accept, "")), nil, "Deny dir=In | Family: inet"},
		{"a match of xtables", rule(nftExpr("match", netlinkAttr(1, cString("geoip")), netlinkAttr(2, bigEndian(1)), netlinkAttr(3, make([]byte, 9))), verdictExpr(accept, "")), nil, "Allow dir=In | Family: inet | Conditions: match geoip"},
		{"a match that is too short", rule(nftExpr("match", netlinkAttr(1, cString("tcp")), netlinkAttr(2, bigEndian(0)), netlinkAttr(3, make([]byte, 3))), verdictExpr(accept, "")), nil, "Allow dir=In | Family: inet | Conditions: match tcp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			items := collect.NFTItems(chainMessage(), c.rule, c.elements, strings.Contains(c.name, "intervals"))
			want := "inet t c 1 " + c.want + "\ninet t c 2 Deny dir=In | Family: inet | Hook: input | Backend: nftables\n"
			if d := cmp.Diff(want, firewallLines(items)); d != "" {
				t.Error(d)
			}
		})
	}
}

// xtTable reads a table as the kernel gave it on a machine of 64 bits: that of
// testdata/firewall/legacy.rules.
func xtTable(t testing.TB, name string) (info, entries []byte) {
	t.Helper()
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the table is that of a little-endian machine")
	}
	b, err := os.ReadFile("testdata/firewall/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b[:84:84], b[84:]
}

func TestFirewallTable(t *testing.T) {
	b, err := os.ReadFile("testdata/firewall/legacy.items")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for l := range strings.Lines(string(b)) {
		if strings.Contains(l, "| Family: ip6") {
			want["legacy.ip6.table"] += l
		} else {
			want["legacy.ip.table"] += l
		}
	}
	for name, want := range want {
		info, entries := xtTable(t, name)
		items, err := collect.XTItems(strings.Contains(name, "ip6"), info, entries)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, firewallLines(items)); d != "" {
			t.Error(name, d)
		}
		read := 0
		for n := range entries {
			if _, err := collect.XTItems(strings.Contains(name, "ip6"), info, entries[:n]); err == nil {
				read++
			}
		}
		// Where a chain of the user's begins is as where a table ends.
		if read > 2 {
			t.Errorf("%s: cut at %d places it is read as if it were whole", name, read)
		}
	}
}

// checkFirewall fails if an item cannot be of a message.
func checkFirewall(t *testing.T, items []event.Item) {
	t.Helper()
	for _, it := range items {
		f := it.(*event.FirewallConfiguration)
		if f.Action != "Allow" && f.Action != "Deny" && f.Action != "Other" || f.Extra == nil {
			t.Fatalf("item %+v", f)
		}
	}
}

func FuzzFirewallNFT(f *testing.F) {
	accept := verdictExpr(1, "")
	f.Add(chainMessage(), ruleMessage(metaExpr(16), cmpExpr(0, 6), payloadExpr(2, 2, 2), lookupExpr(0), accept), setElement(false, 0, 22), true)
	f.Add(chainMessage(), ruleMessage(metaExpr(15), cmpExpr(0, 10), payloadExpr(1, 8, 16), maskExpr(255, 255), cmpExpr(0, 1, 2), verdictExpr(-3, "x")), []byte{}, false)
	f.Add(chainMessage(), ruleMessage(payloadExpr(1, 12, 64), cmpExpr(5, 1), cmpExpr(3, 2), nftExpr("lookup", netlinkAttr(1, cString("s")), netlinkAttr(2, bigEndian(1)), netlinkAttr(3, bigEndian(0)))), setElement(true), true)
	if chains, rules, elements, err := collect.NFTRules(); err == nil {
		for i, r := range rules {
			if len(chains) > 0 && len(elements) > 0 {
				f.Add(chains[i%len(chains)], r, elements[i%len(elements)], i%2 == 0)
			}
		}
	}
	f.Fuzz(func(t *testing.T, chain, rule, elements []byte, intervals bool) {
		checkFirewall(t, collect.NFTItems(chain, rule, elements, intervals))
	})
}

func FuzzFirewallTable(f *testing.F) {
	for _, six := range []bool{false, true} {
		info, entries := xtTable(f, map[bool]string{false: "legacy.ip.table", true: "legacy.ip6.table"}[six])
		f.Add(six, info, entries)
	}
	f.Fuzz(func(t *testing.T, six bool, info, entries []byte) {
		if items, err := collect.XTItems(six, info, entries); err == nil {
			checkFirewall(t, items)
		}
	})
}
