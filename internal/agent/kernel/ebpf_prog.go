//go:build linux

package kernel

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"github.com/cilium/ebpf/asm"
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

// mapFDs are the descriptors of the maps that the programs use.
type mapFDs struct {
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
	maps    mapFDs
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
		b.emit(asm.Add.Imm(dst, int32(offset)))
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
	b.read(asm.R10, slotA, int32(b.pointer.Sizeof()), from, b.fields[name].offset)
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
	b.emit(asm.StoreImm(base, at, value, asm.Byte))
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
