package kernel

import (
	"encoding/binary"
	"errors"
)

// A message of the proc connector: struct nlmsghdr, struct cn_msg, struct
// proc_event (include/uapi/linux/{netlink,connector,cn_proc}.h), in the
// machine's byte order.
const (
	cnNetlink = 16 // where cn_msg begins
	cnAck     = cnNetlink + 12
	cnLength  = cnNetlink + 16
	cnEvent   = cnNetlink + 20 // where proc_event begins
	cnTime    = cnEvent + 8
	cnData    = cnEvent + 16 // where what depends on the event begins

	// forkChild is the thread that was made, with forkGroup its process.
	forkParent = cnData + 4
	forkChild  = cnData + 8
	forkGroup  = cnData + 12
	// exitThread ended, with exitGroup its process.
	exitThread = cnData
	exitGroup  = cnData + 4
	exitStatus = cnData + 8
	exitParent = cnData + 20 // since Linux 4.18
	execGroup  = cnData + 4
	ackError   = cnData

	// cnIndex and cnValue name the proc connector: CN_IDX_PROC, CN_VAL_PROC.
	cnIndex = 1
	cnValue = 1
	// cnBytes is the most that a message of it has.
	cnBytes = cnData + 24
)

// The events, enum proc_cn_event.
const (
	cnNone = 0 // the answer to a request
	cnFork = 1
	cnExec = 2
	cnExit = 0x80000000
)

// The requests, enum proc_cn_mcast_op.
const (
	cnListen = 1
	cnIgnore = 2
)

// cnMessage is what a message says.
type cnMessage struct {
	what uint32
	// ack is, in an answer, one more than the mark of the request.
	ack uint32
	// since is in nanoseconds of CLOCK_MONOTONIC.
	since       uint64
	pid, parent int32
	// thread says that it is about a thread, and not a process.
	thread bool
	// status is how the process ended, or an errno in an answer.
	status int32
}

var errConnector = errors.New("a message of the proc connector is malformed")

func parseConnector(p []byte) (cnMessage, error) {
	if len(p) < cnData+4 {
		return cnMessage{}, errConnector
	}
	u32 := binary.NativeEndian.Uint32
	if length := u32(p); length < cnData+4 || uint64(length) > uint64(len(p)) {
		return cnMessage{}, errConnector
	}
	p = p[:u32(p)]
	if n := int(binary.NativeEndian.Uint16(p[cnLength:])); u32(p[cnNetlink:]) != cnIndex || u32(p[cnNetlink+4:]) != cnValue || n > len(p)-cnEvent {
		return cnMessage{}, errConnector
	}
	m := cnMessage{what: u32(p[cnEvent:]), ack: u32(p[cnAck:]), since: binary.NativeEndian.Uint64(p[cnTime:])}
	need := cnData + 4
	switch m.what {
	case cnFork:
		need = forkGroup + 4
	case cnExec:
		need = execGroup + 4
	case cnExit:
		need = exitStatus + 4
	}
	if len(p) < need {
		return cnMessage{}, errConnector
	}
	i32 := func(at int) int32 { return int32(u32(p[at:])) }
	switch m.what {
	case cnNone:
		m.status = i32(ackError)
	case cnFork:
		m.pid, m.parent, m.thread = i32(forkGroup), i32(forkParent), i32(forkChild) != i32(forkGroup)
	case cnExec:
		m.pid = i32(execGroup)
	case cnExit:
		m.pid, m.status, m.thread = i32(exitGroup), i32(exitStatus), i32(exitThread) != i32(exitGroup)
		if len(p) >= exitParent+4 {
			m.parent = i32(exitParent)
		}
	}
	return m, nil
}

// connectorRequest is a message to the proc connector. The answer has its mark;
// the sequence number is the kernel's own count.
func connectorRequest(op, mark uint32) []byte {
	p := make([]byte, cnEvent+4)
	put := binary.NativeEndian.PutUint32
	put(p, uint32(len(p)))
	binary.NativeEndian.PutUint16(p[4:], 3) // NLMSG_DONE
	put(p[cnNetlink:], cnIndex)
	put(p[cnNetlink+4:], cnValue)
	put(p[cnAck:], mark)
	binary.NativeEndian.PutUint16(p[cnLength:], 4)
	put(p[cnEvent:], op)
	return p
}
