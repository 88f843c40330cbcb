//go:build unix

package crash_test

import (
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

// A disk that refuses a write for another reason than a want of space, here a
// limit for the size of files, ends the hub: with a message, a status that is
// not 0, and all that it had acknowledged.
func TestCrashOfTheDisk(t *testing.T) {
	t.Parallel()
	bin := build(t)
	p := &process{dir: filepath.Join(t.TempDir(), "data")}
	serve := []string{bin, "serve", "--data", p.dir, "--mqtt", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0"}
	// In blocks of 512 bytes or of 1 KiB, as the shell has it: some megabytes.
	p.argv = append([]string{"/bin/sh", "-c", `ulimit -f 4096 && exec "$@"`, "sh"}, serve...)
	l := begin(t, p)
	l.register("d")
	id := tvilling.Device("d")
	acked := int64(1)
	pad := strings.Repeat("x", 4000)
	var refused error
	for refused == nil {
		if acked > 100_000 {
			t.Fatal("no write was refused")
		}
		patch := json.RawMessage(`{"p` + string(rune('a'+acked%8)) + `":"` + pad + `"}`)
		var twin *client.Twin
		if twin, refused = l.api.PatchTwin(l.ctx, id, client.TwinPatch{Desired: patch}, tvilling.Match{}); refused == nil {
			acked++
			if twin.Version != acked+1 {
				t.Fatalf("write %d makes version %d", acked, twin.Version)
			}
		}
	}
	l.end()
	err := p.cmd.Wait()
	p.once.Do(func() {}) // there is nothing to kill any more
	status, ok := errors.AsType[*exec.ExitError](err)
	if !ok || status.ExitCode() != 1 {
		t.Errorf("the hub ended with %v, want exit status 1", err)
	}
	if log := p.log(t); !strings.Contains(log, "the hub stops, since what is durable is no longer known; it recovers at its next start") || strings.Contains(log, "goroutine ") {
		t.Errorf("the hub's last words were\n%s", log)
	}

	p.argv = serve
	l = begin(t, p)
	verifyJournal(l)
	twin, err := l.api.Twin(l.ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	// The refused write may be there or not; an acknowledged one must.
	if n := twin.Version - 1; n != acked && n != acked+1 {
		t.Errorf("%d writes are there, %d were acknowledged", n, acked)
	}
	l.end()
	p.stop(t)
}

// Two hubs on one data directory would ruin each other.
func TestCrashSecondProcess(t *testing.T) {
	t.Parallel()
	bin := build(t)
	p := &process{dir: filepath.Join(t.TempDir(), "data")}
	p.argv = []string{bin, "serve", "--data", p.dir, "--mqtt", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0"}
	l := begin(t, p)
	out, err := exec.CommandContext(t.Context(), p.argv[0], p.argv[1:]...).CombinedOutput()
	status, ok := errors.AsType[*exec.ExitError](err)
	if !ok || status.ExitCode() == 0 || strings.Contains(string(out), "ready mqtt=") {
		t.Errorf("the second hub ended with %v:\n%s", err, out)
	}
	if !strings.Contains(string(out), p.dir) || !strings.Contains(string(out), "process") {
		t.Errorf("the refusal does not say which directory another process has:\n%s", out)
	}
	l.register("d") // the first one is not harmed
	l.end()
	p.kill()
	l = begin(t, p) // nor is the directory, by a lock that nobody holds any more
	if _, err := l.api.Device(l.ctx, "d"); err != nil {
		t.Error(err)
	}
	l.end()
	p.stop(t)
}
