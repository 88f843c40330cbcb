//go:build linux

package kernel

import "github.com/cilium/ebpf/asm"

// taskOfKernel is PF_KTHREAD: threads of the kernel are no processes to tell of.
const taskOfKernel = 0x00200000

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
		asm.And.Imm(asm.R1, taskOfKernel),
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
		asm.And.Imm(asm.R1, taskOfKernel),
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
