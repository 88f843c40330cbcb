//go:build linux

package collect

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// xtInfo is what is told of a table: bit i of hooks is that of
// NF_INET_…, whose chain begins at entry[i].
type xtInfo struct {
	hooks uint32
	entry [5]uint32
	under [5]uint32 // the policies
	size  uint32
}

// parseXTInfo reads a struct ipt_getinfo of [xtInfoSize] bytes.
func parseXTInfo(b []byte) xtInfo {
	i := xtInfo{hooks: binary.NativeEndian.Uint32(b[32:]), size: binary.NativeEndian.Uint32(b[80:])}
	for h := range i.entry {
		i.entry[h] = binary.NativeEndian.Uint32(b[36+4*h:])
		i.under[h] = binary.NativeEndian.Uint32(b[56+4*h:])
	}
	return i
}

var errXTEntries = errors.New("the kernel's table of rules is not understood: this version of the agent does not know its layout")

// parse reads the entries of a table: chains one after the other. The first
// ones are those of hooks; each other begins with an entry that has the target
// ERROR and the chain's name; the last entry is another of these.
func (f *xtFamily) parse(info xtInfo, b []byte) ([]*fwChain, error) {
	t := &xtTable{family: f, begins: make(map[int]*fwChain), policies: make(map[int]bool)}
	for h, hook := range map[int]string{unix.NF_INET_LOCAL_IN: "input", unix.NF_INET_FORWARD: "forward", unix.NF_INET_LOCAL_OUT: "output"} {
		if info.hooks&(1<<h) != 0 {
			t.begins[int(info.entry[h])] = &fwChain{name: strings.ToUpper(hook), family: f.name, backend: "iptables", hook: hook, in: hook == "input", out: hook == "output"}
			t.policies[int(info.under[h])] = true
		}
	}
	for at := 0; at < len(b); {
		size, err := t.entry(b, at)
		if err != nil {
			return nil, err
		}
		at += size
	}
	if !t.ended || slices.ContainsFunc(t.chains, func(c *fwChain) bool { return c.hook != "" && c.policy == "" }) {
		return nil, errXTEntries
	}
	t.link()
	return t.chains, nil
}

// xtTable is a table that is being read.
type xtTable struct {
	family   *xtFamily
	begins   map[int]*fwChain // by the offset of the first rule
	policies map[int]bool     // the offsets of policies
	chains   []*fwChain
	chain    *fwChain // that the next entry belongs to
	jumps    []xtJump
	ended    bool
}

type xtJump struct {
	from *fwChain
	to   int // an offset
	rule *fwRule
}

// entry reads the entry at an offset, and returns its size.
func (t *xtTable) entry(b []byte, at int) (int, error) {
	f, e := t.family, b[at:]
	if len(e) < f.size {
		return 0, errXTEntries
	}
	target, next := int(binary.NativeEndian.Uint16(e[f.offsets:])), int(binary.NativeEndian.Uint16(e[f.offsets+2:]))
	if target < f.size || next < target+xtHeader || next > len(e) || next%4 != 0 {
		return 0, errXTEntries
	}
	if c := t.begins[at]; c != nil && c != t.chain {
		t.chain, t.chains = c, append(t.chains, c)
	}
	name, data := textAttribute(e[target+2:target+31]), e[target+xtHeader:next]
	if name == "ERROR" {
		if t.ended = at+next == len(b); !t.ended {
			t.chain = &fwChain{name: textAttribute(data), family: f.name, backend: "iptables"}
			t.chains = append(t.chains, t.chain)
			t.begins[at+next] = t.chain
		}
		return next, nil
	}
	if t.chain == nil || name == "" && len(data) < 4 {
		return 0, errXTEntries
	}
	r := f.rule(e[:target])
	switch name {
	case "":
		r.xtVerdict(int32(binary.NativeEndian.Uint32(data)), e[f.flags]&f.goTo != 0, func(offset int32) (string, bool) {
			t.jumps = append(t.jumps, xtJump{t.chain, int(offset), r})
			return "", int(offset) != at+next // to the next entry: there is no target
		})
	case "REJECT":
		r.action, r.target = "Deny", "reject"
	default:
		r.action, r.target = "Other", name
	}
	switch {
	case t.policies[at]:
		t.chain.policy = r.action
	case t.chain.hook == "" && r.target == "return" && f.ends(b, at+next):
		// The end of a chain of the user's is a rule that returns.
	default:
		t.chain.rules = append(t.chain.rules, r)
	}
	return next, nil
}

// link names the chains that are jumped to, and notes where their packets come from.
func (t *xtTable) link() {
	reach := make(map[*fwChain][]*fwChain)
	for _, j := range t.jumps {
		if c := t.begins[j.to]; c != nil && j.rule.target == "" {
			j.rule.target = c.name
			reach[j.from] = append(reach[j.from], c)
		}
	}
	for _, c := range t.chains {
		if c.hook != "" {
			spread(reach, c, c.in, c.out)
		}
	}
}

// ends reports whether a chain ends at an offset: another begins there, or the
// table ends.
func (f *xtFamily) ends(b []byte, at int) bool {
	if at >= len(b) {
		return true
	}
	e := b[at:]
	if len(e) < f.size {
		return false
	}
	target := int(binary.NativeEndian.Uint16(e[f.offsets:]))
	return target+31 <= len(e) && textAttribute(e[target+2:target+31]) == "ERROR"
}

// spread notes where packets come from that come to the chains below c.
func spread(reach map[*fwChain][]*fwChain, c *fwChain, in, out bool) {
	for _, to := range reach[c] {
		if in && !to.in || out && !to.out {
			to.in, to.out = to.in || in, to.out || out
			spread(reach, to, in, out)
		}
	}
}

// rule reads what an entry asks for; e ends where its target begins.
func (f *xtFamily) rule(e []byte) *fwRule {
	r := &fwRule{}
	n := f.address
	invert := e[f.invert]
	for i, field := range []fwField{fwSource, fwDestination} {
		addr, mask := e[i*n:(i+1)*n], e[(2+i)*n:(3+i)*n]
		// Bits IPT_INV_SRCIP and IPT_INV_DSTIP.
		if text, not := networkText(addr, mask), invert&(8<<i) != 0; text != "" || not {
			r.restrict(field, text, not)
		}
	}
	for i, field := range []fwField{fwInInterface, fwOutInterface} {
		at := f.device + i*unix.IFNAMSIZ
		// Bits IPT_INV_VIA_IN and IPT_INV_VIA_OUT.
		if text, not := xtInterface(e[at:at+unix.IFNAMSIZ], e[at+2*unix.IFNAMSIZ:at+3*unix.IFNAMSIZ]), invert&(1<<i) != 0; text != "" || not {
			r.restrict(field, text, not)
		}
	}
	if p := binary.NativeEndian.Uint16(e[f.protocol:]); p != 0 {
		r.restrict(fwProtocol, protocolName(uint8(p)), invert&0x40 != 0)
	}
	switch {
	case e[f.flags]&1 != 0 && f.domain == unix.AF_INET:
		r.condition("fragments")
	case e[f.flags]&2 != 0 && f.domain == unix.AF_INET6:
		r.condition("traffic class")
	}
	for m := e[f.size:]; len(m) > 0; {
		size := 0
		if len(m) >= xtHeader {
			size = int(binary.NativeEndian.Uint16(m))
		}
		if size < xtHeader || size > len(m) {
			r.condition("a match that is not understood")
			break
		}
		r.match(textAttribute(m[2:31]), m[31], m[xtHeader:size])
		m = m[size:]
	}
	return r
}
