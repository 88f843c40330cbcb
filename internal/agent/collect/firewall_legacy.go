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
	fd, err := unix.Socket(f.domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open socket: %w", err)
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
