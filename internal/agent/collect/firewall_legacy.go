//go:build linux

package collect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// xtFamily says where the structures of ip_tables and ip6_tables have what
// (linux/netfilter_ipv4/ip_tables.h, linux/netfilter_ipv6/ip6_tables.h). The
// layout is that of machines on which 64-bit numbers are aligned to 8 bytes,
// which are all but 32-bit x86.
type xtFamily struct {
	name   string // of the family
	names  string // the file that names the tables that are loaded
	domain int
	level  int

	address  int // bytes of an address; source, destination and their masks come first
	device   int // offset of the names of interfaces, and of their masks
	protocol int
	flags    int
	invert   int
	offsets  int // of target_offset and next_offset
	size     int // of the entry before its matches
	goTo     uint8
}

var xtFamilies = []xtFamily{
	{name: "ip", names: "ip_tables_names", domain: unix.AF_INET, level: unix.IPPROTO_IP, address: 4, device: 16, protocol: 80, flags: 82, invert: 83, offsets: 88, size: 112, goTo: 2},
	{name: "ip6", names: "ip6_tables_names", domain: unix.AF_INET6, level: unix.IPPROTO_IPV6, address: 16, device: 64, protocol: 128, flags: 131, invert: 132, offsets: 140, size: 168, goTo: 4},
}

const (
	xtGetInfo    = 64 // IPT_SO_GET_INFO, IP6T_SO_GET_INFO
	xtGetEntries = 65
	xtInfoSize   = 84 // struct ipt_getinfo
	xtEntriesAt  = 40 // of struct ipt_get_entries
	xtHeader     = 32 // struct xt_entry_match, xt_entry_target
	xtTableName  = "filter"
	// maxXTEntries bounds a table that is read, in bytes.
	maxXTEntries = 8 << 20
)

// xtInfo is what is told of a table: bit i of hooks is that of
// NF_INET_…, whose chain begins at entry[i].
type xtInfo struct {
	hooks uint32
	entry [5]uint32
	under [5]uint32 // the policies
	size  uint32
}

// loaded reports whether the filter table is in use. To ask the kernel for one
// that is not would load it. proc is the folder of /proc for this network.
func (f *xtFamily) loaded(root fs.FS, proc string) (bool, error) {
	text, err := fs.ReadFile(root, proc+"/"+f.names)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return slices.Contains(strings.Fields(string(text)), xtTableName), nil
}

// read returns the chains of the filter table.
func (f *xtFamily) read() ([]*fwChain, error) {
	info, entries, err := f.fetch()
	if err != nil {
		return nil, fmt.Errorf("read table %s of %s: %w", xtTableName, f.names, err)
	}
	return f.parse(parseXTInfo(info), entries)
}

// fetch returns the struct ipt_getinfo and the entries of the filter table.
func (f *xtFamily) fetch() (info, entries []byte, err error) {
	fd, err := unix.Socket(f.domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil, nil, fmt.Errorf("open raw socket: %w", err)
	}
	defer unix.Close(fd)
	for range firewallAttempts {
		info = make([]byte, xtInfoSize)
		copy(info, xtTableName)
		if err := getsockopt(fd, f.level, xtGetInfo, info); err != nil {
			return nil, nil, err
		}
		size := parseXTInfo(info).size
		if size > maxXTEntries {
			return nil, nil, fmt.Errorf("it has %d bytes, the limit is %d", size, maxXTEntries)
		}
		b := make([]byte, xtEntriesAt+int(size))
		copy(b, xtTableName)
		binary.NativeEndian.PutUint32(b[32:], size)
		err := getsockopt(fd, f.level, xtGetEntries, b)
		if errors.Is(err, unix.EAGAIN) {
			continue // the table has another size by now
		}
		return info, b[xtEntriesAt:], err
	}
	return nil, nil, errInterrupted
}

// getsockopt fills b, whose beginning says what is asked for.
func getsockopt(fd, level, name int, b []byte) error {
	size := uint32(len(b))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
		uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&size)), 0) //nolint:gosec // x/sys has no call for options of any bytes
	runtime.KeepAlive(b)
	if errno != 0 {
		return errno
	}
	return nil
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
// ERROR and the chain's name.
func (f *xtFamily) parse(info xtInfo, b []byte) ([]*fwChain, error) {
	var chains []*fwChain
	begins := make(map[int]*fwChain) // by the offset of the first rule
	policies := make(map[int]bool)
	for h, hook := range map[int]string{unix.NF_INET_LOCAL_IN: "input", unix.NF_INET_FORWARD: "forward", unix.NF_INET_LOCAL_OUT: "output"} {
		if info.hooks&(1<<h) != 0 {
			begins[int(info.entry[h])] = &fwChain{name: strings.ToUpper(hook), family: f.name, backend: "iptables", hook: hook, in: hook == "input", out: hook == "output"}
			policies[int(info.under[h])] = true
		}
	}
	type jump struct {
		from *fwChain
		to   int
		rule *fwRule
	}
	var jumps []jump
	var chain *fwChain
	ended := false
	for at := 0; at < len(b); {
		e := b[at:]
		if len(e) < f.size {
			return nil, errXTEntries
		}
		target, next := int(binary.NativeEndian.Uint16(e[f.offsets:])), int(binary.NativeEndian.Uint16(e[f.offsets+2:]))
		if target < f.size || next < target+xtHeader || next > len(e) || next%4 != 0 {
			return nil, errXTEntries
		}
		if c := begins[at]; c != nil && c != chain {
			chain, chains = c, append(chains, c)
		}
		name, data := textAttribute(e[target+2:target+31]), e[target+xtHeader:next]
		if name == "ERROR" {
			if ended = at+next == len(b); !ended { // the last one ends the table
				chain = &fwChain{name: textAttribute(data), family: f.name, backend: "iptables"}
				chains = append(chains, chain)
				begins[at+next] = chain
			}
			at += next
			continue
		}
		if chain == nil {
			return nil, errXTEntries
		}
		r := f.rule(e[:target])
		switch {
		case name != "":
			r.action, r.target = "Other", name
			if name == "REJECT" {
				r.action, r.target = "Deny", "reject"
			}
		case len(data) < 4:
			return nil, errXTEntries
		default:
			after := at + next
			r.xtVerdict(int32(binary.NativeEndian.Uint32(data)), e[f.flags]&f.goTo != 0, func(offset int32) (string, bool) {
				jumps = append(jumps, jump{chain, int(offset), r})
				return "", int(offset) != after
			})
		}
		switch {
		case policies[at]:
			chain.policy = r.action
		case chain.hook == "" && r.target == "return" && f.ends(b, at+next):
			// The end of a chain of the user's is a rule that returns.
		default:
			chain.rules = append(chain.rules, r)
		}
		at += next
	}
	if !ended || slices.ContainsFunc(chains, func(c *fwChain) bool { return c.hook != "" && c.policy == "" }) {
		return nil, errXTEntries
	}
	reach := make(map[*fwChain][]*fwChain)
	for _, j := range jumps {
		if c := begins[j.to]; c != nil && j.rule.target == "" {
			j.rule.target = c.name
			reach[j.from] = append(reach[j.from], c)
		}
	}
	for _, c := range chains {
		if c.hook != "" {
			spread(reach, c, c.in, c.out)
		}
	}
	return chains, nil
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
