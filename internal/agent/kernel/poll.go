//go:build linux

package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

const (
	pollName = "polling"
	// pollInterval is how often polling looks, unless told otherwise.
	pollInterval = time.Second
	// pollCost bounds what looking takes: one part in so many of one core. A
	// look that took longer is followed by a longer rest.
	pollCost = 200
	// pollLongest is the longest rest.
	pollLongest = 30 * time.Second
	// pollFull is how often all processes are looked at though none has started:
	// a process may run another program, or end, without that.
	pollFull = 10 * time.Second
	// pollProcesses bounds the processes that are known.
	pollProcesses = 32 << 10
)

// poller is the source that looks at /proc again and again.
type poller struct {
	proc     *procDir
	interval time.Duration
	self     int32

	known map[int32]polled
	round uint32
	last  int32     // the last number given to a process or thread
	full  time.Time // when all processes were looked at last

	// counting says that the kernel's count of processes and threads is of those
	// that can be seen here. forks is that count, ahead how many more were seen
	// than it had when it was read.
	counting     bool
	forks, ahead uint64
	seen         uint64 // processes and threads that are new in this scan
	beyond       uint64 // processes that are more than are known, and told

	handle func(*Happening)
	lost   func(n uint64, why string)
	it     Happening
}

// OpenPolling looks at /proc each interval, a second if that is 0: Exec for each
// process that is new or runs another program, Exit with StatusUnknown for those
// that are gone. What starts and ends between two looks is not seen, and the
// order within one is not known. self is a process to leave out.
//
// It needs neither rights nor options of the kernel. Without CAP_SYS_PTRACE it
// knows other users' programs by their short names, so that one that takes
// another name is taken for another program.
func OpenPolling(interval time.Duration, self int32) (Source, error) {
	p, err := openPolling(procPath, interval, self)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func openPolling(path string, interval time.Duration, self int32) (*poller, error) {
	proc, err := openProc(path)
	if err != nil {
		return nil, fmt.Errorf("open polling: %w", err)
	}
	p := &poller{proc: proc, interval: interval, self: self, known: map[int32]polled{}, counting: true}
	if interval <= 0 {
		p.interval = pollInterval
	}
	// What runs now is no news.
	p.handle, p.lost = func(*Happening) {}, func(uint64, string) {}
	if _, err := p.look(); err != nil {
		proc.close()
		return nil, fmt.Errorf("open polling: %w", err)
	}
	// Containers have their own numbers, and the count of the device; and where
	// others' processes are hidden they count all the same.
	_, all := p.known[1]
	p.counting = p.counting && all && !ownPIDNamespace()
	return p, nil
}

// Name is "polling".
func (p *poller) Name() string { return pollName }

// Run implements Source. lost is told "shorter than a poll" of the processes
// that started and ended between two looks; threads that did so are counted
// among them, since the kernel counts both as one. It is told "too many
// processes" of those that are more than it keeps in mind.
func (p *poller) Run(ctx context.Context, handle func(*Happening), lost func(n uint64, why string)) error {
	p.handle, p.lost = handle, lost
	timer := time.NewTimer(p.interval)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		rest, err := p.look()
		if err != nil {
			return fmt.Errorf("run polling: %w", err)
		}
		timer.Reset(rest)
	}
}

// look tells of what is new, and returns how long to rest.
func (p *poller) look() (time.Duration, error) {
	start := time.Now()
	moved, err := p.moved()
	if err != nil {
		return 0, err
	}
	if moved || start.Sub(p.full) >= pollFull {
		forks, counted := p.proc.readForks()
		p.counting = p.counting && counted
		p.full = start
		if err := p.scan(start.Round(0)); err != nil {
			return 0, err
		}
		p.count(forks)
	}
	return min(max(p.interval, pollCost*time.Since(start)), pollLongest), nil
}

// count compares what the kernel has counted since the last scan with what was
// seen.
func (p *poller) count(forks uint64) {
	started, seen := forks-p.forks, p.seen+p.ahead
	p.forks, p.ahead = forks, 0
	switch {
	case p.round == 1 || !p.counting:
	case started > seen:
		p.lost(started-seen, "shorter than a poll")
	default:
		// They started after the count was read, and are in the next one.
		p.ahead = seen - started
	}
}

// Close closes /proc.
func (p *poller) Close() error {
	p.proc.close()
	return nil
}

// moved reports whether a process or thread was started since the last call.
func (p *poller) moved() (bool, error) {
	b, err := p.proc.readFile("loadavg")
	if err != nil {
		return false, fmt.Errorf("read loadavg: %w", err)
	}
	last, err := parseLastPID(b)
	if err != nil {
		return false, err
	}
	moved := last != p.last
	p.last = last
	return moved, nil
}

var errLoadavg = errors.New("loadavg is malformed")

// parseLastPID finds the last number given to a process or thread in
// /proc/loadavg (proc_loadavg(5)).
func parseLastPID(p []byte) (int32, error) {
	words := bytes.Fields(p)
	if len(words) != 5 {
		return 0, errLoadavg
	}
	n, err := strconv.ParseInt(string(words[4]), 10, 32)
	if err != nil {
		return 0, errLoadavg
	}
	return int32(n), nil
}
