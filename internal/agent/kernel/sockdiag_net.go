package kernel

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// SocketState is the state of a socket, with the numbers of
// include/net/tcp_states.h. UDP uses two of them.
type SocketState uint8

// The states. From FinWait1 on, without Closed and Listening, a connection was
// made and is being closed.
const (
	Established SocketState = 1 // UDP: connected
	SynSent     SocketState = 2
	FinWait1    SocketState = 4
	FinWait2    SocketState = 5
	TimeWait    SocketState = 6
	Closed      SocketState = 7 // UDP: not connected
	CloseWait   SocketState = 8
	LastAck     SocketState = 9
	Listening   SocketState = 10
	Closing     SocketState = 11
)

// Socket is a TCP or UDP socket of this network namespace.
type Socket struct {
	// Protocol is "tcp" or "udp".
	Protocol string
	State    SocketState
	// Local is the own end. Its port is 0 of a socket that is bound to none.
	Local netip.AddrPort
	// Remote is the other end, zero if there is none. IPv4 addresses are never
	// in IPv6 form, but the wildcard address of a socket of both is "::".
	Remote netip.AddrPort
	// UID is the user who owns the socket.
	UID uint32
	// Inode is its number as in the links of /proc/PID/fd; 0 of a socket that no
	// process has.
	Inode uint64

	cookie uint64 // the kernel's name for it, unique while it lasts; 0 from /proc/net
}

// ParseNet gives the sockets in /proc/net/tcp, tcp6, udp or udp6
// (proc_pid_net(5)) until yield returns false; protocol is "tcp" or "udp". The
// Socket is valid during the call. A malformed line is left out; the error is
// of the first.
func ParseNet(b []byte, protocol string, yield func(*Socket) bool) error {
	var first error
	var s Socket
	number := 0
	for line := range bytes.Lines(b) {
		number++
		if number == 1 && bytes.Contains(line, []byte("local_address")) || len(bytes.TrimSpace(line)) == 0 {
			continue // the head
		}
		if err := parseNetLine(line, &s); err != nil {
			if first == nil {
				first = fmt.Errorf("sockets of %s, line %d: %w", protocol, number, err)
			}
			continue
		}
		s.Protocol = protocol
		if !yield(&s) {
			break
		}
	}
	return first
}

var errNetLine = errors.New("malformed")

// parseNetLine reads a line: number, local and remote end, state, queues, timer,
// retransmissions, user, timeout, inode.
func parseNetLine(line []byte, s *Socket) error {
	*s = Socket{}
	i := -1
	for word := range bytes.FieldsSeq(line) {
		i++
		ok := true
		switch i {
		case 1:
			s.Local, ok = parseEnd(word)
		case 2:
			s.Remote, ok = parseEnd(word)
		case 3:
			n, err := strconv.ParseUint(string(word), 16, 8)
			s.State, ok = SocketState(n), err == nil
		case 7:
			n, err := strconv.ParseUint(string(word), 10, 32)
			s.UID, ok = uint32(n), err == nil
		case 9:
			n, err := strconv.ParseUint(string(word), 10, 64)
			if err != nil {
				return errNetLine
			}
			s.Inode = n
			if s.Remote.Port() == 0 {
				s.Remote = netip.AddrPort{}
			}
			return nil
		}
		if !ok {
			return errNetLine
		}
	}
	return errNetLine
}

// parseEnd reads an end of a socket, such as "0100007F:0016": words of the
// address as the machine reads them, and the port.
func parseEnd(word []byte) (netip.AddrPort, bool) {
	address, port, ok := bytes.Cut(word, []byte(":"))
	if !ok || len(address) != 8 && len(address) != 32 {
		return netip.AddrPort{}, false
	}
	var b [16]byte
	if _, err := hex.Decode(b[:], address); err != nil {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(address)/2; i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	n, err := strconv.ParseUint(string(port), 16, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(address16(b, len(address) == 8), uint16(n)), true
}

func address16(b [16]byte, v4 bool) netip.Addr {
	if v4 {
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	return netip.AddrFrom16(b).Unmap()
}

// parseSocketLink reads what a link of /proc/PID/fd to a socket says, such as
// "socket:[123]".
func parseSocketLink(p []byte) (inode uint64, ok bool) {
	s, ok := strings.CutPrefix(string(p), "socket:[")
	if !ok {
		return 0, false
	}
	if s, ok = strings.CutSuffix(s, "]"); !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}
