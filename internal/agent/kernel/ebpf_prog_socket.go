//go:build linux

package kernel

import (
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// The states of TCP, as in include/net/tcp_states.h.
const (
	tcpEstablished = 1
	tcpSynSent     = 2
	tcpSynRecv     = 3
	tcpClose       = 7
	tcpListen      = 10
)

// A socket that waits for an answer is remembered with who asked, since the
// answer comes in no process's name.
const (
	pendingSockets = 2048
	// pendingBytes is process, user and short name.
	pendingBytes = 8 + nameBytes
)

// socket is the program at inet_sock_set_state(socket, old, new).
//
//	new SYN_SENT                            remember who asks
//	SYN_SENT or SYN_RECV to ESTABLISHED     Connect if remembered, else Accept of SYN_RECV
//	SYN_SENT to CLOSE                       Refused
//	new LISTEN                              Listen
//	LISTEN to CLOSE                         Unlisten
//
// SYN_RECV follows SYN_SENT when both ends connect to each other at once.
func (b *builder) socket() {
	b.emit(
		asm.LoadMem(asm.R7, asm.R1, 0, asm.DWord),
		asm.LoadMem(asm.R8, asm.R1, 8, asm.DWord),
		asm.LoadMem(asm.R9, asm.R1, 16, asm.DWord),
		// Most changes are none of these; they cost next to nothing.
		asm.JEq.Imm(asm.R9, tcpSynSent, "protocol"),
		asm.JEq.Imm(asm.R9, tcpListen, "protocol"),
		asm.JEq.Imm(asm.R8, tcpSynSent, "protocol"),
		asm.JEq.Imm(asm.R8, tcpSynRecv, "protocol"),
		asm.JNE.Imm(asm.R8, tcpListen, "end"),
		asm.JNE.Imm(asm.R9, tcpClose, "end"),
	)
	b.place("protocol")
	protocol, size := b.fields["sock.sk_protocol"], asm.Half
	if protocol.size == 1 {
		size = asm.Byte
	}
	b.read(asm.R10, slotA, int32(protocol.size), asm.R7, protocol.offset)
	b.emit(
		asm.LoadMem(asm.R1, asm.R10, slotA, size),
		asm.JNE.Imm(asm.R1, unix.IPPROTO_TCP, "end"),
	)
	b.clear()
	b.emit(
		asm.StoreMem(asm.R10, slotB, asm.R7, asm.DWord), // the key
		asm.JEq.Imm(asm.R9, tcpSynSent, "remember"),
		asm.JEq.Imm(asm.R9, tcpListen, "listen"),
		asm.JEq.Imm(asm.R8, tcpListen, "unlisten"),
		// An answer to SYN_SENT, or a step of SYN_RECV.
		asm.JNE.Imm(asm.R8, tcpSynSent, "answer"),
		asm.JEq.Imm(asm.R9, tcpSynRecv, "end"), // both ends connect: it goes on
	)
	b.place("answer")
	b.recall()
	b.listen()
	b.place("tell")
	b.ends()
	b.stamp(asm.R10, slotRec)
	b.output(asm.R10, slotRec, asm.R0, recSocket)
	b.emit(asm.Ja.Label("end"))
	b.remember()
}

// pendingMap puts the map of who asked into R1 and the key into R2.
func (b *builder) pendingMap() {
	b.emit(
		asm.LoadMapPtr(asm.R1, b.maps.pending),
		asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, slotB),
	)
}

// remember notes the current process as who asked, by the socket in R7.
func (b *builder) remember() {
	b.place("remember")
	b.emit(
		asm.FnGetCurrentPidTgid.Call(),
		asm.RSh.Imm(asm.R0, 32),
		asm.StoreMem(asm.R10, slotRec, asm.R0, asm.Word),
	)
	b.user(asm.R10, slotRec+4)
	b.name(asm.R10, slotRec+8)
	b.pendingMap()
	b.emit(
		asm.Mov.Reg(asm.R3, asm.R10), asm.Add.Imm(asm.R3, slotRec),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnMapUpdateElem.Call(),
	)
}

// recall finds out what an answer is, and in whose name.
func (b *builder) recall() {
	b.pendingMap()
	b.emit(
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "unknown"),
		asm.LoadMem(asm.R6, asm.R0, 0, asm.Word),
		asm.StoreMem(asm.R10, slotRec+recPID, asm.R6, asm.Word),
		asm.LoadMem(asm.R1, asm.R0, 4, asm.Word),
		asm.StoreMem(asm.R10, slotRec+recUID, asm.R1, asm.Word),
		asm.LoadMem(asm.R1, asm.R0, 8, asm.DWord),
		asm.StoreMem(asm.R10, slotRec+recName, asm.R1, asm.DWord),
		asm.LoadMem(asm.R1, asm.R0, 16, asm.DWord),
		asm.StoreMem(asm.R10, slotRec+recName+8, asm.R1, asm.DWord),
	)
	b.store(asm.R10, slotRec+recFlags, flagUID)
	b.pendingMap()
	b.emit(
		asm.FnMapDeleteElem.Call(),
		asm.JEq.Imm(asm.R6, b.self, "end"),
		asm.Ja.Label("asked"),
	)
	b.place("unknown") // it was asked for before we looked, or by somebody else
	b.emit(
		asm.JEq.Imm(asm.R8, tcpSynSent, "asked"),
		asm.JNE.Imm(asm.R9, tcpEstablished, "end"),
	)
	b.store(asm.R10, slotRec+recKind, int64(Accept))
	b.emit(asm.Ja.Label("tell"))
	b.place("asked")
	b.emit(asm.JEq.Imm(asm.R9, tcpEstablished, "connected"), asm.JNE.Imm(asm.R9, tcpClose, "end"))
	b.store(asm.R10, slotRec+recKind, int64(Refused))
	b.emit(asm.Ja.Label("tell"))
	b.place("connected")
	b.store(asm.R10, slotRec+recKind, int64(Connect))
	b.emit(asm.Ja.Label("tell"))
}

// listen is Listen, in the current process's name, and Unlisten, in nobody's:
// a socket can be closed by whoever has it last.
func (b *builder) listen() {
	b.place("listen")
	b.process()
	b.emit(asm.StoreMem(asm.R10, slotRec+recPID, asm.R0, asm.Word))
	b.user(asm.R10, slotRec+recUID)
	b.name(asm.R10, slotRec+recName)
	b.store(asm.R10, slotRec+recKind, int64(Listen))
	b.store(asm.R10, slotRec+recFlags, flagUID)
	b.emit(asm.Ja.Label("tell"))
	b.place("unlisten")
	b.store(asm.R10, slotRec+recKind, int64(Unlisten))
}

// ends writes the family, addresses and ports of the socket in R7.
func (b *builder) ends() {
	common := func(member string) uint32 { return b.fields["sock_common."+member].offset } // the first member of a socket
	b.read(asm.R10, slotRec+recFamily, 2, asm.R7, common("skc_family"))
	b.read(asm.R10, slotRec+recRemote, 2, asm.R7, common("skc_dport"))
	b.read(asm.R10, slotRec+recLocal, 2, asm.R7, b.fields["inet_sock.inet_sport"].offset)
	b.emit(asm.LoadMem(asm.R1, asm.R10, slotRec+recFamily, asm.Half))
	done := b.label()
	if _, ok := b.fields["sock_common.skc_v6_daddr"]; ok {
		four := b.label()
		b.emit(asm.JNE.Imm(asm.R1, familyInet6, four))
		b.read(asm.R10, slotRec+recHead, 16, asm.R7, common("skc_v6_rcv_saddr"))
		b.read(asm.R10, slotRec+recHead+16, 16, asm.R7, common("skc_v6_daddr"))
		b.emit(asm.Ja.Label(done))
		b.place(four)
		b.emit(asm.LoadMem(asm.R1, asm.R10, slotRec+recFamily, asm.Half))
	}
	b.emit(asm.JNE.Imm(asm.R1, familyInet, "end"))
	b.read(asm.R10, slotRec+recHead, 4, asm.R7, common("skc_rcv_saddr"))
	b.read(asm.R10, slotRec+recHead+16, 4, asm.R7, common("skc_daddr"))
	b.place(done)
}
