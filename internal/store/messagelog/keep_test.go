package messagelog_test

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/store/messagelog"
	"github.com/tvilling/tvilling/internal/store/segment/faultfs"
)

// TestKeepByAge drops no message that a reader has not read, however old.
func TestKeepByAge(t *testing.T) {
	t.Parallel()
	var logged strings.Builder
	var read atomic.Uint64
	l := mustOpen(t, messagelog.Options{
		Dir: "log", FS: faultfs.New(), MaxAge: time.Hour, Keep: read.Load,
		Logger: slog.New(slog.NewTextHandler(&logged, nil)),
	})
	// Six files of ten messages each.
	for n := range 60 {
		now := start.Add(time.Duration(n) * time.Minute)
		mustAppend(t, l, at("d", 10, now))
		if n%10 == 0 {
			if _, err := l.Retain(now.Add(10 * time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
	}
	late := start.Add(24 * time.Hour)
	for _, step := range []struct{ read, first, held uint64 }{
		{0, 1, 60},
		{0, 1, 60}, // and is said once
		{60, 61, 0},
	} {
		read.Store(step.read)
		if _, err := l.Retain(late); err != nil {
			t.Fatal(err)
		}
		if l.First() != step.first || l.Held() != step.held {
			t.Errorf("read up to %d: First %d Held %d, want %d and %d", step.read, l.First(), l.Held(), step.first, step.held)
		}
	}
	if got := strings.Count(logged.String(), "has not read them yet"); got != 1 {
		t.Errorf("log says %d times that messages are kept, want once: %s", got, logged.String())
	}
}

// TestKeepWholeFiles demands that a file stays as long as one message of it is
// needed, and goes with the last.
func TestKeepWholeFiles(t *testing.T) {
	t.Parallel()
	var read atomic.Uint64
	l := mustOpen(t, messagelog.Options{Dir: "log", FS: faultfs.New(), MaxAge: time.Hour, Keep: read.Load})
	var ends []uint64 // of files
	for n := range 60 {
		now := start.Add(time.Duration(n) * time.Minute)
		mustAppend(t, l, at("d", 10, now))
		if n%10 == 9 {
			if _, err := l.Retain(now); err != nil { // ends a file of more than an eighth of an hour
				t.Fatal(err)
			}
			ends = append(ends, l.Head())
		}
	}
	late := start.Add(24 * time.Hour)
	for r := range l.Head() + 1 {
		read.Store(r)
		if _, err := l.Retain(late); err != nil {
			t.Fatal(err)
		}
		want := uint64(1)
		for _, end := range ends {
			if end <= r {
				want = end + 1
			}
		}
		if l.First() != want {
			t.Errorf("read up to %d: First is %d, want %d", r, l.First(), want)
		}
		if held := l.Head() + 1 - l.First(); l.Held() != held {
			t.Errorf("read up to %d: Held is %d, want %d", r, l.Held(), held)
		}
	}
}

// TestKeepBySize lets the log outgrow its limit rather than drop what has not
// been read, and shrink again when it has.
func TestKeepBySize(t *testing.T) {
	t.Parallel()
	const limit = 6 << 20
	var read atomic.Uint64
	l := mustOpen(t, messagelog.Options{Dir: "log", FS: faultfs.New(), MaxBytes: limit, Keep: read.Load})
	read.Store(5)
	for range 200 {
		mustAppend(t, l, sample("d", 100_000))
	}
	if l.First() > 6 || l.Bytes() < 3*limit || l.Held() == 0 {
		t.Errorf("First %d, %d bytes, Held %d: want nothing after message 5 dropped", l.First(), l.Bytes(), l.Held())
	}
	read.Store(200)
	mustAppend(t, l, sample("d", 100_000))
	if l.Bytes() > limit || l.Held() != 0 || l.First() < 100 {
		t.Errorf("First %d, %d bytes, Held %d after all was read: want at most %d bytes", l.First(), l.Bytes(), l.Held(), limit)
	}
}
