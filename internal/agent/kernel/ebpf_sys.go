//go:build linux

package kernel

import (
	"bytes"
	"errors"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls of bpf(2) that the source needs. The loader of cilium/ebpf would
// add a megabyte to the agent's file, for features not used here.

// bpf calls bpf(2). attr holds its addresses as integers: whoever calls keeps
// what they point to alive, and on the heap or pinned.
func bpf[T any](cmd uintptr, attr *T) (int, error) {
	for {
		fd, _, errno := unix.Syscall(unix.SYS_BPF, cmd, uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr)) //nolint:gosec // x/sys has no bpf(2)
		switch {
		case errno == 0:
			return int(fd), nil
		case errno == unix.EINTR || errno == unix.EAGAIN && cmd == unix.BPF_PROG_LOAD: // a signal came during verification
		default:
			return -1, errno
		}
	}
}

// makeMap makes a map and returns its file descriptor, which is closed on exec.
func makeMap(kind, keySize, valueSize, entries, flags uint32) (int, error) {
	return bpf(unix.BPF_MAP_CREATE, &struct{ kind, keySize, valueSize, entries, flags uint32 }{
		kind, keySize, valueSize, entries, flags,
	})
}

// gpl is the licence that the programs say they are under: the kernel lets only
// those read its memory that may be used under the GPL. The code of this package
// that writes them may be, besides under the licence of the repository.
var gpl = []byte("Dual MIT/GPL\x00")

// loadProgram loads a program for a raw tracepoint. log is the verifier's, of a
// program that it refused.
func loadProgram(code []byte) (fd int, log string, err error) {
	type attr struct {
		kind, count        uint32
		code, licence      uint64
		logLevel, logBytes uint32
		log                uint64
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&code[0])
	pin.Pin(&gpl[0])
	a := attr{
		kind: unix.BPF_PROG_TYPE_RAW_TRACEPOINT, count: uint32(len(code) / 8),
		code: address(code), licence: address(gpl),
	}
	if fd, err = bpf(unix.BPF_PROG_LOAD, &a); err == nil || errors.Is(err, unix.EPERM) {
		return fd, "", err
	}
	p := make([]byte, 256<<10)
	pin.Pin(&p[0])
	a.logLevel, a.logBytes, a.log = 1, uint32(len(p)), address(p)
	fd, err = bpf(unix.BPF_PROG_LOAD, &a)
	return fd, string(untilNUL(p)), err
}

// attachRaw runs a program at a raw tracepoint for as long as the descriptor
// that it returns is open.
func attachRaw(tracepoint string, program int) (int, error) {
	name := append([]byte(tracepoint), 0)
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&name[0])
	return bpf(unix.BPF_RAW_TRACEPOINT_OPEN, &struct {
		name          uint64
		program, zero uint32
	}{name: address(name), program: uint32(program)})
}

// programInfo is struct bpf_prog_info as far as it is read here.
type programInfo struct {
	_       [24]uint64
	RunTime uint64 // nanoseconds, while statistics are on
	Runs    uint64
	Misses  uint64 // not run, since it ran already on that processor; since Linux 5.12
}

func readProgramInfo(program int) (programInfo, error) {
	info := new(programInfo)
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(info)
	_, err := bpf(unix.BPF_OBJ_GET_INFO_BY_FD, &struct {
		fd, size uint32
		info     uint64
	}{uint32(program), uint32(unsafe.Sizeof(*info)), uint64(uintptr(unsafe.Pointer(info)))}) //nolint:gosec // as address
	return *info, err
}

// address is where p starts. Whoever calls has pinned it.
func address(p []byte) uint64 {
	return uint64(uintptr(unsafe.Pointer(&p[0]))) //nolint:gosec // bpf(2) takes addresses as numbers of 64 bits
}

// lastLine is the last line of the verifier's log that says why, since
// statistics may follow it.
func lastLine(log string) string {
	last := ""
	for line := range bytes.Lines([]byte(log)) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && !bytes.HasPrefix(line, []byte("processed ")) && !bytes.HasPrefix(line, []byte("verification time")) && !bytes.HasPrefix(line, []byte("stack depth")) {
			last = string(line)
		}
	}
	return last
}
