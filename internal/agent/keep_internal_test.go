//go:build linux

package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/agent/budget"
	"github.com/tvilling/tvilling/internal/security/event"
)

func TestReadKept(t *testing.T) {
	t.Parallel()
	day := budget.Day{Date: "2026-01-02", Bytes: 77}
	for name, tt := range map[string]struct {
		text string
		want budget.Day
	}{
		"good":        {`{"format":1,"day":{"date":"2026-01-02","bytes":77},"logins":"AAE="}`, day},
		"no file":     {"", budget.Day{}},
		"half":        {`{"format":1,"day":{"date":"2026-`, budget.Day{}},
		"zeros":       {"\x00\x00\x00\x00", budget.Day{}},
		"newer":       {`{"format":2,"day":{"date":"2026-01-02","bytes":77}}`, budget.Day{}},
		"other type":  {`{"format":1,"day":[]}`, budget.Day{}},
		"far too big": {`{"format":1,"day":{"date":"2026-01-02","bytes":77},"x":"` + strings.Repeat("x", maxKept) + `"}`, budget.Day{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if tt.text != "" {
				if err := os.WriteFile(filepath.Join(dir, keptFile), []byte(tt.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := readKept(dir); got.Day != tt.want {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestWriteFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	path := filepath.Join(dir, "f")
	for _, text := range []string{"one", "two, which is longer", "3"} {
		if err := write(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != text {
			t.Errorf("got %q, %v", b, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	if info, err = os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder is %v, %v", info.Mode(), err)
	}
}

// TestKeepStateAfterEvents: how far logins were read is kept only once the
// events of those logins are on the disk; they are not read again.
func TestKeepStateAfterEvents(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := newAgent(t, dir)
	a.in.Observe(time.Now(), &event.Login{UserName: "only-once", Operation: "ssh", Executable: "/usr/sbin/sshd", Result: "Fail"})
	onDisk := func() bool {
		files, err := filepath.Glob(filepath.Join(dir, "spool", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil && strings.Contains(string(b), "only-once") {
				return true
			}
		}
		return false
	}
	if onDisk() {
		t.Fatal("the event is on the disk at once, so this shows nothing")
	}
	if err := a.keepState(); err != nil {
		t.Fatal(err)
	}
	if !onDisk() {
		t.Error("the state is kept before the event is on the disk")
	}
}
