//go:build linux

package kernel

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"
)

const (
	diagName = "sock_diag"
	netName  = "/proc/net"
	// socketInterval is how often sockets are looked at, unless told otherwise.
	socketInterval = 2 * time.Second
	// socketCost bounds what that takes: one part in so many of one core. Unlike
	// polling it goes on when nothing happens.
	socketCost = 1000
	// socketsKnown bounds the connections that are known, socketsFresh those
	// that are told of after one look, socketsListening the listening sockets.
	socketsKnown     = 16 << 10
	socketsFresh     = 1 << 10
	socketsListening = 2 << 10
)

// SocketOptions say what a source of sockets looks at.
type SocketOptions struct {
	// Interval is how often it looks; 0 is two seconds.
	Interval time.Duration
	// UDPOnly leaves out TCP.
	UDPOnly bool
	// Self is a process whose sockets are left out; 0 leaves out none.
	Self int32
}

// sockets is the source that compares what sockets there are, again and again.
type sockets struct {
	proc     *procDir
	diag     *diagDumper // nil if there is none
	name     string
	tables   []watchedTable
	owners   ownerFinder
	interval time.Duration
	self     int32

	round     uint32
	known     map[uint64]knownSocket
	listening map[uint64]listeningSocket
	ports     map[uint16]uint32 // local ports of TCP that listen, with the round
	fresh     []Socket          // connections that are new in this round
	opened    []Socket          // listening sockets that are
	wanted    map[uint64]int32  // inodes, with their processes
	users     map[uint32]bool
	beyond    uint64 // more than are known, in this round
	told      uint64 // of beyond
	seed      maphash.Seed

	handle func(*Happening)
	lost   func(n uint64, why string)
	it     Happening
}

type watchedTable struct {
	socketTable

	from dumper
}

// OpenSockets compares, again and again, what sockets there are: Connect and
// Accept, Listen and Unlisten of TCP, Connect of UDP sockets with a remote end.
// What comes and goes between two looks is not seen, and Refused never is. A
// connection at a local port that listens is Accept. It sees its own network
// namespace only.
//
// The kernel is asked by sock_diag(7), and where it has not that the sockets are
// read from /proc/net; the Reason says so. Neither needs rights, but without
// CAP_SYS_PTRACE the processes of other users' sockets are not known.
func OpenSockets(o SocketOptions) (Source, *Reason, error) {
	return openSockets(procPath, o, true)
}

func openSockets(path string, o SocketOptions, diag bool) (*sockets, *Reason, error) {
	proc, err := openProc(path)
	if err != nil {
		return nil, nil, fmt.Errorf("open sockets: %w", err)
	}
	s := &sockets{
		proc: proc, owners: ownerFinder{proc: proc}, interval: o.Interval, self: o.Self, name: diagName,
		known: map[uint64]knownSocket{}, listening: map[uint64]listeningSocket{}, ports: map[uint16]uint32{},
		wanted: map[uint64]int32{}, users: map[uint32]bool{}, seed: maphash.MakeSeed(),
	}
	if s.interval <= 0 {
		s.interval = socketInterval
	}
	why := errors.New("it is not to be used")
	if diag {
		s.diag, why = openDiag()
	}
	var reason *Reason
	for _, t := range socketTables {
		if o.UDPOnly && t.number != protocolUDP {
			continue
		}
		from, err := s.dumperOf(&t)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the kernel has not IPv6
		}
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("open sockets: %w", err), s.Close())
		}
		if _, slow := from.(*procDumper); slow && reason == nil {
			s.name = netName
			text := "The kernel has no socket diagnosis for " + t.protocol + "."
			if s.diag == nil {
				text = "The kernel's socket diagnosis cannot be used: " + why.Error() + "."
			}
			reason = &Reason{diagName, text, "Use a kernel with CONFIG_INET_DIAG and CONFIG_INET_UDP_DIAG, and load its modules."}
		}
		s.tables = append(s.tables, watchedTable{t, from})
	}
	if len(s.tables) == 0 {
		return nil, nil, errors.Join(errors.New("open sockets: the kernel shows none, neither by sock_diag nor in /proc/net"), s.Close())
	}
	// What is there now is no news.
	s.handle, s.lost = func(*Happening) {}, func(uint64, string) {}
	if err := s.look(); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open sockets: %w", err), s.Close())
	}
	return s, reason, nil
}

// dumperOf chooses who lists a table.
func (s *sockets) dumperOf(t *socketTable) (dumper, error) {
	if s.diag != nil {
		if _, err := s.diag.dump(t, func(*Socket) {}); err == nil {
			return s.diag, nil
		}
	}
	d := &procDumper{s.proc}
	_, err := d.dump(t, func(*Socket) {})
	return d, err
}

// Name is "sock_diag" or "/proc/net".
func (s *sockets) Name() string { return s.name }

// Run implements Source. lost is told "too many sockets" of those that are more
// than it keeps in mind, and "outcome not seen" of connections that were asked
// for and of which it is not known whether they were made.
func (s *sockets) Run(ctx context.Context, handle func(*Happening), lost func(n uint64, why string)) error {
	s.handle, s.lost = handle, lost
	timer := time.NewTimer(s.interval)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		start := time.Now()
		if err := s.look(); err != nil {
			return fmt.Errorf("run %s: %w", s.name, err)
		}
		timer.Reset(min(max(s.interval, socketCost*time.Since(start)), pollLongest))
	}
}

// Close closes what was opened.
func (s *sockets) Close() error {
	s.proc.close()
	if s.diag != nil {
		if err := unix.Close(s.diag.fd); err != nil {
			return fmt.Errorf("close %s: %w", s.name, err)
		}
	}
	return nil
}
