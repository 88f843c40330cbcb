package segment_test

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/store/segment"
	"github.com/tvilling/tvilling/internal/store/segment/faultfs"
)

// mustOpen opens a log and closes it with the test.
func mustOpen(t testing.TB, o segment.Options) *segment.Log {
	t.Helper()
	l, err := segment.Open(o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		// Handles from before a crash are closed.
		if err := l.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
			t.Errorf("Close: %v", err)
		}
	})
	return l
}

func mustAppend(t testing.TB, l *segment.Log, payloads ...string) uint64 {
	t.Helper()
	first, err := l.Append(batch(payloads...))
	if err != nil {
		t.Fatalf("Append: %v", err)
	}
	return first
}

func batch(payloads ...string) [][]byte {
	var b [][]byte
	for _, p := range payloads {
		b = append(b, []byte(p))
	}
	return b
}

// contents reads a log and describes what it yields: "1:a", or "2!" for an
// error with the last sequence it stands for.
func contents(t testing.TB, l *segment.Log, after uint64) []string {
	t.Helper()
	var out []string
	for r, err := range l.Read(after) {
		if err != nil {
			if tvilling.CodeOf(err) != tvilling.Corrupt {
				t.Fatalf("Read yields %v, want code Corrupt", err)
			}
			out = append(out, fmt.Sprintf("%d!", r.Sequence))
			continue
		}
		out = append(out, fmt.Sprintf("%d:%s", r.Sequence, r.Payload))
	}
	return out
}

func wantContents(t testing.TB, l *segment.Log, after uint64, want ...string) {
	t.Helper()
	if got := contents(t, l, after); !slices.Equal(got, want) {
		t.Errorf("Read(%d) = %q, want %q", after, got, want)
	}
}

func TestAppendAndReadOnDisk(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "log")
	l, err := segment.Open(segment.Options{Dir: dir, MaxBytes: 200})
	if err != nil {
		t.Fatal(err)
	}
	if l.Head() != 0 || l.First() != 1 {
		t.Errorf("fresh log: Head %d First %d, want 0 and 1", l.Head(), l.First())
	}
	if got := mustAppend(t, l, "one", "", "three"); got != 1 {
		t.Errorf("first Append = %d, want 1", got)
	}
	for i := range 10 {
		mustAppend(t, l, fmt.Sprintf("more %d", i))
	}
	wantContents(t, l, 10, "11:more 7", "12:more 8", "13:more 9")
	if _, err := segment.Open(segment.Options{Dir: dir}); tvilling.CodeOf(err) != tvilling.Unavailable {
		t.Errorf("second Open = %v, want code Unavailable", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(batch("late")); tvilling.CodeOf(err) != tvilling.Unavailable {
		t.Errorf("Append after Close = %v, want code Unavailable", err)
	}

	l = mustOpen(t, segment.Options{Dir: dir, MaxBytes: 200})
	if l.Head() != 13 || l.First() != 1 || len(l.Segments()) < 3 {
		t.Errorf("reopened: Head %d First %d Segments %v", l.Head(), l.First(), l.Segments())
	}
	if r := l.Recovery(); r.TornBytes != 0 || r.Damaged != 0 {
		t.Errorf("Recovery = %+v, want nothing", r)
	}
	want := []string{"1:one", "2:", "3:three"}
	for i := range 10 {
		want = append(want, fmt.Sprintf("%d:more %d", i+4, i))
	}
	for after := range want {
		wantContents(t, l, uint64(after), want[after:]...)
	}
	wantContents(t, l, 13)
	wantContents(t, l, 99)
}

func TestDropKeepsReaders(t *testing.T) {
	t.Parallel()
	fs := faultfs.New()
	l := mustOpen(t, segment.Options{Dir: "log", MaxBytes: 100, FS: fs})
	for i := range 6 {
		mustAppend(t, l, fmt.Sprintf("%060d", i+1))
	}
	var got []uint64
	for r, err := range l.Read(0) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r.Sequence)
		if r.Sequence == 2 {
			if err := l.Drop(5); err != nil {
				t.Fatal(err)
			}
		}
	}
	if want := []uint64{1, 2, 5, 6}; !slices.Equal(got, want) {
		t.Errorf("read %v during Drop, want %v", got, want)
	}
	if l.First() != 5 || l.Head() != 6 {
		t.Errorf("First %d Head %d after Drop, want 5 and 6", l.First(), l.Head())
	}
	if err := l.Drop(100); err != nil {
		t.Fatal(err)
	}
	if l.First() != 6 || len(l.Segments()) != 1 {
		t.Errorf("First %d Segments %v, want the active one alone", l.First(), l.Segments())
	}
	if err := l.Rotate(); err != nil {
		t.Fatal(err)
	}
	if err := l.Drop(100); err != nil {
		t.Fatal(err)
	}
	if l.First() != 7 || l.Head() != 6 {
		t.Errorf("First %d Head %d of the empty log, want 7 and 6", l.First(), l.Head())
	}
	fs.Crash(nil)
	l = mustOpen(t, segment.Options{Dir: "log", MaxBytes: 100, FS: fs})
	if got := mustAppend(t, l, "next"); got != 7 {
		t.Errorf("Append after everything was dropped = %d, want 7", got)
	}
}

func TestNoSpaceIsRefusedAndPasses(t *testing.T) {
	t.Parallel()
	for _, room := range []int64{0, 1, 40, 700} {
		t.Run(fmt.Sprint(room), func(t *testing.T) {
			t.Parallel()
			fs := faultfs.New()
			l := mustOpen(t, segment.Options{Dir: "log", FS: fs, Reserve: 2000})
			fs.SetSpace(1000) // not enough to reserve
			mustAppend(t, l, "kept")
			size := l.Bytes()
			fs.SetSpace(room)
			_, err := l.Append(batch(strings.Repeat("x", 800), "y"))
			if tvilling.CodeOf(err) != tvilling.Unavailable || !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("Append = %v, want code Unavailable for ENOSPC", err)
			}
			if !strings.Contains(tvilling.MessageOf(err), "log") {
				t.Errorf("message %q does not name the directory", tvilling.MessageOf(err))
			}
			if got := int64(len(fs.Data(fs.Files()[0]))); got != size || l.Bytes() != size {
				t.Errorf("file has %d bytes, log says %d, want %d", got, l.Bytes(), size)
			}
			wantContents(t, l, 0, "1:kept")
			fs.SetSpace(-1)
			mustAppend(t, l, "later")
			fs.Crash(nil)
			l = mustOpen(t, segment.Options{Dir: "log", FS: fs})
			wantContents(t, l, 0, "1:kept", "2:later")
		})
	}
}

func TestFailedWritePoisons(t *testing.T) {
	t.Parallel()
	for name, inject := range map[string]func(*faultfs.FS){
		"sync":          func(fs *faultfs.FS) { fs.FailSync(0, syscall.EIO) },
		"sync no space": func(fs *faultfs.FS) { fs.FailSync(0, syscall.ENOSPC) },
		"write":         func(fs *faultfs.FS) { fs.FailWrite(0, syscall.EIO) },
		"roll back": func(fs *faultfs.FS) {
			fs.SetSpace(30)
			fs.Fail("truncate", syscall.EIO)
		},
		"sync of roll back": func(fs *faultfs.FS) {
			fs.SetSpace(30)
			fs.FailSync(0, syscall.EIO)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fs := faultfs.New()
			l := mustOpen(t, segment.Options{Dir: "log", FS: fs, Reserve: -1})
			mustAppend(t, l, "kept")
			inject(fs)
			_, first := l.Append(batch("lost", "lost"))
			if tvilling.CodeOf(first) != tvilling.Internal {
				t.Fatalf("Append = %v, want code Internal", first)
			}
			fs.FailSync(0, nil)
			fs.FailWrite(0, nil)
			fs.SetSpace(-1)
			fs.Fail("truncate", nil)
			writes, syncs := fs.Counts()
			if _, err := l.Append(batch("no")); !errors.Is(err, first) {
				t.Errorf("second Append = %v, want the same error", err)
			}
			if err := l.Rotate(); !errors.Is(err, first) {
				t.Errorf("Rotate = %v, want the same error", err)
			}
			if w, s := fs.Counts(); w != writes || s != syncs {
				t.Errorf("a poisoned log wrote %d and synced %d times", w-writes, s-syncs)
			}
			wantContents(t, l, 0, "1:kept")
			fs.Crash(nil)
			l = mustOpen(t, segment.Options{Dir: "log", FS: fs})
			wantContents(t, l, 0, "1:kept")
			mustAppend(t, l, "again")
		})
	}
}

// Space is reserved ahead, is not part of the log, and is given back.
func TestReserve(t *testing.T) {
	t.Parallel()
	fs := faultfs.New()
	l := mustOpen(t, segment.Options{Dir: "log", FS: fs, Reserve: 4096})
	mustAppend(t, l, "one")
	path := fs.Files()[0]
	used := l.Bytes()
	if got := int64(len(fs.Data(path))); got != 32+4096 || used != 32+32 {
		t.Errorf("file has %d bytes of which %d are used, want 4128 and 64", got, used)
	}
	_, before := fs.Counts()
	for range 50 {
		mustAppend(t, l, "more")
	}
	if _, after := fs.Counts(); after-before != 50 {
		t.Errorf("50 appends into reserved space took %d syncs", after-before)
	}
	fs.SetSpace(0) // what is reserved can be used when the disk is full
	for range 50 {
		mustAppend(t, l, "more")
	}
	if _, err := l.Append(batch(strings.Repeat("x", 4000))); tvilling.CodeOf(err) != tvilling.Unavailable {
		t.Errorf("Append beyond the reserve = %v, want code Unavailable", err)
	}
	fs.SetSpace(-1)
	fs.Crash(nil)
	l = mustOpen(t, segment.Options{Dir: "log", FS: fs, Reserve: 4096})
	if r := l.Recovery(); r.TornBytes != 0 || l.Head() != 101 {
		t.Errorf("Head %d, Recovery %+v, want 101 and nothing torn", l.Head(), r)
	}
	if err := l.Rotate(); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, "last")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, path := range fs.Files() {
		total += len(fs.Data(path))
	}
	if int64(total) != l.Bytes() {
		t.Errorf("files have %d bytes after Close, want %d", total, l.Bytes())
	}
}

func TestChanged(t *testing.T) {
	t.Parallel()
	l := mustOpen(t, segment.Options{Dir: "log", FS: faultfs.New()})
	ch := l.Changed()
	select {
	case <-ch:
		t.Fatal("Changed is closed before an append")
	default:
	}
	mustAppend(t, l, "x")
	<-ch
	ch = l.Changed()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	<-ch
	<-l.Changed()
}
