//go:build linux

package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// polled is what is known of a process.
type polled struct {
	start   uint64 // in ticks, tells the processes of one number apart
	program uint32 // tells the programs that it runs apart; 0 is not known
	comm    uint32 // a sum of its short name
	parent  int32
	threads int32
	round   uint32
	kernel  bool
}

func polledOf(s *procStat) polled {
	p := polled{start: s.start, parent: s.ppid, threads: max(s.threads, 1), kernel: s.kernel()}
	sum := fnv.New32a()
	_, _ = sum.Write(s.comm) // it cannot fail
	p.comm = sum.Sum32()
	// Without the right to know them the kernel shows 0 or 1.
	if s.stack > 1 {
		p.program = max(1, uint32(s.stack>>4)^uint32(s.code>>12)*0x9e3779b1)
	}
	return p
}

// sameProgram reports whether a process, of the same start, still runs what it
// ran.
func (p *polled) sameProgram(before *polled) bool {
	if p.program == 0 || before.program == 0 {
		return p.comm == before.comm
	}
	return p.program == before.program
}

// scan looks at all processes, and tells of those that are new, that run
// another program, or that are gone.
func (p *poller) scan(now time.Time) error {
	p.round++
	p.seen = 0
	boot, err := BootTime()
	if err != nil {
		return err
	}
	var failed error
	beyond := uint64(0)
	err = p.proc.pids(func(pid int32) bool {
		b, err := p.proc.read(pid, "stat")
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return true // it has ended just now, or is hidden
		}
		if err != nil { // otherwise all processes would seem to be gone
			failed = fmt.Errorf("look at process %d: %w", pid, err)
			return false
		}
		s, err := parseStat(b)
		if err != nil {
			failed = fmt.Errorf("look at process %d: %w", pid, err)
			return false
		}
		if !p.see(pid, &s, boot, now) {
			beyond++
		}
		return true
	})
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	for pid, old := range p.known {
		if old.round != p.round {
			delete(p.known, pid)
			p.exit(pid, &old, now)
		}
	}
	if beyond > p.beyond {
		p.lost(beyond-p.beyond, "too many processes")
	}
	p.beyond = beyond
	return nil
}

// see takes a process that is there; false if there are too many.
func (p *poller) see(pid int32, s *procStat, boot, now time.Time) bool {
	one := polledOf(s)
	one.round = p.round
	old, known := p.known[pid]
	if known && old.start != one.start {
		p.exit(pid, &old, now)
		known = false
		delete(p.known, pid)
	}
	switch {
	case known:
		p.seen += uint64(max(0, one.threads-old.threads))
		p.known[pid] = one
		if !one.sameProgram(&old) {
			p.exec(pid, &one, now)
		}
	case len(p.known) >= pollProcesses:
		return false
	default:
		p.seen += uint64(one.threads)
		p.known[pid] = one
		p.exec(pid, &one, boot.Add(s.started()))
	}
	return true
}

func (p *poller) exec(pid int32, one *polled, at time.Time) {
	if one.kernel || pid == p.self || p.round == 1 {
		return
	}
	p.it = Happening{Kind: Exec, At: at, PID: pid, ParentPID: one.parent}
	p.proc.describe(&p.it)
	if p.it.ParentPID == 0 {
		p.it.ParentPID = one.parent
	}
	p.handle(&p.it)
}

func (p *poller) exit(pid int32, old *polled, at time.Time) {
	if old.kernel || pid == p.self {
		return
	}
	p.it = Happening{Kind: Exit, At: at, PID: pid, ParentPID: old.parent, Status: StatusUnknown}
	p.handle(&p.it)
}

// readForks reads the kernel's count of processes and threads that were made
// since it started, from /proc/stat (proc_stat(5)); false if it is not there.
func (p *procDir) readForks() (uint64, bool) {
	fd, err := openat(p.fd, "stat", 0)
	if err != nil {
		return 0, false
	}
	defer unix.Close(fd)
	// The line before it has a number for each interrupt, and is long.
	kept := 0
	for {
		n, err := readFD(fd, p.buf[kept:])
		if err != nil || n == 0 {
			return 0, false
		}
		b := p.buf[:kept+n]
		if forks, ok := parseForks(b); ok {
			return forks, true
		}
		kept = copy(p.buf, b[max(0, len(b)-forksLine):])
	}
}

// forksLine is more than the line has.
const forksLine = 64

// parseForks finds the line "processes" in a part of /proc/stat.
func parseForks(p []byte) (uint64, bool) {
	_, rest, ok := bytes.Cut(p, []byte("\nprocesses "))
	if !ok {
		return 0, false
	}
	word, _, ok := bytes.Cut(rest, []byte("\n"))
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(string(word), 10, 64)
	return n, err == nil
}
