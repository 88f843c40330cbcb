//go:build linux

package kernel

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// taskFields and socketFields are what the programs read of the kernel's
// structures; optionalFields may be missing (a kernel without IPv6).
var (
	taskFields = []string{
		"task_struct.pid", "task_struct.tgid", "task_struct.flags", "task_struct.exit_code",
		"task_struct.real_parent", "task_struct.group_leader", "task_struct.mm", "task_struct.signal",
		"signal_struct.live", "signal_struct.flags", "signal_struct.group_exit_code",
		"mm_struct.arg_start", "mm_struct.arg_end", "linux_binprm.filename",
	}
	socketFields = []string{
		"sock.sk_protocol", "sock_common.skc_family", "sock_common.skc_dport",
		"sock_common.skc_daddr", "sock_common.skc_rcv_saddr", "inet_sock.inet_sport",
	}
	optionalFields = []string{"sock_common.skc_v6_daddr", "sock_common.skc_v6_rcv_saddr"}
)

// maps are the descriptors of the maps that the programs use.
type maps struct {
	ring, lost, scratch, pending int
}

// builder writes one program. The first 4 registers that calls keep, R6 to R9,
// hold what a program needs; the stack below R10 has the record at its lower
// end and two words for what is read in between.
type builder struct {
	asm.Instructions
	fields  fields
	pointer asm.Size
	self    int32
	maps    maps
	labels  int
	here    string // the label of what comes next
}

// Places on the stack, relative to R10.
const (
	slotA   = -8
	slotB   = -16
	slotRec = slotB - recSocket
)

func (b *builder) emit(ins ...asm.Instruction) {
	if b.here != "" {
		ins[0], b.here = ins[0].WithSymbol(b.here), ""
	}
	b.Instructions = append(b.Instructions, ins...)
}

// label is a new label, to be placed with place.
func (b *builder) label() string {
	b.labels++
	return "l" + strconv.Itoa(b.labels)
}

// place puts a label on the next instruction. Two on one are refused at the
// end, since a jump then leads nowhere.
func (b *builder) place(label string) { b.here = label }

// finish ends the program, at the label "end", too, and returns its code.
func (b *builder) finish() ([]byte, error) {
	b.place("end")
	b.emit(asm.Mov.Imm(asm.R0, 0), asm.Return())
	var order binary.ByteOrder = binary.LittleEndian // Marshal takes no NativeEndian
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		order = binary.BigEndian
	}
	var code bytes.Buffer
	err := b.Marshal(&code, order)
	return code.Bytes(), err
}

// address puts reg+offset into dst.
func (b *builder) address(dst, reg asm.Register, offset uint32) {
	b.emit(asm.Mov.Reg(dst, reg))
	if offset != 0 {
		b.emit(asm.Add.Imm(dst, int32(offset))) //nolint:gosec // within a structure
	}
}

// read copies size bytes of the kernel's, at from+offset, to to+at. What cannot
// be read is zero. It changes R0 to R5.
func (b *builder) read(to asm.Register, at int16, size int32, from asm.Register, offset uint32) {
	b.address(asm.R3, from, offset)
	b.emit(
		asm.Mov.Reg(asm.R1, to), asm.Add.Imm(asm.R1, int32(at)),
		asm.Mov.Imm(asm.R2, size),
		asm.FnProbeReadKernel.Call(),
	)
}

// follow puts the pointer (or unsigned long) at from+field into dst.
func (b *builder) follow(dst, from asm.Register, name string) {
	b.read(asm.R10, slotA, int32(b.pointer.Sizeof()), from, b.fields[name].offset) //nolint:gosec // 4 or 8
	b.emit(asm.LoadMem(dst, asm.R10, slotA, b.pointer))
}

// clear makes the record on the stack zero.
func (b *builder) clear() {
	b.emit(asm.Mov.Imm(asm.R0, 0))
	for at := int16(slotRec); at < slotB; at += 8 {
		b.emit(asm.StoreMem(asm.R10, at, asm.R0, asm.DWord))
	}
}

// store writes an immediate byte of the record at base+at.
func (b *builder) store(base asm.Register, at int16, value int64) {
	b.emit(asm.Mov.Imm(asm.R0, int32(value)), asm.StoreMem(base, at, asm.R0, asm.Byte)) //nolint:gosec // a byte
}

// process puts the current process into R0, and goes to the end if that is the
// agent itself.
func (b *builder) process() {
	b.emit(
		asm.FnGetCurrentPidTgid.Call(),
		asm.RSh.Imm(asm.R0, 32),
		asm.JEq.Imm(asm.R0, b.self, "end"),
	)
}

// stamp writes the time into the record at base+at.
func (b *builder) stamp(base asm.Register, at int16) {
	b.emit(asm.FnKtimeGetBootNs.Call(), asm.StoreMem(base, at+recTime, asm.R0, asm.DWord))
}

// name writes the current process's short name to base+at.
func (b *builder) name(base asm.Register, at int16) {
	b.emit(
		asm.Mov.Reg(asm.R1, base), asm.Add.Imm(asm.R1, int32(at)),
		asm.Mov.Imm(asm.R2, nameBytes),
		asm.FnGetCurrentComm.Call(),
	)
}

// user writes the current real user to base+at.
func (b *builder) user(base asm.Register, at int16) {
	b.emit(asm.FnGetCurrentUidGid.Call(), asm.StoreMem(base, at, asm.R0, asm.Word))
}

// parent writes the process of a task's parent into the record at base+at.
func (b *builder) parent(base asm.Register, at int16, task asm.Register) {
	b.follow(asm.R3, task, "task_struct.real_parent")
	b.read(base, at+recParent, 4, asm.R3, b.fields["task_struct.tgid"].offset)
}

// output puts size bytes at base+at into the ring; size is a register, or, if
// that is R0, the immediate n. When the ring is full, the loss is counted. With
// no flag the kernel wakes the reader if that had read everything before.
func (b *builder) output(base asm.Register, at int16, size asm.Register, n int32) {
	b.emit(asm.Mov.Reg(asm.R2, base), asm.Add.Imm(asm.R2, int32(at)))
	if size == asm.R0 {
		b.emit(asm.Mov.Imm(asm.R3, n))
	} else {
		b.emit(asm.Mov.Reg(asm.R3, size))
	}
	b.emit(
		asm.Mov.Imm(asm.R4, 0),
		asm.LoadMapPtr(asm.R1, b.maps.ring),
		asm.FnRingbufOutput.Call(),
		asm.JEq.Imm(asm.R0, 0, "end"),
		asm.LoadMapValue(asm.R1, b.maps.lost, 0),
		asm.Mov.Imm(asm.R2, 1),
		asm.AddAtomic.Mem(asm.R1, asm.R2, asm.DWord, 0),
	)
}

// kernelThread is PF_KTHREAD: threads of the kernel are no processes to tell of.
const kernelThread = 0x00200000

// fork is the program at sched_process_fork(parent, child).
func (b *builder) fork() {
	b.emit(asm.LoadMem(asm.R7, asm.R1, 8, asm.DWord))
	b.clear()
	b.read(asm.R10, slotA, 4, asm.R7, b.fields["task_struct.pid"].offset)
	b.read(asm.R10, slotRec+recPID, 4, asm.R7, b.fields["task_struct.tgid"].offset)
	b.read(asm.R10, slotB, 4, asm.R7, b.fields["task_struct.flags"].offset)
	b.emit(
		asm.LoadMem(asm.R1, asm.R10, slotA, asm.Word),
		asm.LoadMem(asm.R2, asm.R10, slotRec+recPID, asm.Word),
		asm.JNE.Reg(asm.R1, asm.R2, "end"), // a thread
		asm.LoadMem(asm.R1, asm.R10, slotB, asm.Word),
		asm.And.Imm(asm.R1, kernelThread),
		asm.JNE.Imm(asm.R1, 0, "end"),
	)
	b.store(asm.R10, slotRec+recKind, int64(Fork))
	b.stamp(asm.R10, slotRec)
	b.name(asm.R10, slotRec+recName) // the child has its parent's
	b.parent(asm.R10, slotRec, asm.R7)
	b.output(asm.R10, slotRec, asm.R0, recHead)
}

// signalGroupExit is SIGNAL_GROUP_EXIT: the whole process was told to end, and
// its status is with the process, not with the thread.
const signalGroupExit = 4

// exit is the program at sched_process_exit(task). Of a process with threads
// the last one's end counts.
func (b *builder) exit() {
	b.emit(asm.LoadMem(asm.R7, asm.R1, 0, asm.DWord))
	b.clear()
	b.process()
	b.emit(asm.StoreMem(asm.R10, slotRec+recPID, asm.R0, asm.Word))
	b.follow(asm.R8, asm.R7, "task_struct.signal")
	b.read(asm.R10, slotA, 4, asm.R8, b.fields["signal_struct.live"].offset)
	b.read(asm.R10, slotB, 4, asm.R7, b.fields["task_struct.flags"].offset)
	b.emit(
		asm.LoadMem(asm.R1, asm.R10, slotA, asm.Word),
		asm.JNE.Imm(asm.R1, 0, "end"), // other threads live on
		asm.LoadMem(asm.R1, asm.R10, slotB, asm.Word),
		asm.And.Imm(asm.R1, kernelThread),
		asm.JNE.Imm(asm.R1, 0, "end"),
	)
	alone, known := b.label(), b.label()
	b.read(asm.R10, slotB, 4, asm.R8, b.fields["signal_struct.flags"].offset)
	b.emit(
		asm.LoadMem(asm.R1, asm.R10, slotB, asm.Word),
		asm.And.Imm(asm.R1, signalGroupExit),
		asm.JEq.Imm(asm.R1, 0, alone),
	)
	b.read(asm.R10, slotRec+recStatus, 4, asm.R8, b.fields["signal_struct.group_exit_code"].offset)
	b.emit(asm.Ja.Label(known))
	b.place(alone)
	b.follow(asm.R3, asm.R7, "task_struct.group_leader")
	b.read(asm.R10, slotRec+recStatus, 4, asm.R3, b.fields["task_struct.exit_code"].offset)
	b.place(known)
	b.store(asm.R10, slotRec+recKind, int64(Exit))
	b.stamp(asm.R10, slotRec)
	b.name(asm.R10, slotRec+recName)
	b.parent(asm.R10, slotRec, asm.R7)
	b.output(asm.R10, slotRec, asm.R0, recHead)
}

// scratchBytes is the longest record.
const scratchBytes = recHead + pathBytes + argsBytes

// exec is the program at sched_process_exec(task, old PID, binprm). Its record
// is written in the processor's scratch, since it is too long for the stack.
func (b *builder) exec() {
	b.emit(
		asm.LoadMem(asm.R7, asm.R1, 0, asm.DWord),
		asm.LoadMem(asm.R9, asm.R1, 16, asm.DWord),
	)
	b.process()
	b.emit(
		asm.Mov.Reg(asm.R6, asm.R0),
		asm.StoreImm(asm.R10, slotA, 0, asm.Word),
		asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, slotA),
		asm.LoadMapPtr(asm.R1, b.maps.scratch),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "end"),
		asm.Mov.Reg(asm.R8, asm.R0),
		asm.StoreMem(asm.R8, recPID, asm.R6, asm.Word),
	)
	b.store(asm.R8, recKind, int64(Exec))
	b.store(asm.R8, recFlags, flagUID)
	b.stamp(asm.R8, 0)
	b.user(asm.R8, recUID)
	b.name(asm.R8, recName)
	b.parent(asm.R8, 0, asm.R7)

	b.follow(asm.R3, asm.R9, "linux_binprm.filename")
	short := b.label()
	b.address(asm.R1, asm.R8, recHead)
	b.emit(
		asm.Mov.Imm(asm.R2, pathBytes),
		asm.FnProbeReadKernelStr.Call(),
		asm.Mov.Reg(asm.R9, asm.R0),
		asm.JLE.Imm(asm.R9, pathBytes, short),
		asm.Mov.Imm(asm.R9, 0), // an error is a huge number
	)
	b.place(short)
	b.emit(asm.StoreMem(asm.R8, recPath, asm.R9, asm.Half))
	b.arguments()
	b.emit(
		asm.StoreMem(asm.R8, recArgs, asm.R6, asm.Word),
		asm.Add.Reg(asm.R6, asm.R9), asm.Add.Imm(asm.R6, recHead),
	)
	b.output(asm.R8, 0, asm.R6, 0)
}

// arguments copies the arguments of the task in R7 behind the path, of R9
// bytes, of the record at R8, and leaves their length in R6.
func (b *builder) arguments() {
	whole, missing, done := b.label(), b.label(), b.label()
	b.follow(asm.R6, asm.R7, "task_struct.mm")
	b.follow(asm.R7, asm.R6, "mm_struct.arg_start") // the task is no longer needed
	b.follow(asm.R6, asm.R6, "mm_struct.arg_end")
	b.emit(
		asm.Sub.Reg(asm.R6, asm.R7),
		asm.JLE.Imm(asm.R6, argsBytes, whole),
		asm.Mov.Imm(asm.R6, argsBytes),
	)
	b.store(asm.R8, recFlags, flagUID|flagArgsCut)
	b.place(whole)
	b.emit(
		asm.JLT.Imm(asm.R6, 1, done),
		asm.Mov.Reg(asm.R1, asm.R8), asm.Add.Reg(asm.R1, asm.R9), asm.Add.Imm(asm.R1, recHead),
		asm.Mov.Reg(asm.R2, asm.R6),
		asm.Mov.Reg(asm.R3, asm.R7),
		asm.FnProbeReadUser.Call(),
		asm.JNE.Imm(asm.R0, 0, missing),
		// The last argument ends with a NUL even if it is cut.
		asm.Mov.Reg(asm.R1, asm.R8), asm.Add.Reg(asm.R1, asm.R9), asm.Add.Reg(asm.R1, asm.R6),
		asm.StoreMem(asm.R1, recHead-1, asm.R0, asm.Byte),
		asm.Ja.Label(done),
	)
	b.place(missing)
	b.emit(asm.Mov.Imm(asm.R6, 0))
	b.store(asm.R8, recFlags, flagUID|flagArgsMissing)
	b.place(done)
}

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
	b.emit(asm.StoreImm(asm.R10, slotA, 0, asm.DWord))
	protocol, size := b.fields["sock.sk_protocol"], asm.Half
	if protocol.size == 1 {
		size = asm.Byte
	}
	b.read(asm.R10, slotA, int32(protocol.size), asm.R7, protocol.offset) //nolint:gosec // 1 or 2
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
