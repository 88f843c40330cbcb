//go:build linux

package collect

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func failedLine(user string) []byte {
	return logText("sshd[1]: Failed password for " + user + " from 192.0.2.1 port 4022 ssh2")
}

func expectUsers(t *testing.T, to *seen, want ...string) {
	t.Helper()
	if got := users(to.await(t, len(want))); !slices.Equal(got, want) {
		t.Fatalf("told of %v, expected %v", got, want)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func TestLogRotation(t *testing.T) {
	t.Parallel()
	root := logRoot(t)
	log := filepath.Join(root, "var/log/auth.log")
	appendTo(t, log, failedLine("before"))
	to, _ := watch(t, NewLogins(LoginOptions{Root: root, NoAudit: true}))
	appendTo(t, log, failedLine("a"))
	expectUsers(t, to, "a")

	// Renamed: the writer goes on in the old one until it knows.
	rename(t, log, log+".1")
	appendTo(t, log, nil)
	appendTo(t, log+".1", failedLine("b"))
	appendTo(t, log, failedLine("c"))
	expectUsers(t, to, "a", "b", "c")

	// Copied and truncated; what is new is shorter.
	if err := os.Truncate(log, 0); err != nil {
		t.Fatal(err)
	}
	appendTo(t, log, logText("login[1]: LOGIN ON tty1 BY d"))
	expectUsers(t, to, "a", "b", "c", "d")

	// Gone, and made anew.
	if err := os.Remove(log); err != nil {
		t.Fatal(err)
	}
	appendTo(t, log, failedLine("e"))
	expectUsers(t, to, "a", "b", "c", "d", "e")
}

// Logs that begin to be while the watcher runs are read from their beginning.
func TestLogsThatComeLater(t *testing.T) {
	t.Parallel()
	root := logRoot(t)
	to, _ := watch(t, NewLogins(LoginOptions{Root: root, NoAudit: true}))
	appendTo(t, filepath.Join(root, "var/log/btmp"), utmpBytes(utmpSmall, utmpLoginProcess, 1, "tty1", "a", "", nil, time.Now()))
	expectUsers(t, to, "a")
	appendTo(t, filepath.Join(root, "var/log/messages"), failedLine("b"))
	expectUsers(t, to, "a", "b")

	folder := filepath.Join(root, "run/log/journal/0123456789abcdef0123456789abcdef")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	m := newJournalMaker(true)
	m.sshd(uint64(time.Now().UnixMicro()), "Failed password for c from 192.0.2.1 port 4022 ssh2")
	appendTo(t, filepath.Join(folder, "system.journal"), m.b)
	// Something in a folder that is watched by now brings the new ones to notice.
	appendTo(t, filepath.Join(root, "var/log/other"), nil)
	expectUsers(t, to, "a", "b", "c")
}

func TestRestart(t *testing.T) {
	t.Parallel()
	root := logRoot(t)
	log, wtmp := filepath.Join(root, "var/log/auth.log"), filepath.Join(root, "var/log/wtmp")
	console := func(user string) []byte {
		return utmpBytes(utmpSmall, utmpUserProcess, 1, "tty1", user, "", nil, time.Now())
	}
	appendTo(t, log, failedLine("before"))
	appendTo(t, wtmp, console("before"))
	l := NewLogins(LoginOptions{Root: root, NoAudit: true})
	to, stop := watch(t, l)
	appendTo(t, log, failedLine("a"))
	expectUsers(t, to, "a")
	stop()
	saved, err := l.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	if len(saved) > maxCheckpoint {
		t.Errorf("%d bytes", len(saved))
	}

	// While there is no watcher the log is rotated.
	appendTo(t, log, failedLine("b"))
	rename(t, log, log+".1")
	appendTo(t, log, failedLine("c"))
	appendTo(t, wtmp, console("d"))
	l = NewLogins(LoginOptions{Root: root, NoAudit: true})
	if err := l.Restore(saved); err != nil {
		t.Fatal(err)
	}
	to, stop = watch(t, l)
	got := users(to.await(t, 3))
	slices.Sort(got)
	if !slices.Equal(got, []string{"b", "c", "d"}) {
		t.Fatalf("told of %v, expected b, c and d", got)
	}
	stop()
	if saved, err = l.Checkpoint(); err != nil {
		t.Fatal(err)
	}

	l = NewLogins(LoginOptions{Root: root, NoAudit: true})
	if err := l.Restore(saved); err != nil {
		t.Fatal(err)
	}
	to, _ = watch(t, l)
	appendTo(t, log, failedLine("e"))
	expectUsers(t, to, "e")
}

func TestRestoreOfWhatIsNoCheckpoint(t *testing.T) {
	t.Parallel()
	for _, b := range [][]byte{[]byte("{"), []byte("[]"), bytes.Repeat([]byte(" "), maxCheckpoint+1)} {
		if NewLogins(LoginOptions{Root: t.TempDir()}).Restore(b) == nil {
			t.Errorf("%.20q was taken", b)
		}
	}
	if err := NewLogins(LoginOptions{Root: t.TempDir()}).Restore(nil); err != nil {
		t.Errorf("nothing: %v", err)
	}
}

// A journal goes on in other files, and a restart finds its place in any.
func TestJournalRotationAndRestart(t *testing.T) {
	t.Parallel()
	root := logRoot(t)
	folder := filepath.Join(root, "var/log/journal/0123456789abcdef0123456789abcdef")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "system.journal")
	now := uint64(time.Now().UnixMicro())
	m := newJournalMaker(false)
	say := func(user string) {
		now++
		m.sshd(now, "Failed password for "+user+" from 192.0.2.1 port 4022 ssh2")
		// As journald does: in place, then a change of size to none other.
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(m.b, 0); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	rotate := func() {
		rename(t, path, filepath.Join(folder, fmt.Sprintf("system@%x-%016x-%016x.journal", "a sequence's id.", m.before+m.entries, now)))
		before := m.before + m.entries
		m = newJournalMaker(true)
		m.before = before
	}
	say("before")
	l := NewLogins(LoginOptions{Root: root, NoAudit: true})
	to, stop := watch(t, l)
	say("a")
	expectUsers(t, to, "a")
	rotate()
	say("b")
	expectUsers(t, to, "a", "b")
	stop()
	saved, err := l.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}

	say("c")
	rotate()
	say("d")
	l = NewLogins(LoginOptions{Root: root, NoAudit: true})
	if err := l.Restore(saved); err != nil {
		t.Fatal(err)
	}
	to, _ = watch(t, l)
	expectUsers(t, to, "c", "d")
	say("e")
	expectUsers(t, to, "c", "d", "e")
}

// What is far ahead is left out, as in a file that somebody gave a hole, and
// what follows is read.
func TestTailOfAHole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.log")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	told := 0
	tl := &tail{path: path, format: &lineReader{tell: func(sighting) { told++ }, now: time.Now}}
	if err := tl.open(false); err != nil {
		t.Fatal(err)
	}
	defer tl.close()
	const hole = 100 << 30
	if err := os.Truncate(path, hole); err != nil {
		t.Skip("the file system has no such large files: ", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("\n" + time.Now().Format(time.Stamp) + " host sshd[1]: Failed password for root from 192.0.2.1 port 4000 ssh2\n"); err != nil {
		t.Fatal(err)
	}
	if err := tl.drain(t.Context(), make([]byte, tailBuffer)); err != nil {
		t.Fatal(err)
	}
	if !tl.behind || told != 1 || tl.off < hole {
		t.Errorf("behind %t, %d told, at %d", tl.behind, told, tl.off)
	}
}
