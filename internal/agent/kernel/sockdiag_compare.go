//go:build linux

package kernel

import (
	"hash/maphash"
	"net/netip"
	"time"
)

type knownSocket struct {
	round   uint32
	pending bool // asked for, and not made yet
}

type listeningSocket struct {
	Socket

	round uint32
	owner int32
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
