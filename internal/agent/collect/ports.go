//go:build linux

package collect

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tvilling/tvilling/internal/agent/kernel"
	"github.com/tvilling/tvilling/internal/security/event"
)

const (
	// clientAge is how long a UDP socket must be open, that may be a client's,
	// to be told.
	clientAge = time.Minute
	// maxEndpoints bounds the endpoints of a snapshot, and the sockets whose
	// age is known.
	maxEndpoints = 4096
)

// PortOptions are what Ports are made with.
type PortOptions struct {
	// Owners finds processes for sockets, as kernel.Owners does, which it is if nil.
	Owners func(inodes map[uint64]int32) (denied int, err error)
	// Executable returns what a process runs, "" if that is not known.
	Executable func(pid int32) string
}

// Ports takes the endpoints at which the device takes what comes (asc §3.5
// ListeningPorts), of the network namespace that the agent is in: of TCP those
// that listen; of UDP those that are bound and not connected; raw sockets, as
// protocol "raw", whose LocalPort is the number of the IP protocol. An endpoint
// that several sockets share is told once. ExtraDetails are Pid and Executable
// of the process that has the socket.
//
// A UDP socket of a client that sends without being connected, as for a
// question to a name server, looks like a server's. One at a port of the range
// that the kernel gives to clients, and of a process, is therefore told only
// once it has been open for a minute.
type Ports struct {
	root fs.FS
	o    PortOptions

	mu sync.Mutex
	// young has when a socket was first seen that may be a client's.
	young  map[uint64]time.Time
	left   int // sockets that the last Take left out
	cut    int // endpoints beyond maxEndpoints
	denied int // processes that may not be looked at, while owners were missing
	bad    error
}

// NewPorts returns the snapshot of the device whose file system is root, such
// as os.DirFS("/").
func NewPorts(root fs.FS, o PortOptions) *Ports {
	if o.Owners == nil {
		o.Owners = kernel.Owners
	}
	if o.Executable == nil {
		o.Executable = func(pid int32) string {
			link, err := readlink(procPath("/proc", pid, "/exe"))
			if err != nil {
				return ""
			}
			return link
		}
	}
	return &Ports{root: root, o: o}
}

// Kind returns [event.ListeningPortsKind].
func (p *Ports) Kind() event.Kind { return event.ListeningPortsKind }

// Sight says what the last Take left out.
func (p *Ports) Sight() Sight {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Sight{Name: "listening ports", Extent: Partial, Source: "/proc/net"}
	switch {
	case p.bad != nil:
		s.Why = "A line of /proc/net could not be read: " + p.bad.Error() + "."
		s.Remedy = "Report it to the makers of the agent, with the version of the kernel."
	case p.cut > 0:
		s.Why = fmt.Sprintf("There are %d endpoints more than the %d that are told.", p.cut, maxEndpoints)
		s.Remedy = "Look at the device with ss -tuln."
	case p.denied > 0:
		s.Why = "The agent may not see which process has a socket."
		s.Remedy = "Give the agent the capabilities CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH."
	case p.left > 0:
		s.Why = fmt.Sprintf("%d UDP sockets at ports that the kernel gives to clients have been open for less than a minute; clients have such.", p.left)
		s.Remedy = "Nothing is to be done: those that stay open are told the next time."
	default:
		s.Extent = Full
	}
	return s
}

// endpoint is where something listens; without the inode it is what makes
// endpoints equal.
type endpoint struct {
	protocol string
	local    netip.AddrPort
	inode    uint64
}

// netTables are the files that are read, in the order of what is told.
var netTables = [...]struct{ file, protocol string }{
	{"tcp", "tcp"}, {"tcp6", "tcp"}, {"udp", "udp"}, {"udp6", "udp"}, {"raw", "raw"}, {"raw6", "raw"},
}

// Take returns the endpoints by protocol, port and address.
func (p *Ports) Take(context.Context) ([]event.Item, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all, err := p.endpoints()
	if err != nil {
		return nil, fmt.Errorf("listening ports: %w", err)
	}
	pids := make(map[uint64]int32, len(all))
	for _, e := range all {
		if e.inode != 0 {
			pids[e.inode] = 0
		}
	}
	denied, err := p.o.Owners(pids)
	if err != nil {
		return nil, fmt.Errorf("listening ports: %w", err)
	}
	p.denied = 0
	executables := make(map[int32]string)
	items := make([]event.Item, 0, len(all))
	for _, e := range all {
		it := &event.ListeningPorts{
			Protocol: e.protocol, LocalAddress: e.local.Addr().String(), LocalPort: strconv.Itoa(int(e.local.Port())),
			RemoteAddress: "0.0.0.0", RemotePort: "*",
		}
		if e.local.Addr().Is6() {
			it.RemoteAddress = "::"
		}
		switch pid := pids[e.inode]; {
		case pid > 0:
			name, ok := executables[pid]
			if !ok {
				name = p.o.Executable(pid)
				executables[pid] = name
			}
			it.Extra = detail(event.Details{{Name: "Pid", Value: strconv.Itoa(int(pid))}}, "Executable", name)
		case e.inode != 0:
			p.denied = denied
		}
		items = append(items, it)
	}
	return items, nil
}

// endpoints returns all endpoints, each once, and keeps what it left out.
func (p *Ports) endpoints() ([]endpoint, error) {
	low, high := p.clientPorts()
	now := time.Now()
	seen := make(map[uint64]time.Time)
	p.left, p.cut, p.bad = 0, 0, nil
	var all []endpoint
	missing := 0
	for _, t := range netTables {
		malformed, err := p.read(t.file, t.protocol, func(s *kernel.Socket) bool {
			switch {
			case t.protocol == "tcp" && s.State != kernel.Listening,
				t.protocol != "tcp" && (s.State != kernel.Closed || s.Remote.IsValid()),
				t.protocol == "udp" && s.Local.Port() == 0:
				return true
			}
			if port := s.Local.Port(); t.protocol == "udp" && s.Inode != 0 && port >= low && port <= high {
				first, ok := p.young[s.Inode]
				if !ok {
					first = now
				}
				if len(seen) < maxEndpoints {
					seen[s.Inode] = first
				}
				if now.Sub(first) < clientAge {
					p.left++
					return true
				}
			}
			if len(all) >= 2*maxEndpoints { // twice, since some are equal
				p.cut++
				return true
			}
			all = append(all, endpoint{t.protocol, s.Local, s.Inode})
			return true
		})
		switch {
		case errors.Is(err, fs.ErrNotExist): // the kernel has not that protocol
			missing++
		case err != nil:
			return nil, err
		}
		p.bad = cmp.Or(p.bad, malformed)
	}
	if missing == len(netTables) {
		return nil, errors.New("there is no /proc/net: mount procfs at /proc")
	}
	p.young = seen
	slices.SortFunc(all, func(a, b endpoint) int {
		return cmp.Or(cmp.Compare(a.protocol, b.protocol), cmp.Compare(a.local.Port(), b.local.Port()), a.local.Addr().Compare(b.local.Addr()), cmp.Compare(a.inode, b.inode))
	})
	all = slices.CompactFunc(all, func(a, b endpoint) bool { return a.protocol == b.protocol && a.local == b.local })
	if len(all) > maxEndpoints {
		p.cut += len(all) - maxEndpoints
		all = all[:maxEndpoints]
	}
	return all, nil
}

// netPiece is how much of a table is read at a time. Tables of gateways have
// megabytes.
const netPiece = 16 << 10

// read gives the sockets of a table of /proc/net. It returns what is wrong with
// the first line that is malformed, too.
func (p *Ports) read(file, protocol string, yield func(*kernel.Socket) bool) (malformed, err error) {
	f, err := p.root.Open("proc/net/" + file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buf := make([]byte, netPiece)
	kept := 0
	for {
		n, err := f.Read(buf[kept:])
		if err != nil && !errors.Is(err, io.EOF) {
			return malformed, err
		}
		filled := kept + n
		whole := bytes.LastIndexByte(buf[:filled], '\n') + 1
		if err != nil || whole == 0 && filled == len(buf) {
			whole = filled // the end; or a line that is none
		}
		malformed = cmp.Or(malformed, kernel.ParseNet(buf[:whole], protocol, yield))
		if err != nil {
			return malformed, nil
		}
		kept = copy(buf, buf[whole:filled])
	}
}

// clientPorts returns the range of ports that the kernel gives to sockets that
// ask for none (ip(7), ip_local_port_range).
func (p *Ports) clientPorts() (low, high uint16) {
	low, high = 32768, 60999
	text, err := textOf(p.root, "proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return low, high
	}
	first, last, _ := strings.Cut(text, "\t")
	l, err1 := strconv.ParseUint(first, 10, 16)
	h, err2 := strconv.ParseUint(last, 10, 16)
	if err1 != nil || err2 != nil {
		return low, high
	}
	return uint16(l), uint16(h)
}
