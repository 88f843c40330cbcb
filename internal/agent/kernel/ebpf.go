//go:build linux

package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// EBPFOptions say what the eBPF source tells of.
type EBPFOptions struct {
	// Processes are Fork, Exec and Exit; Connections are Connect, Refused,
	// Accept, Listen and Unlisten of TCP. What is off costs nothing. At least
	// one must be on.
	Processes, Connections bool
	// RingBytes is the size of the buffer between the kernel and Run, a power of
	// two and at least a page; 0 is DefaultRing.
	RingBytes int
	// Self is a process to leave out, the agent's; 0 leaves none out. Its
	// threads are part of it, its children are not.
	Self int32
}

// DefaultRing has room for about a thousand short programs that start before
// Run looks again. Its pages count as the agent's memory.
const DefaultRing = 512 << 10

// ebpfSource runs programs in the kernel that write what happens into a ring.
type ebpfSource struct {
	programs, links []int
	ring            *ring
	full            counter

	handle  func(*Happening)
	lost    func(n uint64, why string)
	wall    time.Time // when CLOCK_BOOTTIME was zero
	told    uint64    // of full
	missed  uint64    // told of what programs missed
	checked time.Time // when missed was last looked at
	broken  uint64    // records that could not be read, still to be told
	ended   [8]int32  // the last processes to exit
	end     int
	it      Happening
}

// OpenEBPF starts to observe with eBPF programs on raw tracepoints. A Reason
// says why this kernel or these rights do not allow it; then Source and error
// are nil. The kernel writes from now on, so that Run should follow soon.
//
// It needs Linux 5.8 with BTF, and CAP_BPF with CAP_PERFMON, or CAP_SYS_ADMIN.
// What it tells of covers the whole device, with all its containers.
//
// The port of Listen is 0 when a program listens without having asked for a
// port, since the kernel chooses one afterwards.
func OpenEBPF(o EBPFOptions) (Source, *Reason, error) {
	if o.RingBytes == 0 {
		o.RingBytes = DefaultRing
	}
	switch size := o.RingBytes; {
	case !o.Processes && !o.Connections:
		return nil, nil, errors.New("open ebpf: neither processes nor connections are asked for")
	case size < os.Getpagesize() || size&(size-1) != 0 || size > 1<<30:
		return nil, nil, fmt.Errorf("open ebpf: a ring of %d bytes is not a power of two from a page to 1 GiB", size)
	}
	if reason := ebpfForbidden(); reason != nil {
		return nil, reason, nil
	}
	layout, reason := kernelLayout(o)
	if reason != nil {
		return nil, reason, nil
	}
	s := &ebpfSource{}
	err := s.open(o, layout)
	if err == nil {
		return s, nil, nil
	}
	closing := s.Close()
	if no, ok := errors.AsType[*unavailable](err); ok && closing == nil {
		return nil, &no.reason, nil
	}
	return nil, nil, errors.Join(fmt.Errorf("open ebpf: %w", err), closing)
}

// open makes the maps and loads and attaches the programs. Its error is an
// *unavailable when the kernel does not have or allow something.
func (s *ebpfSource) open(o EBPFOptions, layout fields) error {
	m, err := s.makeMaps(o, layout)
	// Programs hold their maps: the descriptors are needed only until those are loaded.
	defer func() {
		for _, fd := range []int{m.lost, m.scratch, m.pending} {
			if fd > 0 {
				unix.Close(fd)
			}
		}
	}()
	if err != nil {
		return err
	}
	if s.full, err = openCounter(m.lost); err != nil {
		return err
	}
	for _, p := range tracepoints {
		if p.processes && !o.Processes || !p.processes && !o.Connections {
			continue
		}
		b := &builder{fields: layout, pointer: asm.DWord, self: o.Self, maps: m}
		if narrow(layout) {
			b.pointer = asm.Word
		}
		if err := s.attach(p, b); err != nil {
			return err
		}
	}
	return nil
}

// narrow says whether the kernel has 32 bits.
func narrow(layout fields) bool { return layout[longSize].size == 4 }

// attach loads one program and lets it run.
func (s *ebpfSource) attach(p tracepoint, b *builder) error {
	p.write(b)
	code, err := b.finish()
	if err != nil {
		return fmt.Errorf("assemble the program at %s: %w", p.name, err)
	}
	program, log, err := loadProgram(code)
	if err != nil {
		if why := lastLine(log); why != "" {
			return reasonf("Load the eBPF programs with a kernel whose verifier accepts them, and report this.", "The kernel refuses the eBPF program at %s: %s.", p.name, why)
		}
		return refusal("load a program", err)
	}
	s.programs = append(s.programs, program)
	link, err := attachRaw(p.name, program)
	if errors.Is(err, unix.ENOENT) {
		return reasonf("Use a kernel with tracepoints (CONFIG_TRACEPOINTS, CONFIG_BPF_EVENTS).", "The kernel has no tracepoint %s.", p.name)
	}
	if err != nil {
		return refusal("attach to "+p.name, err)
	}
	s.links = append(s.links, link)
	return nil
}

// tracepoint is where a program runs.
type tracepoint struct {
	name      string
	processes bool
	write     func(*builder)
}

var tracepoints = []tracepoint{
	{"sched_process_fork", true, (*builder).fork},
	{"sched_process_exec", true, (*builder).exec},
	{"sched_process_exit", true, (*builder).exit},
	{"inet_sock_set_state", false, (*builder).socket},
}

func (s *ebpfSource) makeMaps(o EBPFOptions, layout fields) (m mapFDs, err error) {
	fd, err := makeMapLocked(unix.BPF_MAP_TYPE_RINGBUF, 0, 0, uint32(o.RingBytes), 0)
	if errors.Is(err, unix.EINVAL) {
		return m, reasonf("Use Linux 5.8 or newer.", "The kernel has no BPF ring buffer.")
	}
	if err != nil {
		return m, refusal("make a ring buffer", err)
	}
	m.ring = fd
	if s.ring, err = openRing(fd, o.RingBytes, narrow(layout)); err != nil {
		return m, err
	}
	if m.lost, err = makeMapLocked(unix.BPF_MAP_TYPE_ARRAY, 4, 8, 1, unix.BPF_F_MMAPABLE); err == nil && o.Processes {
		m.scratch, err = makeMapLocked(unix.BPF_MAP_TYPE_PERCPU_ARRAY, 4, scratchBytes, 1, 0)
	}
	if err == nil && o.Connections {
		m.pending, err = makeMapLocked(unix.BPF_MAP_TYPE_LRU_HASH, 8, pendingBytes, pendingSockets, 0)
	}
	if err != nil {
		return m, refusal("make a map", err)
	}
	return m, nil
}

// makeMapLocked makes a map. Before Linux 5.11 maps count as locked memory, of
// which a service may have too little; then the limit is raised, for good.
func makeMapLocked(kind, keySize, valueSize, entries, flags uint32) (int, error) {
	fd, err := makeMap(kind, keySize, valueSize, entries, flags)
	if !errors.Is(err, unix.EPERM) {
		return fd, err
	}
	unlimited := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unlimited) != nil {
		return -1, reasonf("Raise the limit, in systemd with LimitMEMLOCK=infinity.", "The limit of locked memory is too low for eBPF maps, or the system forbids them.")
	}
	return makeMap(kind, keySize, valueSize, entries, flags)
}

// Name is "ebpf".
func (s *ebpfSource) Name() string { return "ebpf" }

// Run implements Source. Happenings come up to 50 ms after they happened, in
// the order in which the kernel told of them. lost is told "ring full" when
// Run was too slow, and "program busy" of happenings that came while the
// processor was just writing down another of their kind.
func (s *ebpfSource) Run(ctx context.Context, handle func(*Happening), lost func(n uint64, why string)) error {
	s.handle, s.lost = handle, lost
	s.checked = time.Now()
	err := s.ring.run(ctx, s.look, s.take)
	s.checked = time.Time{}
	s.look()
	return err
}

// missInterval is how often the programs are asked what they missed.
const missInterval = 10 * time.Second

// look is called before every look at the ring: it sets the clock and tells
// what was lost.
func (s *ebpfSource) look() {
	var boot unix.Timespec
	now := time.Now().Round(0) // wall time, also for the difference
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot); err == nil {
		s.wall = now.Add(-time.Duration(boot.Nano()))
	}
	if n := s.full.load(); n > s.told {
		s.lost(n-s.told, "ring full")
		s.told = n
	}
	if s.broken > 0 {
		s.lost(s.broken, "record malformed")
		s.broken = 0
	}
	if passed := now.Sub(s.checked); passed >= missInterval || passed < 0 {
		s.checked = now
		s.tellMissed()
	}
}

func (s *ebpfSource) tellMissed() {
	n := uint64(0)
	for _, p := range s.programs {
		info, err := readProgramInfo(p)
		if err != nil {
			return // before Linux 4.13; and then there is no ring either
		}
		n += info.Misses
	}
	if n > s.missed {
		s.lost(n-s.missed, "program busy")
		s.missed = n
	}
}

// take is called with every record.
func (s *ebpfSource) take(p []byte) {
	if err := decodeRecord(p, s.wall, &s.it); err != nil {
		s.broken++
		return
	}
	if !s.again() {
		s.handle(&s.it)
	}
}

// again says whether the exit was told already: two last threads that exit at
// the same moment both are the last to the kernel.
func (s *ebpfSource) again() bool {
	if s.it.Kind != Exit && s.it.Kind != Fork {
		return false
	}
	for i, pid := range s.ended {
		if pid != s.it.PID {
			continue
		}
		if s.it.Kind == Exit {
			return true
		}
		s.ended[i] = 0 // the number is in use again
	}
	if s.it.Kind == Exit {
		s.ended[s.end] = s.it.PID
		s.end = (s.end + 1) % len(s.ended)
	}
	return false
}

// Close detaches the programs; the kernel then frees them and their maps.
func (s *ebpfSource) Close() error {
	var errs []error
	for _, fd := range append(s.links, s.programs...) {
		errs = append(errs, unix.Close(fd))
	}
	if s.ring != nil {
		errs = append(errs, s.ring.close())
	}
	errs = append(errs, s.full.close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close ebpf: %w", err)
	}
	return nil
}
