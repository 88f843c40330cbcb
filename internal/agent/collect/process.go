//go:build linux

package collect

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/tvilling/tvilling/internal/agent/kernel"
	"github.com/tvilling/tvilling/internal/security/event"
)

// maxProcesses bounds the processes that are remembered, and maxPaths the names
// of their programs together, in bytes: anybody may run programs with names of
// 4 KiB. What is told of others has less in it.
const (
	maxProcesses = 4096
	maxPaths     = 512 << 10
)

// Why events of processes are lost in part.
const (
	lostArguments = "arguments gone"
	lostHash      = "hash not computed"
)

// unknownProgram stands for a program that was gone before anything of it could
// be read. The schema wants a name: an event without one would be no event for
// the hub.
const unknownProgram = "(unknown)"

// ProcessOptions are what Processes are made with.
type ProcessOptions struct {
	// Proc is where procfs is, /proc if empty.
	Proc string
	// Names are the names of users.
	Names *Names
	// Wait returns when the budget has room for more work; nil is always. An
	// error ends the work.
	Wait func(context.Context) error
}

// Processes makes ProcessCreate and ProcessTerminate of what the kernel tells
// (asc §3.5). It tells of all but the agent itself, and of the threads of the
// kernel, which are no processes.
//
// ExtraDetails of ProcessCreate are ParentExecutable; Hash, "sha256:" and 64
// hexadecimal digits, of the program's file unless that has more than 64 MiB;
// "Deleted":"true" where the file is gone; "Cut":"true" where the command line
// has more than 4 KiB; "ArgumentsMissing":"true" where the process was gone
// before its arguments could be read, whose command line is the executable, or
// "(unknown)" where that is not known either.
//
// ExitStatus of ProcessTerminate is as shells have it: the exit code, or 128
// and the number of the signal; -1 where it cannot be known.
type Processes struct {
	proc    string
	self    int32
	names   *Names
	to      Sink
	digests *digests
	hashing atomic.Bool
	line    []byte // of Handle

	mu    sync.Mutex
	table recent[int32, process]
}

// process is what is known of a process.
type process struct {
	// executable is "" for a thread of the kernel.
	executable string
	parent     int32
	uid        uint32
	hasUID     bool
}

// NewProcesses returns Processes that tell to a sink. They know the processes
// that run already, of which nothing is told until they end.
func NewProcesses(o ProcessOptions, to Sink) *Processes {
	wait := o.Wait
	if wait == nil {
		wait = func(ctx context.Context) error { return ctx.Err() }
	}
	p := &Processes{
		proc: o.Proc, self: int32(os.Getpid()), names: o.Names, to: to,
		digests: newDigests(to, wait), table: newRecent[int32, process](maxProcesses),
	}
	p.table.size, p.table.room = func(e process) int { return len(e.executable) }, maxPaths
	if p.proc == "" {
		p.proc = "/proc"
	}
	p.hashing.Store(true)
	p.scan()
	return p
}

// SetHash says whether programs are told with their hash, as they are at first.
func (p *Processes) SetHash(on bool) { p.hashing.Store(on) }

// Run computes hashes until ctx ends. Events wait for it whose program was not
// seen before; those that still wait in the end are told without a hash.
func (p *Processes) Run(ctx context.Context) { p.digests.run(ctx) }

// Handle takes what the kernel tells. Only Fork, Exec and Exit are looked at.
// It is to be called from one goroutine at a time.
func (p *Processes) Handle(h *kernel.Happening) {
	switch h.Kind {
	case kernel.Fork:
		parent := p.lookup(h.ParentPID)
		parent.parent = h.ParentPID
		p.remember(h.PID, parent)
	case kernel.Exec:
		p.exec(h)
	case kernel.Exit:
		p.exit(h)
	case kernel.Connect, kernel.Refused, kernel.Accept, kernel.Listen, kernel.Unlisten:
	}
}

// Executable returns what a process runs, "" if that is not known. It may be
// called from any goroutine, and knows processes that are gone for as long as
// their end was not handled.
func (p *Processes) Executable(pid int32) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, _ := p.table.get(pid)
	return e.executable
}

func (p *Processes) exec(h *kernel.Happening) {
	p.mu.Lock()
	was, _ := p.table.get(h.PID)
	p.mu.Unlock()
	now := process{parent: h.ParentPID, uid: h.UID, hasUID: h.HasUID}
	if now.parent == 0 {
		now.parent = was.parent
	}
	if !now.hasUID {
		now.uid, now.hasUID = p.owner(h.PID, was)
	}
	g := p.programOf(h, now.parent)
	defer g.close()
	if g.path == "" {
		g.path = cmp.Or(text(h.Name), unknownProgram)
	}
	now.executable = g.path
	p.remember(h.PID, now)
	if h.PID == p.self {
		return
	}
	it := &event.ProcessCreate{Executable: g.path, CommandLine: g.path, ProcessID: int64(h.PID), ParentProcessID: int64(now.parent)}
	if now.hasUID {
		it.UserID = strconv.FormatUint(uint64(now.uid), 10)
		it.UserName = p.names.Name(now.uid)
	}
	it.Extra = detail(make(event.Details, 0, 2), "ParentExecutable", p.lookup(now.parent).executable)
	if g.deleted {
		it.Extra = detail(it.Extra, "Deleted", "true")
	}
	switch {
	case h.ArgsMissing:
		it.Extra = detail(it.Extra, "ArgumentsMissing", "true")
		p.to.Lost(event.ProcessCreateKind, 1, lostArguments)
	case len(h.Args) > 0:
		var cut bool
		p.line, cut = appendCommandLine(p.line[:0], h.Args)
		it.CommandLine = string(p.line)
		if cut || h.ArgsCut {
			it.Extra = detail(it.Extra, "Cut", "true")
		}
	}
	p.tell(h, it, &g)
}

// tell tells of a process, with the hash of its program.
func (p *Processes) tell(h *kernel.Happening, it *event.ProcessCreate, g *program) {
	if !g.known || g.stat.Size > maxDigestFile || !p.hashing.Load() {
		p.to.Observe(h.At, it)
		return
	}
	id := digestKeyOf(&g.stat)
	if sum, ok := p.digests.lookup(id); ok {
		it.Extra = append(it.Extra, event.Detail{Name: hashDetail, Value: sum})
		p.to.Observe(h.At, it)
		return
	}
	held := heldEvent{h.At, it}
	if p.digests.join(id, held) {
		return
	}
	if f := g.opened(); f != nil {
		if p.digests.hold(id, f, held) {
			return
		}
		f.Close()
	}
	p.to.Lost(event.ProcessCreateKind, 1, lostHash)
	p.to.Observe(h.At, it)
}

func (p *Processes) exit(h *kernel.Happening) {
	p.mu.Lock()
	e, ok := p.table.get(h.PID)
	p.table.delete(h.PID)
	p.mu.Unlock()
	if !ok {
		e.executable = text(h.Name)
	}
	if e.executable == "" || h.PID == p.self {
		return
	}
	status := int64(h.Status>>8) & 0xff
	if signal := int64(h.Status) & 0x7f; signal != 0 {
		status = 128 + signal
	}
	if h.Status == kernel.StatusUnknown {
		status = -1
	}
	p.to.Observe(h.At, &event.ProcessTerminate{Executable: e.executable, ProcessID: int64(h.PID), ExitStatus: status})
}

// lookup returns what is known of a process, of one that was forgotten by
// looking.
func (p *Processes) lookup(pid int32) process {
	if pid <= 0 {
		return process{}
	}
	p.mu.Lock()
	e, ok := p.table.get(pid)
	p.mu.Unlock()
	if ok {
		return e
	}
	link, err := readlink(p.path(pid, "/exe"))
	if err != nil {
		return process{}
	}
	e = process{executable: strings.TrimSuffix(link, " (deleted)")}
	p.remember(pid, e)
	return e
}

func (p *Processes) remember(pid int32, e process) {
	p.mu.Lock()
	p.table.put(pid, e)
	p.mu.Unlock()
}

// owner returns the user of a process whose source does not tell it: that of
// its files in /proc, or the one that it had before.
func (p *Processes) owner(pid int32, was process) (uid uint32, ok bool) {
	var st unix.Stat_t
	if unix.Stat(p.path(pid, ""), &st) == nil {
		return st.Uid, true
	}
	return was.uid, was.hasUID
}

// scan remembers the processes that run.
func (p *Processes) scan() {
	dir, err := os.Open(p.proc)
	if err != nil {
		return // what the kernel tells is enough
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(256)
		for _, name := range names {
			pid, err := strconv.ParseInt(name, 10, 32)
			if err != nil {
				continue
			}
			// Threads of the kernel have no such link; they are remembered, too,
			// so that nothing is told of their end.
			link, err := readlink(p.path(int32(pid), "/exe"))
			if err != nil && !errors.Is(err, unix.ENOENT) {
				continue
			}
			p.remember(int32(pid), process{executable: strings.TrimSuffix(link, " (deleted)")})
		}
		if errors.Is(err, io.EOF) || err != nil || len(names) == 0 {
			return
		}
	}
}

// text returns what the kernel has as bytes as text.
func text(b []byte) string { return strings.ToValidUTF8(string(b), "\uFFFD") }
