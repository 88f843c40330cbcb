//go:build linux

package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// fakeProc is a folder like /proc.
type fakeProc struct {
	t     *testing.T
	dir   string
	last  int
	forks int
}

// fakeProcess is a process in it.
type fakeProcess struct {
	pid, parent, threads, start, stack int
	comm, exe, args                    string
	flags                              int
}

func newFakeProc(t *testing.T) *fakeProc {
	t.Helper()
	f := &fakeProc{t: t, dir: t.TempDir(), last: 100, forks: 1000}
	f.counts()
	f.add(fakeProcess{pid: 1, threads: 1, start: 5, stack: 7000, comm: "init", exe: "/sbin/init", args: "init\x00"})
	return f
}

func (f *fakeProc) counts() {
	f.put("loadavg", fmt.Sprintf("0.20 0.18 0.12 1/80 %d\n", f.last))
	f.put("stat", fmt.Sprintf("cpu  1 2 3\nintr %0100000d\nctxt 5\nbtime 1700000000\nprocesses %d\nprocs_running 1\n", 0, f.forks))
}

// fork counts n processes or threads that were started.
func (f *fakeProc) fork(n int) {
	f.last, f.forks = f.last+n, f.forks+n
	f.counts()
}

func (f *fakeProc) put(name, content string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(content), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fakeProc) add(p fakeProcess) {
	f.t.Helper()
	at := strconv.Itoa(p.pid)
	if err := os.MkdirAll(filepath.Join(f.dir, at), 0o755); err != nil {
		f.t.Fatal(err)
	}
	f.put(at+"/stat", fmt.Sprintf("%d (%s) S %d 0 0 0 -1 %d 0 0 0 0 0 0 0 0 20 0 %d 0 %d 0 0 0 %d 0 %d 0\n", p.pid, p.comm, p.parent, p.flags, p.threads, p.start, p.stack/2, p.stack))
	f.put(at+"/status", fmt.Sprintf("Name:\t%s\nPPid:\t%d\nUid:\t1000\t0\t0\t0\n", p.comm, p.parent))
	f.put(at+"/cmdline", p.args)
	exe := filepath.Join(f.dir, at, "exe")
	if err := os.Remove(exe); err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.t.Fatal(err)
	}
	if p.exe == "" {
		return
	}
	if err := os.Symlink(p.exe, exe); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fakeProc) remove(pid int) {
	f.t.Helper()
	if err := os.RemoveAll(filepath.Join(f.dir, strconv.Itoa(pid))); err != nil {
		f.t.Fatal(err)
	}
}

// poll opens a poller of the folder that counts, whatever namespace the test is in.
func (f *fakeProc) poll() (*poller, *recorder) {
	f.t.Helper()
	p, err := openPolling(f.dir, 0, 77)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { p.Close() })
	p.counting = true
	r := &recorder{lost: map[string]uint64{}, fresh: make(chan struct{}, 1)}
	p.handle, p.lost = r.take, r.miss
	return p, r
}

// told returns what was told since the last call, in short.
func (r *recorder) told() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, s := range r.all {
		switch s.Kind {
		case Exec:
			all = append(all, fmt.Sprintf("exec %d of %d by %d: %s %q %q", s.PID, s.ParentPID, s.UID, s.path, s.name, s.args))
		case Exit:
			all = append(all, fmt.Sprintf("exit %d of %d: %d", s.PID, s.ParentPID, s.Status))
		default:
			all = append(all, fmt.Sprintf("kind %d: %s %v %v, process %d, user %d %v", s.Kind, s.Protocol, s.Local, s.Remote, s.PID, s.UID, s.HasUID))
		}
	}
	slices.Sort(all)
	r.all = nil
	return all
}

func TestPolling(t *testing.T) {
	t.Parallel()
	f := newFakeProc(t)
	p, r := f.poll()
	look := func(what string, lost uint64, want ...string) {
		t.Helper()
		p.full = time.Now().Add(-time.Hour) // as if the last look was long ago
		if _, err := p.look(); err != nil {
			t.Fatal(err)
		}
		slices.Sort(want)
		if got := r.told(); !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", what, got, want)
		}
		if got := r.lost["shorter than a poll"]; got != lost {
			t.Errorf("%s: lost %d, want %d", what, got, lost)
		}
		clear(r.lost)
	}
	look("nothing", 0)

	sh := fakeProcess{pid: 101, parent: 1, threads: 1, start: 200, stack: 9000, comm: "sh", exe: "/bin/sh", args: "sh\x00-c\x00x\x00"}
	f.add(sh)
	f.fork(1)
	look("a process", 0, `exec 101 of 1 by 1000: /bin/sh "sh" ["sh" "-c" "x"]`)

	sh.comm = "worker" // it takes another name, which is no other program
	f.add(sh)
	look("another name", 0)
	sh.comm, sh.exe, sh.args, sh.stack = "x", "/bin/x", "x\x00", 9900
	f.add(sh)
	look("another program", 0, `exec 101 of 1 by 1000: /bin/x "x" ["x"]`)

	f.fork(5)
	f.add(fakeProcess{pid: 106, parent: 1, threads: 2, start: 300, comm: "hidden", args: "hidden\x00"}) // with two threads
	look("some that are gone", 3, `exec 106 of 1 by 1000:  "hidden" ["hidden"]`)
	f.add(fakeProcess{pid: 106, parent: 1, threads: 5, start: 300, comm: "other", args: "other\x00"})
	f.fork(3)
	look("threads, and a name where no more is known", 0, `exec 106 of 1 by 1000:  "other" ["other"]`)

	f.remove(106)
	look("an end", 0, "exit 106 of 1: -1")
	f.add(fakeProcess{pid: 101, parent: 1, threads: 1, start: 400, stack: 1, comm: "y", exe: "/bin/y (deleted)", args: ""})
	f.fork(1)
	look("a number that is used again", 0, "exit 101 of 1: -1", `exec 101 of 1 by 1000: /bin/y "y" []`)

	f.add(fakeProcess{pid: 120, parent: 2, threads: 1, start: 500, comm: "kworker/0:1", flags: flagKernelThread})
	f.add(fakeProcess{pid: 77, parent: 1, threads: 1, start: 600, stack: 5, comm: "agent", exe: "/agent", args: "agent\x00"})
	f.fork(2)
	look("the kernel's own, and the agent", 0)
	f.remove(120)
	f.remove(77)
	look("their ends", 0)

	f.add(fakeProcess{pid: 130, parent: 1, threads: 1, start: 700, stack: 5, comm: "early", args: "early\x00"})
	look("one that is not counted yet", 0, `exec 130 of 1 by 1000:  "early" ["early"]`)
	f.fork(3)
	look("and then is", 2)
}

func TestPollingLooksOnlyWhenSomethingStarted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFakeProc(t)
		p, r := f.poll()
		run := func(d time.Duration, want uint32) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			if err := p.Run(ctx, r.take, r.miss); err != nil {
				t.Error(err)
			}
			if p.round != want {
				t.Errorf("%d scans, want %d", p.round, want)
			}
		}
		run(3500*time.Millisecond, 1)
		f.fork(1)
		run(1500*time.Millisecond, 2)
		run(3500*time.Millisecond, 2)
		run(10*time.Second, 3) // a process may have ended
	})
}

func TestPollingFails(t *testing.T) {
	t.Parallel()
	if _, err := openPolling(filepath.Join(t.TempDir(), "none"), 0, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a folder: %v", err)
	}
	if _, err := openPolling(t.TempDir(), 0, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without files: %v", err)
	}
	f := newFakeProc(t)
	p, _ := f.poll()
	f.put("1/stat", "nonsense")
	f.fork(1)
	if _, err := p.look(); err == nil {
		t.Error("a malformed file was taken")
	}
	f.put("loadavg", "nonsense")
	if _, err := p.look(); err == nil {
		t.Error("a malformed count was taken")
	}
}

func TestPollingOfThisMachine(t *testing.T) {
	t.Parallel()
	src, err := OpenPolling(20*time.Millisecond, 0)
	if err != nil {
		t.Fatal(err)
	}
	r := record(t, src)
	p, w := heldShell(t, "exec /bin/cat")
	run := r.wait(t, "the shell", of(Exec, p.Pid))
	if !run.HasUID || int(run.UID) != os.Getuid() || int(run.ParentPID) != os.Getpid() || run.path == "" || run.ArgsMissing {
		t.Errorf("the exec is %+v", run)
	}
	if ago := time.Since(run.At); ago < -time.Second || ago > time.Minute {
		t.Errorf("it was %v ago", ago)
	}
	w.Close()
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if exit := r.wait(t, "its end", of(Exit, p.Pid)); exit.Status != StatusUnknown || int(exit.ParentPID) != os.Getpid() {
		t.Errorf("the exit is %+v", exit)
	}
}

func FuzzPollFiles(f *testing.F) {
	f.Add([]byte("0.20 0.18 0.12 1/80 11206\n"))
	f.Add([]byte("intr 1 2\nctxt 5\nprocesses 26442\nprocs_running 1\n"))
	f.Fuzz(func(t *testing.T, p []byte) {
		if n, err := parseLastPID(p); err == nil && len(p) < 9 {
			t.Errorf("%q has %d", p, n)
		}
		if n, ok := parseForks(p); ok && len(p) < len("\nprocesses 1\n") {
			t.Errorf("%q has %d", p, n)
		}
	})
}
