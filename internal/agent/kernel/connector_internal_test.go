//go:build linux

package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// record runs a source until stop or the test's end.
func record(t testing.TB, src Source) *recorder {
	t.Helper()
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

func openConnector(t testing.TB, self int32) Source {
	t.Helper()
	src, reason, err := OpenConnector(self)
	if err != nil {
		t.Fatal(err)
	}
	if reason != nil {
		t.Skip(reason.Why)
	}
	return src
}

func TestConnectorTellsOfAProcess(t *testing.T) {
	t.Parallel()
	r := record(t, openConnector(t, 0))
	before := time.Now().Round(0)
	argv := []string{"/bin/sh", "-c", "read x; exit 7", "a word", ""}
	in, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	p, err := os.StartProcess(argv[0], argv, &os.ProcAttr{Files: []*os.File{in}})
	if err != nil {
		t.Fatal(err)
	}
	run := r.wait(t, "the exec", of(Exec, p.Pid)) // the process lives until it is told of
	w.Close()
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	fork, exit := r.wait(t, "the fork", of(Fork, p.Pid)), r.wait(t, "the exit", of(Exit, p.Pid))
	after := time.Now().Round(0)
	for _, s := range []seen{fork, run, exit} {
		if int(s.ParentPID) != os.Getpid() {
			t.Errorf("kind %d: the parent is %d, want %d", s.Kind, s.ParentPID, os.Getpid())
		}
		if s.At.Before(before.Add(-time.Second)) || s.At.After(after.Add(time.Second)) {
			t.Errorf("kind %d was at %v, want it from %v to %v", s.Kind, s.At, before, after)
		}
	}
	exe, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	if run.path != exe || !slices.Equal(run.args, argv) || run.name != "sh" || run.ArgsCut || run.ArgsMissing {
		t.Errorf("the exec is %+v", run)
	}
	if !run.HasUID || int(run.UID) != os.Getuid() {
		t.Errorf("the user is %d (known: %v), want %d", run.UID, run.HasUID, os.Getuid())
	}
	if exit.Status != 7<<8 {
		t.Errorf("the status is %#x, want %#x", exit.Status, 7<<8)
	}
}

func TestConnectorTellsOfASignal(t *testing.T) {
	t.Parallel()
	r := record(t, openConnector(t, 0))
	pid := start(t, "/bin/sh", "-c", "kill -9 $$")
	if got := r.wait(t, "the exit", of(Exit, pid)).Status & 0x7f; got != 9 {
		t.Errorf("the signal is %d, want 9", got)
	}
}

func TestConnectorTellsOfNoThreads(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := record(t, openConnector(t, 0))
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

func TestConnectorLeavesOutSelf(t *testing.T) {
	t.Parallel()
	p, w := heldShell(t, "exec /bin/true")
	r := record(t, openConnector(t, int32(p.Pid)))
	w.Close()
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	last := start(t, "/bin/true")
	r.wait(t, "another's exit", of(Exit, last))
	if found := r.find(func(s *seen) bool { return int(s.PID) == p.Pid }); len(found) > 0 {
		t.Errorf("told of the one to leave out: %+v", found)
	}
}

func TestConnectorBurst(t *testing.T) {
	t.Parallel()
	r := record(t, openConnector(t, 0))
	const count = 1000
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
		if got := r.find(func(s *seen) bool { return s.Kind == k && pids[int(s.PID)] }); len(got) < len(pids) {
			t.Errorf("kind %d: told of %d of %d processes", k, len(got), len(pids))
		}
	}
	if len(r.lost) > 0 {
		t.Errorf("lost %v", r.lost)
	}
}

// A buffer that holds little, and a source that does not read for a while.
func TestConnectorCountsWhatIsLost(t *testing.T) {
	t.Parallel()
	src := openConnector(t, 0)
	c := src.(*connector)
	if err := c.conn.Control(func(fd uintptr) {
		if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1); err != nil { // the kernel's least
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	const count = 100
	for range count {
		start(t, "/bin/true")
	}
	r := record(t, src)
	last := 0
	for last == 0 || len(r.find(of(Exit, last))) == 0 { // the first may still find the buffer full
		last = start(t, "/bin/true")
		for end := time.Now().Add(time.Second); len(r.find(of(Exit, last))) == 0 && time.Now().Before(end); {
			select {
			case <-r.fresh:
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	told := uint64(len(r.find(func(*seen) bool { return true })))
	if lost := r.lost["socket buffer full"]; lost == 0 || told+lost < 3*count {
		t.Errorf("told of %d, lost %v, want %d at least in all", told, r.lost, 3*count)
	}
}

func TestConnectorInANamespace(t *testing.T) {
	t.Parallel()
	openConnector(t, 0).Close()
	inNetwork(t, func() {
		src, reason, err := OpenConnector(0)
		if src != nil || err != nil || reason == nil || !strings.Contains(reason.Why, "network namespace") || reason.Remedy == "" {
			t.Errorf("%v, %+v, %v", src, reason, err)
		}
	})
}

// connectorSample is a message as the kernel sends it.
func connectorSample(what uint32, data ...uint32) []byte {
	p := make([]byte, cnBytes)
	put := binary.NativeEndian.PutUint32
	put(p, cnBytes)
	put(p[cnNetlink:], cnIndex)
	put(p[cnNetlink+4:], cnValue)
	put(p[cnAck:], 6)
	binary.NativeEndian.PutUint16(p[cnLength:], cnBytes-cnEvent)
	put(p[cnEvent:], what)
	binary.NativeEndian.PutUint64(p[cnTime:], 1e9)
	for i, v := range data {
		put(p[cnData+4*i:], v)
	}
	return p
}

func TestParseConnector(t *testing.T) {
	t.Parallel()
	old := connectorSample(cnExit, 7, 7, 256, 17) // before Linux 4.18
	old = old[:cnData+16]
	binary.NativeEndian.PutUint32(old, uint32(len(old)))
	binary.NativeEndian.PutUint16(old[cnLength:], uint16(len(old)-cnEvent))
	for _, tt := range []struct {
		name string
		in   []byte
		want cnMessage
	}{
		{"fork", connectorSample(cnFork, 3, 2, 7, 7), cnMessage{what: cnFork, ack: 6, since: 1e9, pid: 7, parent: 2}},
		{"a thread", connectorSample(cnFork, 3, 2, 8, 7), cnMessage{what: cnFork, ack: 6, since: 1e9, pid: 7, parent: 2, thread: true}},
		{"exec", connectorSample(cnExec, 8, 7), cnMessage{what: cnExec, ack: 6, since: 1e9, pid: 7}},
		{"exit", connectorSample(cnExit, 7, 7, 256, 17, 3, 2), cnMessage{what: cnExit, ack: 6, since: 1e9, pid: 7, parent: 2, status: 256}},
		{"exit of old", old, cnMessage{what: cnExit, ack: 6, since: 1e9, pid: 7, status: 256}},
		{"answer", connectorSample(cnNone, 1), cnMessage{what: cnNone, ack: 6, since: 1e9, status: 1}},
	} {
		if got, err := parseConnector(tt.in); err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v, want %+v", tt.name, got, err, tt.want)
		}
	}
	other, long := connectorSample(cnExec, 8, 7), connectorSample(cnExec, 8, 7)
	binary.NativeEndian.PutUint32(other[cnNetlink:], 2)
	binary.NativeEndian.PutUint16(long[cnLength:], cnBytes)
	short := connectorSample(cnFork, 3, 2, 8, 7)
	binary.NativeEndian.PutUint32(short, cnData+8)
	binary.NativeEndian.PutUint16(short[cnLength:], 24)
	for _, bad := range [][]byte{nil, other, long, short, connectorSample(cnExec)[:cnBytes-1]} {
		if got, err := parseConnector(bad); err == nil {
			t.Errorf("%x is %+v", bad, got)
		}
	}
}

func FuzzParseConnector(f *testing.F) {
	f.Add(connectorSample(cnFork, 3, 2, 7, 7))
	f.Add(connectorSample(cnExit, 7, 7, 256, 17, 3, 2))
	f.Add(connectorRequest(cnListen, 9))
	f.Fuzz(func(t *testing.T, p []byte) {
		if m, err := parseConnector(p); err == nil && len(p) < cnData+4 {
			t.Errorf("%x is %+v", p, m)
		}
	})
}
