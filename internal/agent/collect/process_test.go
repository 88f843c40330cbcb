//go:build linux

package collect_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/agent/collect"
	"github.com/tvilling/tvilling/internal/agent/kernel"
	"github.com/tvilling/tvilling/internal/security/event"
)

// seen keeps what is told.
type seen struct {
	mu    sync.Mutex
	items []event.Item
	times []time.Time
	lost  map[string]uint64
}

func (s *seen) Observe(at time.Time, it event.Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.items, s.times = append(s.items, it), append(s.times, at)
}

func (s *seen) Lost(k event.Kind, n uint64, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost == nil {
		s.lost = make(map[string]uint64)
	}
	s.lost[k.String()+": "+why] += n
}

// take returns what was told since it was called last.
func (s *seen) take() []event.Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := s.items
	s.items, s.times = nil, nil
	return items
}

func users() *collect.Names {
	return collect.NewNames(fstest.MapFS{"etc/passwd": {Data: []byte("root:x:0:0::/root:/bin/sh\npump:x:1000:1000::/:/bin/sh\n")}})
}

// procs is a folder that looks like /proc, of processes with the roots of a
// folder beside it.
type procs struct {
	t          *testing.T
	proc, root string
}

func newProcs(t *testing.T) *procs {
	dir := t.TempDir()
	p := &procs{t, filepath.Join(dir, "proc"), filepath.Join(dir, "root")}
	for _, d := range []string{p.proc, p.root} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// file makes a file in the processes' root, and returns its path as we see it.
func (p *procs) file(name, content string) string {
	path := filepath.Join(p.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// start makes a process that runs a file; exe is "" for a thread of the kernel.
func (p *procs) start(pid int, exe string) {
	dir := filepath.Join(p.proc, fmt.Sprint(pid))
	if err := os.Mkdir(dir, 0o700); err != nil {
		p.t.Fatal(err)
	}
	if exe != "" {
		p.link(exe, filepath.Join(dir, "exe"))
	}
	p.link(p.root, filepath.Join(dir, "root"))
}

func (p *procs) arguments(pid int, args []byte) {
	if err := os.WriteFile(filepath.Join(p.proc, fmt.Sprint(pid), "cmdline"), args, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *procs) link(to, at string) {
	if err := os.Symlink(to, at); err != nil {
		p.t.Fatal(err)
	}
}

func hashOf(content string) event.Detail {
	sum := sha256.Sum256([]byte(content))
	return event.Detail{Name: "Hash", Value: "sha256:" + hex.EncodeToString(sum[:])}
}

func args(words ...string) []byte { return []byte(strings.Join(words, "\x00") + "\x00") }

const elf = "\x7fELF of "

func TestProcessCreate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := newProcs(t)
		sh, curl, env := dir.file("usr/bin/dash", elf+"sh"), dir.file("usr/bin/curl", elf+"curl"), dir.file("usr/bin/env", elf+"env")
		dir.link("usr/bin", filepath.Join(dir.root, "bin"))
		dir.link("/usr/bin/dash", filepath.Join(dir.root, "usr/bin/sh")) // absolute: within the root
		dir.file("opt/script", "#! /bin/sh -e\nexit\n")
		dir.start(1, sh)
		dir.start(10, curl)
		dir.start(11, sh)
		dir.start(12, sh)
		dir.start(13, curl)
		dir.arguments(10, args("curl"))
		dir.arguments(13, args("curl"))
		dir.start(15, curl)
		dir.arguments(15, args("a title"))
		dir.start(14, "/nowhere/gone (deleted)")
		var to seen
		p := collect.NewProcesses(collect.ProcessOptions{Proc: dir.proc, Names: users()}, &to)
		go p.Run(t.Context())

		parent := event.Detail{Name: "ParentExecutable", Value: sh}
		for _, c := range []struct {
			name string
			h    kernel.Happening
			want event.ProcessCreate
		}{
			{
				"a program",
				kernel.Happening{PID: 10, ParentPID: 1, UID: 1000, HasUID: true, Path: []byte("/usr/bin/curl"), Args: args("curl", "-s", "a b")},
				event.ProcessCreate{Executable: curl, CommandLine: "curl -s 'a b'", UserID: "1000", UserName: "pump", Extra: event.Details{parent, hashOf(elf + "curl")}},
			},
			{
				"under another name",
				kernel.Happening{PID: 11, ParentPID: 1, UID: 7, HasUID: true, Path: []byte("/bin/sh"), Args: args("sh")},
				event.ProcessCreate{Executable: sh, CommandLine: "sh", UserID: "7", Extra: event.Details{parent, hashOf(elf + "sh")}},
			},
			{
				"a script",
				kernel.Happening{PID: 12, ParentPID: 1, HasUID: true, Path: []byte("/opt/script"), Args: args("/bin/sh", "/opt/script")},
				event.ProcessCreate{Executable: sh, CommandLine: "/bin/sh /opt/script", UserID: "0", UserName: "root", Extra: event.Details{parent, hashOf(elf + "sh")}},
			},
			{
				"one that runs another already",
				kernel.Happening{PID: 13, ParentPID: 1, HasUID: true, Path: []byte("/usr/bin/env"), Args: args("env", "curl")},
				event.ProcessCreate{Executable: env, CommandLine: "env curl", UserID: "0", UserName: "root", Extra: event.Details{parent, hashOf(elf + "env")}},
			},
			{
				"a process that is gone",
				kernel.Happening{PID: 77, ParentPID: 1, HasUID: true, Path: []byte("/bin/curl"), Args: args("curl"), ArgsCut: true},
				event.ProcessCreate{Executable: curl, CommandLine: "curl", UserID: "0", UserName: "root", Extra: event.Details{parent, {Name: "Cut", Value: "true"}, hashOf(elf + "curl")}},
			},
			{
				"gone with its parent",
				kernel.Happening{PID: 79, ParentPID: 77, HasUID: true, Path: []byte("/bin/curl"), Args: args("curl")},
				event.ProcessCreate{Executable: curl, CommandLine: "curl", UserID: "0", UserName: "root", Extra: event.Details{{Name: "ParentExecutable", Value: curl}, hashOf(elf + "curl")}},
			},
			{
				"a script that is gone",
				kernel.Happening{PID: 77, ParentPID: 1, HasUID: true, Path: []byte("/opt/script"), Args: args("/bin/sh", "/opt/script")},
				event.ProcessCreate{Executable: sh, CommandLine: "/bin/sh /opt/script", UserID: "0", UserName: "root", Extra: event.Details{parent, hashOf(elf + "sh")}},
			},
			{
				"one that changed its title",
				kernel.Happening{PID: 15, ParentPID: 1, HasUID: true, Path: []byte("/bin/curl"), Args: args("curl")},
				event.ProcessCreate{Executable: curl, CommandLine: "curl", UserID: "0", UserName: "root", Extra: event.Details{parent, hashOf(elf + "curl")}},
			},
			{
				"one that was replaced meanwhile",
				kernel.Happening{PID: 10, ParentPID: 1, HasUID: true, Path: []byte("/usr/bin/env"), Args: args("curl")},
				event.ProcessCreate{Executable: curl, CommandLine: "curl", UserID: "0", UserName: "root", Extra: event.Details{parent, hashOf(elf + "curl")}},
			},
			{
				"gone with its arguments",
				kernel.Happening{PID: 77, ParentPID: 1, HasUID: true, Path: []byte("./x"), Name: []byte("x"), ArgsMissing: true},
				event.ProcessCreate{Executable: "./x", CommandLine: "./x", UserID: "0", UserName: "root", Extra: event.Details{parent, {Name: "ArgumentsMissing", Value: "true"}}},
			},
			{
				"nothing but a name",
				kernel.Happening{PID: 78, Name: []byte("x\xff"), ArgsMissing: true},
				event.ProcessCreate{Executable: "x\uFFFD", CommandLine: "x\uFFFD", Extra: event.Details{{Name: "ArgumentsMissing", Value: "true"}}},
			},
			{
				"nothing at all",
				kernel.Happening{PID: 790, ArgsMissing: true},
				event.ProcessCreate{Executable: "(unknown)", CommandLine: "(unknown)", Extra: event.Details{{Name: "ArgumentsMissing", Value: "true"}}},
			},
			{
				"a file named so",
				kernel.Happening{PID: 14, ParentPID: 77, HasUID: true, Args: args("a")},
				event.ProcessCreate{Executable: "/nowhere/gone (deleted)", CommandLine: "a", UserID: "0", UserName: "root", Extra: event.Details{{Name: "ParentExecutable", Value: "./x"}}},
			},
		} {
			c.h.Kind = kernel.Exec
			c.h.At = time.Unix(1, 0)
			p.Handle(&c.h)
			synctest.Wait()
			items := to.take()
			c.want.ProcessID, c.want.ParentProcessID = int64(c.h.PID), int64(c.h.ParentPID)
			if d := cmp.Diff([]event.Item{&c.want}, items); d != "" {
				t.Errorf("%s: %s", c.name, d)
			}
		}
		if d := cmp.Diff(map[string]uint64{"ProcessCreate: arguments gone": 3}, to.lost); d != "" {
			t.Error(d)
		}
		// What is not hashed is told without a hash; nothing is told of the agent.
		p.SetHash(false)
		p.Handle(&kernel.Happening{Kind: kernel.Exec, PID: 10, Args: args("curl")})
		p.Handle(&kernel.Happening{Kind: kernel.Exec, PID: int32(os.Getpid()), Path: []byte(env), Args: args("agent")})
		want := &event.ProcessCreate{Executable: curl, CommandLine: "curl", ProcessID: 10, ParentProcessID: 1, UserID: fmt.Sprint(os.Getuid()), UserName: users().Name(uint32(os.Getuid())), Extra: event.Details{parent}}
		if d := cmp.Diff([]event.Item{want}, to.take()); d != "" {
			t.Error(d)
		}
	})
}

func TestProcessTerminate(t *testing.T) {
	dir := newProcs(t)
	sh := dir.file("bin/sh", elf)
	dir.start(1, sh)
	dir.start(2, "") // a thread of the kernel
	var to seen
	p := collect.NewProcesses(collect.ProcessOptions{Proc: dir.proc, Names: users()}, &to)
	for _, h := range []kernel.Happening{
		{Kind: kernel.Fork, PID: 10, ParentPID: 1},
		{Kind: kernel.Fork, PID: 11, ParentPID: 10},
		{Kind: kernel.Fork, PID: 12, ParentPID: 2},
		{Kind: kernel.Exec, PID: 11, Path: []byte("/no/such"), ArgsMissing: true},
		{Kind: kernel.Exit, PID: 10, Status: 3 << 8},
		{Kind: kernel.Exit, PID: 11, Status: 9 | 0x80},
		{Kind: kernel.Exit, PID: 12},
		{Kind: kernel.Exit, PID: 2},
		{Kind: kernel.Exit, PID: 99, Name: []byte("unknown")},
		{Kind: kernel.Exit, PID: 98, Name: []byte("polled"), Status: kernel.StatusUnknown},
		{Kind: kernel.Exit, PID: int32(os.Getpid()), Name: []byte("agent")},
		{Kind: kernel.Exit, PID: 10, Name: []byte("again")},
	} {
		p.Handle(&h)
	}
	want := []event.Item{
		&event.ProcessCreate{Executable: "/no/such", CommandLine: "/no/such", ProcessID: 11, ParentProcessID: 10, Extra: event.Details{{Name: "ParentExecutable", Value: sh}, {Name: "ArgumentsMissing", Value: "true"}}},
		&event.ProcessTerminate{Executable: sh, ProcessID: 10, ExitStatus: 3},
		&event.ProcessTerminate{Executable: "/no/such", ProcessID: 11, ExitStatus: 137},
		&event.ProcessTerminate{Executable: "unknown", ProcessID: 99},
		&event.ProcessTerminate{Executable: "polled", ProcessID: 98, ExitStatus: -1},
		&event.ProcessTerminate{Executable: "again", ProcessID: 10},
	}
	if d := cmp.Diff(want, to.take()); d != "" {
		t.Error(d)
	}
}

// However many processes there are, no more than 4096 are remembered, and
// those that are of use are.
func TestProcessTableIsBounded(t *testing.T) {
	dir := newProcs(t)
	sh := dir.file("bin/sh", elf)
	dir.start(1, sh)
	var to seen
	p := collect.NewProcesses(collect.ProcessOptions{Proc: dir.proc, Names: users()}, &to)
	for pid := int32(100); pid < 10100; pid++ {
		p.Handle(&kernel.Happening{Kind: kernel.Fork, PID: pid, ParentPID: 1})
	}
	known := 0
	for pid := int32(100); pid < 10100; pid++ {
		if p.Executable(pid) == sh {
			known++
		}
	}
	if known > 4096 || known < 3500 || p.Executable(10099) != sh || p.Executable(1) != sh {
		t.Errorf("%d are known", known)
	}
}

// An event whose program is not known yet waits for its hash; nothing is lost
// when there is no room, or when the agent ends.
func TestHashesWait(t *testing.T) {
	for _, c := range []struct {
		name  string
		execs func(i int) string // what the i-th process runs
		n     int
		// hashed is how many have a hash when the work may go on.
		hashed int
	}{
		{"one new program", func(int) string { return "a" }, 100, 100},
		{"many new programs", func(i int) string { return fmt.Sprint(i) }, 100, 64},
		{"one new program, very often", func(int) string { return "a" }, 600, 512},
	} {
		for _, end := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, " end:", end), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					dir := newProcs(t)
					var to seen
					budget := make(chan struct{})
					wait := func(ctx context.Context) error {
						select {
						case <-budget:
							return nil
						case <-ctx.Done():
							return ctx.Err()
						}
					}
					p := collect.NewProcesses(collect.ProcessOptions{Proc: dir.proc, Names: users(), Wait: wait}, &to)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					done := make(chan struct{})
					go func() { p.Run(ctx); close(done) }()
					for i := range c.n {
						name := c.execs(i)
						dir.start(100+i, dir.file(name, elf+name))
					}
					for i := range c.n {
						p.Handle(&kernel.Happening{Kind: kernel.Exec, PID: int32(100 + i), HasUID: true, Args: args("x"), At: time.Unix(int64(i), 0)})
					}
					synctest.Wait()
					at := len(to.items)
					if at != c.n-c.hashed {
						t.Errorf("%d were told at once", at)
					}
					hashed := c.hashed
					if end {
						cancel()
						hashed = 0
					} else {
						close(budget)
					}
					synctest.Wait()
					got := 0
					for i, it := range to.items {
						pid := it.(*event.ProcessCreate).ProcessID
						if to.times[i] != time.Unix(pid-100, 0) {
							t.Fatalf("process %d was told as of %v", pid, to.times[i])
						}
						if sum, ok := it.Details().Get("Hash"); ok {
							got++
							if want := hashOf(elf + c.execs(int(pid-100))).Value; sum != want {
								t.Fatalf("process %d has %s, want %s", pid, sum, want)
							}
						}
					}
					if len(to.items) != c.n || got != hashed || to.lost["ProcessCreate: hash not computed"] != uint64(c.n-hashed) {
						t.Errorf("of %d %d were told, %d with a hash (want %d); %v", c.n, len(to.items), got, hashed, to.lost)
					}
					if end {
						<-done
						p.Handle(&kernel.Happening{Kind: kernel.Exec, PID: 100, HasUID: true, Args: args("x")})
						if len(to.items) != c.n+1 {
							t.Error("after its end it held an event")
						}
					}
				})
			})
		}
	}
}

// A file that was replaced under its name has a new hash, and one that does not
// end in time is not read.
func TestHashFollowsTheFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := newProcs(t)
		var to seen
		p := collect.NewProcesses(collect.ProcessOptions{Proc: dir.proc, Names: users()}, &to)
		go p.Run(t.Context())
		path := dir.file("a", elf+"1")
		dir.start(100, path)
		exec := func() string {
			p.Handle(&kernel.Happening{Kind: kernel.Exec, PID: 100, HasUID: true, Args: args("x")})
			synctest.Wait()
			items := to.take()
			if len(items) != 1 {
				t.Fatalf("%d items", len(items))
			}
			sum, _ := items[0].Details().Get("Hash")
			return sum
		}
		for _, content := range []string{"1", "1", "22", "1"} {
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			dir.file("a", elf+content)
			if got, want := exec(), hashOf(elf+content).Value; got != want {
				t.Errorf("%s: got %s, want %s", content, got, want)
			}
		}
		if err := os.Truncate(path, 64<<20+1); err != nil { // a sparse one
			t.Fatal(err)
		}
		if got := exec(); got != "" || len(to.lost) > 0 {
			t.Errorf("a file that is too large has %q, lost %v", got, to.lost)
		}
	})
}

// A real process, whose program deletes itself.
func TestProcessHere(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root")
	}
	sleep, err := os.ReadFile("/bin/sleep")
	if err != nil {
		t.Skip("no /bin/sleep:", err)
	}
	path := filepath.Join(t.TempDir(), "my sleep")
	if err := os.WriteFile(path, sleep, 0o700); err != nil {
		t.Fatal(err)
	}
	child, err := os.StartProcess(path, []string{"sleep", "60"}, &os.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = child.Kill()
		_, _ = child.Wait()
	}()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	var to seen
	p := collect.NewProcesses(collect.ProcessOptions{Names: collect.NewNames(os.DirFS("/"))}, &to)
	p.Handle(&kernel.Happening{Kind: kernel.Exec, PID: int32(child.Pid), ParentPID: int32(os.Getpid()), HasUID: true, Path: []byte(path), Args: args("sleep", "60")})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { p.Run(ctx); close(done) }()
	deadline := time.Now().Add(30 * time.Second)
	var items []event.Item
	for len(items) == 0 && time.Now().Before(deadline) {
		runtime.Gosched()
		items = to.take()
	}
	cancel()
	<-done
	me, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	want := &event.ProcessCreate{
		Executable: path, CommandLine: "sleep 60", UserID: "0", UserName: "root", ProcessID: int64(child.Pid), ParentProcessID: int64(os.Getpid()),
		Extra: event.Details{{Name: "ParentExecutable", Value: me}, {Name: "Deleted", Value: "true"}, hashOf(string(sleep))},
	}
	if d := cmp.Diff([]event.Item{want}, items); d != "" {
		t.Error(d)
	}
}

func BenchmarkProcesses(b *testing.B) {
	p := collect.NewProcesses(collect.ProcessOptions{Names: collect.NewNames(os.DirFS("/"))}, nothing{})
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() { p.Run(ctx); close(done) }()
	defer func() { cancel(); <-done }()
	pid := int32(os.Getppid())
	exec := kernel.Happening{Kind: kernel.Exec, PID: pid, ParentPID: 1, HasUID: true, Path: []byte("/usr/bin/go"), Args: args("go", "test", "-run", "x y", "./...")}
	b.Run("exec", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.Handle(&exec)
		}
	})
	b.Run("fork, exec of one that is gone, exit", func(b *testing.B) {
		b.ReportAllocs()
		h := exec
		h.PID = 1 << 24
		for b.Loop() {
			p.Handle(&kernel.Happening{Kind: kernel.Fork, PID: h.PID, ParentPID: 1})
			p.Handle(&h)
			p.Handle(&kernel.Happening{Kind: kernel.Exit, PID: h.PID})
		}
	})
}

// nothing is a sink that keeps nothing.
type nothing struct{}

func (nothing) Observe(time.Time, event.Item)   {}
func (nothing) Lost(event.Kind, uint64, string) {}
