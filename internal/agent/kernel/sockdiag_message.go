package kernel

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// A request to and an answer of the kernel's socket diagnosis: struct nlmsghdr
// with struct inet_diag_req_v2 or inet_diag_msg (include/uapi/linux/inet_diag.h,
// sock_diag(7)). Ports and addresses are in network order, all else in the
// machine's.
const (
	diagByFamily = 20 // SOCK_DIAG_BY_FAMILY
	diagHeader   = 16
	diagRequest  = diagHeader + 56
	diagAnswer   = diagHeader + 72 // attributes may follow

	nlError = 2 // NLMSG_ERROR
	nlDone  = 3 // NLMSG_DONE
	nlDump  = 1 | 0x300
	// nlInterrupted says that sockets changed in between: some may be missing.
	nlInterrupted = 0x10

	familyIPv4, familyIPv6   = 2, 10
	protocolTCP, protocolUDP = 6, 17
)

// diagQuestion asks for all sockets of a family (AF_INET, AF_INET6) and protocol
// (IPPROTO_TCP, IPPROTO_UDP) in the states, one bit each.
func diagQuestion(family, protocol uint8, states, seq uint32) []byte {
	p := make([]byte, diagRequest)
	binary.NativeEndian.PutUint32(p, diagRequest)
	binary.NativeEndian.PutUint16(p[4:], diagByFamily)
	binary.NativeEndian.PutUint16(p[6:], nlDump)
	binary.NativeEndian.PutUint32(p[8:], seq)
	p[diagHeader], p[diagHeader+1] = family, protocol
	binary.NativeEndian.PutUint32(p[diagHeader+4:], states)
	return p
}

var errDiag = errors.New("an answer of the socket diagnosis is malformed")

// diagReply is what a datagram ends with.
type diagReply struct {
	// done says that all was told, errno why nothing more will be.
	done  bool
	errno int32
	// interrupted says that something may be missing.
	interrupted bool
}

// parseDiag gives the sockets of a datagram with answers to the question seq.
func parseDiag(p []byte, seq uint32, protocol string, yield func(*Socket)) (diagReply, error) {
	var r diagReply
	var s Socket
	u32 := binary.NativeEndian.Uint32
	for len(p) >= diagHeader {
		n := int64(u32(p))
		if n < diagHeader || n > int64(len(p)) {
			return r, errDiag
		}
		m := p[:n]
		p = p[min((n+3)&^3, int64(len(p))):]
		if u32(m[8:]) != seq {
			continue // of a question that was given up
		}
		r.interrupted = r.interrupted || binary.NativeEndian.Uint16(m[6:])&nlInterrupted != 0
		switch binary.NativeEndian.Uint16(m[4:]) {
		case nlDone, nlError:
			r.done = true
			if len(m) >= diagHeader+4 {
				r.errno = -int32(u32(m[diagHeader:]))
			}
			return r, nil
		case diagByFamily:
			if !parseDiagSocket(m, &s) {
				return r, errDiag
			}
			s.Protocol = protocol
			yield(&s)
		}
	}
	if len(p) > 0 {
		return r, errDiag
	}
	return r, nil
}

func parseDiagSocket(m []byte, s *Socket) bool {
	if len(m) < diagAnswer {
		return false
	}
	family := m[diagHeader]
	if family != familyIPv4 && family != familyIPv6 {
		return false
	}
	*s = Socket{State: SocketState(m[diagHeader+1])}
	id := m[diagHeader+4:]
	end := func(address, port []byte) netip.AddrPort {
		return netip.AddrPortFrom(address16([16]byte(address), family == familyIPv4), binary.BigEndian.Uint16(port))
	}
	s.Local = end(id[4:20], id)
	if binary.BigEndian.Uint16(id[2:]) != 0 {
		s.Remote = end(id[20:36], id[2:])
	}
	u32 := binary.NativeEndian.Uint32
	s.cookie = uint64(u32(id[44:]))<<32 | uint64(u32(id[40:]))
	s.UID, s.Inode = u32(m[diagHeader+64:]), uint64(u32(m[diagHeader+68:]))
	return true
}
