package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"time"
)

// A record is what the programs put into the ring, in the machine's byte order:
//
//	 0  u8    kind (Kind)
//	 1  u8    flags
//	 2  u16   of Exec the length of the path, with its NUL; of a connection the family
//	 4  u32   process (thread group)
//	 8  u64   nanoseconds of CLOCK_BOOTTIME
//	16  u32   parent's process
//	20  u32   real user
//	24  u32   of Exec the length of the arguments; of Exit the status
//	28  u16   of a connection the local port, in network order
//	30  u16   … and the remote one
//	32  [16]  the kernel's short name, padded with NUL
//	48        of Exec the path and the arguments; of a connection the local and
//	          the remote address, of 16 bytes each
const (
	recKind   = 0
	recFlags  = 1
	recPath   = 2
	recFamily = 2
	recPID    = 4
	recTime   = 8
	recParent = 16
	recUID    = 20
	recArgs   = 24
	recStatus = 24
	recLocal  = 28
	recRemote = 30
	recName   = 32
	recHead   = 48
	recSocket = recHead + 32
)

// The flags of a record.
const (
	flagUID         = 1
	flagArgsCut     = 2
	flagArgsMissing = 4
)

const (
	// nameBytes is TASK_COMM_LEN.
	nameBytes = 16
	// pathBytes is PATH_MAX, argsBytes the most arguments of one Exec; both
	// with their NULs.
	pathBytes = 4096
	argsBytes = 4096
)

var errRecord = errors.New("a record of the ring is malformed")

// decodeRecord puts what a record says into h, whose bytes are the record's.
// wall is the wall time at which CLOCK_BOOTTIME was zero.
func decodeRecord(p []byte, wall time.Time, h *Happening) error {
	if len(p) < recHead {
		return errRecord
	}
	order := binary.NativeEndian
	flags := p[recFlags]
	*h = Happening{
		Kind:        Kind(p[recKind]),
		At:          wall.Add(time.Duration(order.Uint64(p[recTime:]))),
		PID:         int32(order.Uint32(p[recPID:])),
		ParentPID:   int32(order.Uint32(p[recParent:])),
		HasUID:      flags&flagUID != 0,
		Name:        untilNUL(p[recName:recHead]),
		ArgsCut:     flags&flagArgsCut != 0,
		ArgsMissing: flags&flagArgsMissing != 0,
	}
	if h.HasUID {
		h.UID = order.Uint32(p[recUID:])
	}
	switch h.Kind {
	case Fork:
	case Exit:
		h.Status = int32(order.Uint32(p[recStatus:]))
	case Exec:
		path, args := int(order.Uint16(p[recPath:])), order.Uint32(p[recArgs:])
		rest := p[recHead:]
		if path > len(rest) || args > argsBytes || int(args) > len(rest)-path {
			return errRecord
		}
		h.Path, h.Args = untilNUL(rest[:path]), rest[path:path+int(args)]
	case Connect, Refused, Accept, Listen, Unlisten:
		if len(p) < recSocket {
			return errRecord
		}
		return decodeSocket(p, h)
	default:
		return errRecord
	}
	return nil
}

// The address families of sockets, AF_INET and AF_INET6.
const (
	familyInet  = 2
	familyInet6 = 10
)

func decodeSocket(p []byte, h *Happening) error {
	var local, remote netip.Addr
	switch binary.NativeEndian.Uint16(p[recFamily:]) {
	case familyInet:
		local, remote = netip.AddrFrom4([4]byte(p[recHead:])), netip.AddrFrom4([4]byte(p[recHead+16:]))
	case familyInet6:
		local, remote = netip.AddrFrom16([16]byte(p[recHead:])).Unmap(), netip.AddrFrom16([16]byte(p[recHead+16:])).Unmap()
	default:
		return errRecord
	}
	h.Protocol = "tcp"
	h.Local = netip.AddrPortFrom(local, binary.BigEndian.Uint16(p[recLocal:]))
	if h.Kind != Listen && h.Kind != Unlisten { // those have no other end
		h.Remote = netip.AddrPortFrom(remote, binary.BigEndian.Uint16(p[recRemote:]))
	}
	return nil
}

func untilNUL(p []byte) []byte {
	before, _, _ := bytes.Cut(p, []byte{0})
	return before
}
