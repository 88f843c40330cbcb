//go:build linux

package kernel

import (
	"context"
	"errors"
	"flag"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// seen is a copy of a happening, whose bytes are valid for longer.
type seen struct {
	Happening

	name, path string
	args       []string
}

func copyOf(h *Happening) seen {
	s := seen{Happening: *h, name: string(h.Name), path: string(h.Path)}
	if len(h.Args) > 0 {
		s.args = strings.Split(strings.TrimSuffix(string(h.Args), "\x00"), "\x00")
	}
	s.Name, s.Path, s.Args = nil, nil, nil
	return s
}

// recorder keeps what a source tells.
type recorder struct {
	mu    sync.Mutex
	all   []seen
	lost  map[string]uint64
	fresh chan struct{}
	stop  func() error
}

// observe opens a source and runs it until stop or the test's end.
func observe(t testing.TB, o EBPFOptions) *recorder {
	t.Helper()
	src, reason, err := OpenEBPF(o)
	if err != nil {
		t.Fatal(err)
	}
	if reason != nil {
		t.Skip(reason.Why)
	}
	r := &recorder{lost: map[string]uint64{}, fresh: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- src.Run(ctx, r.take, r.miss) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return errors.Join(<-done, src.Close())
	})
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *recorder) take(h *Happening) {
	r.mu.Lock()
	r.all = append(r.all, copyOf(h))
	r.mu.Unlock()
	select {
	case r.fresh <- struct{}{}:
	default:
	}
}

func (r *recorder) miss(n uint64, why string) {
	r.mu.Lock()
	r.lost[why] += n
	r.mu.Unlock()
}

func (r *recorder) find(is func(*seen) bool) []seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []seen
	for i := range r.all {
		if is(&r.all[i]) {
			found = append(found, r.all[i])
		}
	}
	return found
}

// wait waits until a happening of what satisfies is was told, and returns it.
func (r *recorder) wait(t testing.TB, what string, is func(*seen) bool) seen {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		if found := r.find(is); len(found) > 0 {
			return found[0]
		}
		select {
		case <-r.fresh:
		case <-late:
			t.Fatalf("nobody told of %s", what)
		}
	}
}

// of is a happening of a kind to a process.
func of(k Kind, pid int) func(*seen) bool {
	return func(s *seen) bool { return s.Kind == k && int(s.PID) == pid }
}

// start starts a program as a child of this process, and waits for its end.
func start(t testing.TB, argv ...string) int {
	t.Helper()
	p, err := os.StartProcess(argv[0], argv, &os.ProcAttr{Env: []string{"PATH=/bin:/usr/bin"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	return p.Pid
}

func TestEBPFTellsOfAProcess(t *testing.T) {
	t.Parallel()
	r := observe(t, EBPFOptions{Processes: true})
	before := time.Now().Round(0)
	argv := []string{"/bin/sh", "-c", "exit 7", "a word", ""}
	pid := start(t, argv...)
	after := time.Now().Round(0)

	fork, run, exit := r.wait(t, "the fork", of(Fork, pid)), r.wait(t, "the exec", of(Exec, pid)), r.wait(t, "the exit", of(Exit, pid))
	for _, s := range []seen{fork, run, exit} {
		if int(s.ParentPID) != os.Getpid() {
			t.Errorf("kind %d: the parent is %d, want %d", s.Kind, s.ParentPID, os.Getpid())
		}
		// The clock may be set a little during the test.
		if s.At.Before(before.Add(-time.Second)) || s.At.After(after.Add(time.Second)) {
			t.Errorf("kind %d was at %v, want it from %v to %v", s.Kind, s.At, before, after)
		}
	}
	if run.path != "/bin/sh" || !slices.Equal(run.args, argv) || run.name != "sh" || run.ArgsCut || run.ArgsMissing {
		t.Errorf("the exec is %+v", run)
	}
	if !run.HasUID || int(run.UID) != os.Getuid() {
		t.Errorf("the user is %d (known: %v), want %d", run.UID, run.HasUID, os.Getuid())
	}
	if exit.Status != 7<<8 {
		t.Errorf("the status is %#x, want %#x", exit.Status, 7<<8)
	}
}

func TestEBPFTellsOfASignal(t *testing.T) {
	t.Parallel()
	r := observe(t, EBPFOptions{Processes: true})
	pid := start(t, "/bin/sh", "-c", "kill -9 $$")
	if got := r.wait(t, "the exit", of(Exit, pid)).Status & 0x7f; got != 9 {
		t.Errorf("the signal is %d, want 9", got)
	}
}

func TestEBPFTellsOfForkWithoutExec(t *testing.T) {
	t.Parallel()
	r := observe(t, EBPFOptions{Processes: true})
	pid := start(t, "/bin/sh", "-c", "(exit 3); :")
	fork := r.wait(t, "the subshell", func(s *seen) bool { return s.Kind == Fork && int(s.ParentPID) == pid })
	exit := r.wait(t, "the subshell's exit", of(Exit, int(fork.PID)))
	if exit.Status != 3<<8 || int(exit.ParentPID) != pid {
		t.Errorf("the exit is %+v, want status %#x and parent %d", exit, 3<<8, pid)
	}
	r.wait(t, "the shell's exit", of(Exit, pid))
	if found := r.find(of(Exec, int(fork.PID))); len(found) > 0 {
		t.Errorf("the subshell ran %+v", found)
	}
}

func TestEBPFArgumentsAreBounded(t *testing.T) {
	t.Parallel()
	r := observe(t, EBPFOptions{Processes: true})
	// /bin/sh, -c and : with their NULs take 13 bytes.
	for _, tt := range []struct {
		name string
		len  int
		cut  bool
	}{
		{"at the limit", argsBytes - 13 - 1, false},
		{"one over", argsBytes - 13, true},
		{"far over", 100_000, true},
	} {
		word := strings.Repeat("x", tt.len)
		pid := start(t, "/bin/sh", "-c", ":", word)
		got := r.wait(t, "the exec", of(Exec, pid))
		want := []string{"/bin/sh", "-c", ":", word[:min(tt.len, argsBytes-14)]}
		if !slices.Equal(got.args, want) || got.ArgsCut != tt.cut || got.ArgsMissing {
			t.Errorf("%s: %d arguments %.40q…, cut %v, missing %v", tt.name, len(got.args), got.args, got.ArgsCut, got.ArgsMissing)
		}
	}
}

func TestEBPFLeavesOutSelf(t *testing.T) {
	t.Parallel()
	var mine [2]int
	r := observe(t, EBPFOptions{Processes: true})
	first := start(t, "/bin/true")
	r.wait(t, "the exit", of(Exit, first))
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	told := len(r.find(func(*seen) bool { return true }))
	mine[0] = start(t, "/bin/true") // nobody observes
	if now := len(r.find(func(*seen) bool { return true })); now != told {
		t.Errorf("told of %d happenings after the end", now-told)
	}

	// A process that runs two programs one after the other, and is left out.
	p, w := heldShell(t, "exec /bin/sh -c 'exec /bin/true'")
	r = observe(t, EBPFOptions{Processes: true, Self: int32(p.Pid)})
	if err := w.Close(); err != nil { // it goes on
		t.Fatal(err)
	}
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	mine[1] = start(t, "/bin/true")
	r.wait(t, "another's exit", of(Exit, mine[1]))
	if found := r.find(func(s *seen) bool { return int(s.PID) == p.Pid }); len(found) > 0 {
		t.Errorf("told of the one to leave out: %+v", found)
	}
	if found := r.find(of(Exit, mine[0])); len(found) > 0 {
		t.Errorf("told of what was before: %+v", found)
	}
}

// heldShell starts a shell that waits for the writer to be closed before it
// goes on with a script.
func heldShell(t *testing.T, script string) (*os.Process, *os.File) {
	t.Helper()
	in, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	p, err := os.StartProcess("/bin/sh", []string{"/bin/sh", "-c", "read x; " + script}, &os.ProcAttr{Files: []*os.File{in}})
	if err != nil {
		t.Fatal(err)
	}
	return p, w
}

func TestEBPFBurst(t *testing.T) {
	t.Parallel()
	r := observe(t, EBPFOptions{Processes: true})
	const count = 2000
	pids := make(map[int]bool, count)
	for range count {
		pids[start(t, "/bin/true", "burst")] = true
	}
	last := start(t, "/bin/true")
	r.wait(t, "the last exit", of(Exit, last))
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	for _, k := range []Kind{Fork, Exec, Exit} {
		got := map[int32]int{}
		for _, s := range r.find(func(s *seen) bool { return s.Kind == k && pids[int(s.PID)] }) {
			got[s.PID]++
		}
		twice := 0
		for _, n := range got {
			twice += n - 1
		}
		if len(got) != len(pids) || twice > 0 {
			t.Errorf("kind %d: told of %d of %d processes, of %d twice", k, len(got), len(pids), twice)
		}
	}
	if len(r.lost) > 0 {
		t.Errorf("lost %v", r.lost)
	}
}

func TestEBPFCountsWhatIsLost(t *testing.T) {
	t.Parallel()
	src, reason, err := OpenEBPF(EBPFOptions{Processes: true, RingBytes: os.Getpagesize()})
	if err != nil {
		t.Fatal(err)
	}
	if reason != nil {
		t.Skip(reason.Why)
	}
	defer src.Close()
	// 4096 bytes have room for the records of a dozen processes at most, and
	// nobody reads them yet.
	const count = 100
	for range count {
		start(t, "/bin/true")
	}
	ctx, cancel := context.WithCancel(context.Background())
	told, lost := 0, uint64(0)
	err = src.Run(ctx, func(*Happening) { told++; cancel() }, func(n uint64, why string) {
		if why == "ring full" {
			lost += n
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if told == 0 || uint64(told)+lost < 3*count {
		t.Errorf("told of %d, lost %d, want %d at least in all", told, lost, 3*count)
	}
}

func TestEBPFRefusesOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []EBPFOptions{{}, {Processes: true, RingBytes: 1}, {Processes: true, RingBytes: 5 * 4096}, {Processes: true, RingBytes: -4096}} {
		if src, reason, err := OpenEBPF(o); err == nil || src != nil || reason != nil {
			t.Errorf("%+v: %v, %v, %v", o, src, reason, err)
		}
	}
}

// Threads are no processes: this test's own program has several, which are
// neither told of when they start nor when they end, and it exits once.
func TestEBPFTellsOfNoThreads(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := observe(t, EBPFOptions{Processes: true})
	pid := start(t, self, "-test.run=^TestThreads$", "-threads=8")
	last := start(t, "/bin/true")
	r.wait(t, "the last exit", of(Exit, last))
	if exits := r.find(of(Exit, pid)); len(exits) != 1 || exits[0].Status != 0 {
		t.Errorf("told of the exits %+v, want one of status 0", exits)
	}
	if forks := r.find(func(s *seen) bool { return s.Kind == Fork && int(s.ParentPID) == pid }); len(forks) > 0 {
		t.Errorf("told of threads: %+v", forks)
	}
}

var threads = flag.Int("threads", 0, "how many threads TestThreads starts")

// TestThreads is the other program of TestEBPFTellsOfNoThreads.
func TestThreads(t *testing.T) {
	if *threads == 0 {
		t.Skip("it is for another test")
	}
	var ended sync.WaitGroup
	all := make(chan struct{})
	for range *threads {
		ended.Go(func() {
			runtime.LockOSThread() // for good: the thread ends with the goroutine
			<-all
		})
	}
	close(all)
	ended.Wait()
}
