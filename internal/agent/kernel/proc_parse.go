package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strconv"
	"time"
)

// procStat is what is of use in /proc/PID/stat (proc_pid_stat(5)).
type procStat struct {
	pid, ppid int32
	comm      []byte
	flags     uint64
	threads   int32
	start     uint64 // in ticks since the system started
	// code and stack are addresses, other ones after each exec; 0 or 1 without
	// the right to know them.
	code, stack uint64
}

// flagKernelThread is PF_KTHREAD of include/linux/sched.h.
const flagKernelThread = 0x00200000

func (s *procStat) kernel() bool { return s.flags&flagKernelThread != 0 }

// tick is the unit of times in /proc, USER_HZ, which is 100 on all machines that
// Go programs run on.
const tick = 10 * time.Millisecond

// started is the time from the system's start to the process's.
func (s *procStat) started() time.Duration {
	return time.Duration(min(s.start, 1<<56/uint64(tick))) * tick
}

var (
	errStat   = errors.New("stat is malformed")
	errStatus = errors.New("status is malformed")
	errDirent = errors.New("an entry of a folder is malformed")
)

// parseStat reads /proc/PID/stat. The name in it is the process's choice, and
// may have brackets and blanks.
func parseStat(p []byte) (procStat, error) {
	from, to := bytes.IndexByte(p, '('), bytes.LastIndexByte(p, ')')
	if from < 0 || to < from {
		return procStat{}, errStat
	}
	s := procStat{comm: p[from+1 : to]}
	pid, ok := parsePID(bytes.TrimSpace(p[:from]))
	if !ok {
		return procStat{}, errStat
	}
	s.pid = pid
	field, seen := 2, 0
	for word := range bytes.FieldsSeq(p[to+1:]) {
		var n uint64
		field++
		switch field {
		case 4, 9, 20, 22, 26, 28:
			var err error
			if n, err = strconv.ParseUint(string(word), 10, 64); err != nil {
				return procStat{}, errStat
			}
			seen++
		default:
			continue
		}
		switch field {
		case 4:
			s.ppid = int32(n)
		case 9:
			s.flags = n
		case 20:
			s.threads = int32(n)
		case 22:
			s.start = n
		case 26:
			s.code = n
		case 28:
			s.stack = n
		}
		if field == 28 {
			break
		}
	}
	if seen < 6 {
		return procStat{}, errStat
	}
	return s, nil
}

// procStatus is what is of use in /proc/PID/status (proc_pid_status(5)).
type procStatus struct {
	name []byte // with control characters escaped
	ppid int32
	uid  uint32
}

func parseStatus(p []byte) (procStatus, error) {
	var s procStatus
	for line := range bytes.Lines(p) {
		key, value, _ := bytes.Cut(line, []byte(":"))
		switch string(key) {
		case "Name":
			s.name = bytes.TrimSpace(value)
		case "PPid":
			n, err := strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 32)
			if err != nil {
				return procStatus{}, errStatus
			}
			s.ppid = int32(n)
		case "Uid": // real, effective, saved, of the file system
			for word := range bytes.FieldsSeq(value) {
				n, err := strconv.ParseUint(string(word), 10, 32)
				if err != nil {
					return procStatus{}, errStatus
				}
				s.uid = uint32(n)
				return s, nil // it comes after the others
			}
		}
	}
	return procStatus{}, errStatus
}

// cutArgs bounds arguments, and ends the last one with a NUL.
func cutArgs(p []byte) (args []byte, cut bool) {
	if cut = len(p) > argsBytes; cut {
		p = p[:argsBytes]
	}
	if n := len(p); n > 0 && p[n-1] != 0 {
		if n == argsBytes {
			n--
			cut = true
		}
		p = append(p[:n:n], 0)
	}
	return p, cut
}

// trimDeleted takes off what the kernel appends to the path of a file that is
// no longer there.
func trimDeleted(path []byte) ([]byte, bool) { return bytes.CutSuffix(path, []byte(" (deleted)")) }

// parsePID reads the number of a process.
func parsePID(p []byte) (int32, bool) {
	if len(p) == 0 || len(p) > 9 || p[0] == '0' {
		return 0, false
	}
	n := int32(0)
	for _, c := range p {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int32(c-'0')
	}
	return n, true
}

// The form of struct linux_dirent64 (getdents(2)): the inode, the position, the
// length, the type, the name.
const (
	direntLength = 16
	direntName   = 19
)

// parseDirents gives the names of entries, without "." and "..", until yield
// returns false; more is then false.
func parseDirents(p []byte, yield func(name []byte) bool) (more bool, err error) {
	for len(p) > 0 {
		if len(p) < direntName {
			return false, errDirent
		}
		n := int(binary.NativeEndian.Uint16(p[direntLength:]))
		if n <= direntName || n > len(p) {
			return false, errDirent
		}
		end := bytes.IndexByte(p[direntName:n], 0)
		if end < 0 {
			return false, errDirent
		}
		name := p[direntName : direntName+end : n]
		if s := string(name); s != "." && s != ".." && !yield(name) {
			return false, nil
		}
		p = p[n:]
	}
	return true, nil
}
