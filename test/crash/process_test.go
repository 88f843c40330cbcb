package crash_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/store/segment/faultfs"
)

// patience bounds how long a failing test waits; it says nothing about how
// fast a hub is.
const patience = 30 * time.Second

// endpoints are where a hub listens, as "host:port".
type endpoints struct{ mqtt, https string }

// hub is a hub that can be killed, over one data directory.
type hub interface {
	// start runs it and returns when it is ready.
	start(t *testing.T) endpoints
	// kill ends it without any warning. It may be called from any goroutine.
	kill()
	// stop ends it in order.
	stop(t *testing.T)
	data() string
}

// process is a hub in a process of its own.
type process struct {
	dir  string
	argv []string
	env  []string
	// unready, if set, says that the process is to be killed that much after
	// its start, ready or not, before it is started for good.
	unready func() (time.Duration, bool)

	cmd    *exec.Cmd
	stderr string // file
	once   *sync.Once
}

func (p *process) data() string { return p.dir }

func (p *process) start(t *testing.T) endpoints {
	t.Helper()
	if p.unready != nil {
		if after, ok := p.unready(); ok {
			p.killWhileStarting(t, after)
		}
	}
	lines := p.run(t)
	for line := range lines {
		if rest, ok := strings.CutPrefix(line, "ready "); ok {
			return parseReady(t, rest)
		}
	}
	err := p.cmd.Wait()
	t.Fatalf("the hub ended before it was ready: %v\n%s", err, p.log(t))
	return endpoints{}
}

// run starts the process and returns the lines it prints.
func (p *process) run(t *testing.T) <-chan string {
	t.Helper()
	p.stderr = filepath.Join(t.TempDir(), "stderr")
	f, err := os.Create(p.stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // the process has its own
	p.cmd = exec.Command(p.argv[0], p.argv[1:]...)
	p.cmd.Env = append(os.Environ(), p.env...)
	p.cmd.Stderr = f
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.once = &sync.Once{}
	lines := make(chan string, 16)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	t.Cleanup(p.kill)
	return lines
}

// killWhileStarting ends the process during its recovery.
func (p *process) killWhileStarting(t *testing.T, after time.Duration) {
	t.Helper()
	lines := p.run(t)
	timer := time.NewTimer(after)
	defer timer.Stop()
	for {
		select {
		case _, more := <-lines:
			if more {
				continue // ready already; it has its time
			}
			t.Fatalf("the hub ended by itself while it started: %v\n%s", p.cmd.Wait(), p.log(t))
		case <-timer.C:
			p.kill()
			return
		}
	}
}

func (p *process) kill() {
	p.once.Do(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait() // killed is what it is to be
	})
}

func (p *process) stop(t *testing.T) {
	t.Helper()
	p.once.Do(func() {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("stop the hub: %v", err)
		}
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("the hub stopped with %v\n%s", err, p.log(t))
		}
	})
}

// log is what the process wrote about itself.
func (p *process) log(t *testing.T) string {
	b, err := os.ReadFile(p.stderr)
	if err != nil {
		t.Error(err)
	}
	const most = 8000
	return string(b[max(0, len(b)-most):])
}

func parseReady(t *testing.T, line string) endpoints {
	t.Helper()
	var e endpoints
	for field := range strings.FieldsSeq(line) {
		name, value, _ := strings.Cut(field, "=")
		u, err := url.Parse(value)
		if err != nil {
			t.Fatalf("ready line %q: %v", line, err)
		}
		switch name {
		case "mqtt":
			e.mqtt = u.Host
		case "https":
			e.https = u.Host
		}
	}
	if e.mqtt == "" || e.https == "" {
		t.Fatalf("ready line %q names no endpoints", line)
	}
	return e
}

// build builds the product and returns its path.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tvilling")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "github.com/tvilling/tvilling/cmd/tvilling").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// The child is this test's own program as a hub whose store does in a second
// what it otherwise does in hours: writes back, begins files, replays.
const childEnv = "TVILLING_CRASH_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func options(dir string) app.Options {
	return app.Options{
		Data: dir, MQTT: "127.0.0.1:0", HTTPS: []string{"127.0.0.1:0"}, Admin: "127.0.0.1:0",
		Tuning: app.Tuning{SegmentBytes: 256 << 10, WriteBackAfter: 20 * time.Millisecond, ReplayBytes: 128 << 10, DirtyBytes: 1 << 20},
	}
}

func child(dir string) error {
	ctx := context.Background()
	o := options(dir)
	o.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	a, err := app.New(ctx, o)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() { <-term; stop() }()
	return a.Run(ctx, app.Hooks{Ready: func() {
		e := a.Endpoints()
		fmt.Fprintf(os.Stdout, "ready mqtt=%s https=%s\n", e.MQTT, e.HTTPS[0])
	}})
}

// powered is a hub in this process whose logs are on a disk that loses power:
// what was not synced is gone, or half of it.
type powered struct {
	dir    string
	disk   *faultfs.FS
	random *rand.Rand

	mu    sync.Mutex
	cut   bool
	halt  context.CancelFunc
	ended chan error
}

func (p *powered) data() string { return p.dir }

func (p *powered) start(t *testing.T) endpoints {
	t.Helper()
	o := options(p.dir)
	o.Tuning.FS = p.disk
	o.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	ctx, halt := context.WithCancel(context.WithoutCancel(t.Context()))
	a, err := app.New(ctx, o)
	if err != nil {
		halt()
		t.Fatalf("start after a power cut: %v", err)
	}
	p.mu.Lock()
	p.cut, p.halt, p.ended = false, halt, make(chan error, 1)
	p.mu.Unlock()
	ready, ended := make(chan struct{}), p.ended
	go func() { ended <- a.Run(ctx, app.Hooks{Ready: func() { close(ready) }}) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("run after a power cut: %v", err)
	}
	e := a.Endpoints()
	return parseReady(t, "mqtt="+e.MQTT+" https="+e.HTTPS[0])
}

// kill cuts the power. The hub of this process finds its files dead and stops
// with an error, which stands for the machine that is off.
func (p *powered) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut {
		return
	}
	p.cut = true
	p.disk.Crash(func() bool { return p.random.IntN(2) == 0 })
	p.halt()
}

func (p *powered) stop(t *testing.T) {
	t.Helper()
	p.halt()
	if err := p.wait(t); err != nil {
		t.Errorf("the hub stopped with %v", err)
	}
}

func (p *powered) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(patience):
		t.Fatal("the hub does not stop")
		return errors.New("not stopped")
	}
}
