//go:build linux

package kernel

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"net/netip"
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

type knownSocket struct {
	round   uint32
	pending bool // asked for, and not made yet
}

type listeningSocket struct {
	Socket

	round uint32
	owner int32
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

// look lists all sockets, and tells of what is new or gone.
func (s *sockets) look() error {
	s.round++
	s.fresh, s.opened, s.beyond = s.fresh[:0], s.opened[:0], 0
	whole := true
	for i := range s.tables {
		t := &s.tables[i]
		all, err := t.from.dump(&t.socketTable, s.see)
		if err != nil {
			return err
		}
		whole = whole && all
	}
	now := time.Now().Round(0)
	if s.round > 1 {
		if err := s.findOwners(); err != nil {
			return err
		}
	}
	for i := range s.opened {
		s.tellListening(&s.opened[i], now)
	}
	for i := range s.fresh {
		s.tellConnection(&s.fresh[i], now)
	}
	if whole {
		s.forget(now)
	}
	if s.beyond > s.told {
		s.lost(s.beyond-s.told, "too many sockets")
	}
	s.told = s.beyond
	if cap(s.fresh) > 64 && len(s.fresh) < 16 {
		s.fresh = nil // a storm is over
	}
	return nil
}

// id tells sockets apart. /proc/net has no name for them, and the inode of an
// accepted one changes.
func (s *sockets) id(k *Socket) uint64 {
	if k.cookie != 0 {
		return k.cookie
	}
	type ends struct {
		protocol      string
		local, remote netip.AddrPort
	}
	return maphash.Comparable(s.seed, ends{k.Protocol, k.Local, k.Remote})
}

// see takes a socket that is there.
func (s *sockets) see(k *Socket) {
	id := s.id(k)
	if k.State == Listening && k.Protocol == "tcp" {
		s.ports[k.Local.Port()] = s.round
		old, known := s.listening[id]
		switch {
		case known:
			old.round = s.round
			s.listening[id] = old
		case len(s.listening) >= socketsListening:
			s.beyond++
		default:
			s.listening[id] = listeningSocket{Socket: *k, round: s.round}
			s.opened = append(s.opened, *k)
		}
		return
	}
	if !k.Remote.IsValid() {
		return
	}
	old, known := s.known[id]
	pending := k.State == SynSent
	if !known && len(s.known) >= socketsKnown {
		s.beyond++
		return
	}
	if !pending && (!known || old.pending) && s.round > 1 {
		if len(s.fresh) >= socketsFresh {
			s.lost(1, "too many sockets")
		} else {
			s.fresh = append(s.fresh, *k)
		}
	}
	s.known[id] = knownSocket{s.round, pending}
}

// accepted reports whether somebody else asked for a connection. The port may
// have been closed since the last look.
func (s *sockets) accepted(k *Socket) bool {
	round, listens := s.ports[k.Local.Port()]
	return listens && k.Protocol == "tcp" && round+1 >= s.round
}

// findOwners finds the processes of what is told of in their name.
func (s *sockets) findOwners() error {
	clear(s.wanted)
	clear(s.users)
	want := func(k *Socket) {
		if k.Inode != 0 {
			s.wanted[k.Inode] = 0
			s.users[k.UID] = true
		}
	}
	for i := range s.opened {
		want(&s.opened[i])
	}
	for i := range s.fresh {
		if !s.accepted(&s.fresh[i]) {
			want(&s.fresh[i])
		}
	}
	if len(s.wanted) == 0 {
		return nil
	}
	_, err := s.owners.find(s.wanted, s.users)
	return err
}

func (s *sockets) tellListening(k *Socket, now time.Time) {
	id := s.id(k)
	l := s.listening[id]
	l.owner = s.wanted[k.Inode]
	s.listening[id] = l
	s.tell(Listen, k, l.owner, now)
}

func (s *sockets) tellConnection(k *Socket, now time.Time) {
	if s.accepted(k) {
		s.tell(Accept, k, 0, now)
		return
	}
	s.tell(Connect, k, s.wanted[k.Inode], now)
}

func (s *sockets) tell(kind Kind, k *Socket, owner int32, now time.Time) {
	if owner != 0 && owner == s.self {
		return
	}
	// A socket without a process has lost its user, too.
	s.it = Happening{
		Kind: kind, At: now, PID: owner, UID: k.UID, HasUID: k.Inode != 0,
		Protocol: k.Protocol, Local: k.Local, Remote: k.Remote,
	}
	s.handle(&s.it)
}

// forget forgets what is gone. The kernel lists sockets in parts, and one may be
// left out when others change: so what is missing once is not gone yet.
func (s *sockets) forget(now time.Time) {
	for id, k := range s.known {
		if k.round+1 < s.round {
			delete(s.known, id)
			if k.pending {
				s.lost(1, "outcome not seen")
			}
		}
	}
	for id, l := range s.listening {
		if l.round+1 < s.round {
			delete(s.listening, id)
			s.tell(Unlisten, &l.Socket, l.owner, now)
		}
	}
	for port, round := range s.ports {
		if round+1 < s.round {
			delete(s.ports, port)
		}
	}
}
