package spool_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tvilling/tvilling/internal/agent/spool"
)

// TestFolder looks at what is in a real folder.
func TestFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/var/spool"
	s := open(t, dir, 1<<20)
	events := named("e", 200, 1000)
	add(t, s, spool.High, events...)
	sync(t, s)
	if err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if want := map[bool]os.FileMode{true: 0o700, false: 0o600}[info.IsDir()]; err == nil && info.Mode().Perm() != want {
			err = fmt.Errorf("%s has the mode %v", path, info.Mode())
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	other := open(t, dir, 1<<20)
	if mode, why := other.Mode(); mode != spool.InMemory || !strings.Contains(why, "another agent uses") {
		t.Errorf("a second agent: in %s: %s", mode, why)
	}
	if got := empty(t, s, all...); !slices.Equal(got, events) {
		t.Errorf("got %d events", len(got))
	}
	names, err := filepath.Glob(dir + "/*.events")
	if len(names) > 1 {
		t.Errorf("what is done is still there: %v, %v", names, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFolderRemoved removes the folder while it is in use: what was in it is
// counted, and another one is made.
func TestFolderRemoved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir() + "/var/spool"
		s := open(t, dir, 1<<20)
		add(t, s, spool.High, named("old", 10, 1000)...)
		sync(t, s)
		b, err := s.Take(1<<16, 0, all...)
		if err != nil || b.Len() == 0 {
			t.Fatalf("took %d events, %v", b.Len(), err)
		}
		if err := os.RemoveAll(filepath.Dir(dir)); err != nil {
			t.Fatal(err)
		}
		events := named("new", 20, 1000)
		add(t, s, spool.High, events...)
		if err := s.Sync(); err == nil {
			t.Error("synced in a folder that is gone")
		}
		// That what is sent cannot be forgotten puts off no try.
		for range 5 { // the file is still open
			b, err := s.Take(1, 0, all...)
			if err != nil || b.Len() != 1 {
				t.Fatal(b.Len(), err)
			}
			if err := s.Done(b); err == nil {
				t.Error("what is sent is forgotten in a folder that is gone")
			}
			time.Sleep(2500 * time.Millisecond) //nolint:forbidigo // in the bubble
		}
		sync(t, s)
		if mode, why := s.Mode(); mode != spool.OnDisk {
			t.Errorf("in %s: %s", mode, why)
		}
		if err := s.Done(b); err != nil { // of events that are gone
			t.Error(err)
		}
		if n := s.Counts()[spool.High]; n.Collected != 30 || n.Dropped[spool.Damaged] != 5 || n.Lost() != 5 {
			t.Errorf("%+v", n)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir, 1<<20)
		if got := empty(t, s, all...); !slices.Equal(got, events) {
			t.Errorf("got %d events", len(got))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestLinks puts symbolic links into the folder, which must not be followed.
func TestLinks(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "outside")
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(outside, []byte("outside"), 0o600); err != nil {
		t.Fatal(err)
	}
	inside := filepath.Join(dir, "inside")
	if err := os.WriteFile(inside, []byte("inside"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"state": "inside", "high-0000000000000001-00000000.events": "inside", "low-0000000000000001-00000000.events": outside} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, dir, 1<<20)
	add(t, s, spool.High, named("e", 100, 1000)...)
	if mode, why := s.Mode(); mode != spool.InMemory || !strings.Contains(why, "plain file") {
		t.Errorf("in %s: %s", mode, why)
	}
	if err := s.Sync(); err == nil {
		t.Error("synced through a link")
	}
	for path, want := range map[string]string{outside: "outside", inside: "inside"} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is now %q, %v", path, got, err)
		}
	}
}

// TestUnusable opens folders that cannot be used.
func TestUnusable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	shared := filepath.Join(dir, "shared")
	if err := os.Mkdir(shared, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(shared, 0o777); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{file: "cannot be used", shared: "mode 0700", "/proc/self/spool": "cannot be used"} {
		s := open(t, path, 1<<20)
		if mode, why := s.Mode(); mode != spool.InMemory || !strings.Contains(why, want) {
			t.Errorf("%s: in %s: %s", path, mode, why)
		}
		events := named("e", 10, 100)
		add(t, s, spool.Low, events...)
		if got := empty(t, s, all...); !slices.Equal(got, events) {
			t.Errorf("%s: got %d events", path, len(got))
		}
	}
}

// mounted mounts a file system of 128 KiB that only this test sees.
func mounted(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		t.Skip("needs the right to mount: ", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Skip("needs the right to mount: ", err)
	}
	if err := unix.Mount("spool", dir, "tmpfs", 0, "size=128k,mode=0700"); err != nil {
		t.Skip("needs the right to mount: ", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestRealFull fills a real file system. It is not parallel: see mounted.
func TestRealFull(t *testing.T) { //nolint:paralleltest // its thread has a file system of its own
	dir := mounted(t)
	s := open(t, dir, 1<<20)
	events := named("e", 250, 1000)
	add(t, s, spool.High, events...)
	if err := s.Sync(); err == nil || !strings.Contains(err.Error(), "is full") {
		t.Errorf("250 kB in 128 KiB: %v", err)
	}
	if got := empty(t, s, all...); !slices.Equal(got, events) {
		t.Errorf("got %d events", len(got))
	}
	add(t, s, spool.High, "{}") // what was sent made room
	sync(t, s)
	if mode, why := s.Mode(); mode != spool.OnDisk {
		t.Errorf("in %s: %s", mode, why)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRealReadOnly makes a real file system read-only, and writable again.
func TestRealReadOnly(t *testing.T) { //nolint:paralleltest // its thread has a file system of its own
	dir := mounted(t)
	remount := func(flags uintptr) {
		t.Helper()
		if err := unix.Mount("", dir, "", unix.MS_REMOUNT|flags, "size=128k"); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, dir, 1<<20)
	add(t, s, spool.Low, "1", "2")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	remount(unix.MS_RDONLY)
	s = open(t, dir, 1<<20)
	if mode, why := s.Mode(); mode != spool.InMemory || !strings.Contains(why, "read-only") {
		t.Errorf("in %s: %s", mode, why)
	}
	add(t, s, spool.Low, "3")
	b, got := take(t, s, 4096, 0, spool.Low)
	if !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("got %q", got)
	}
	if err := s.Done(b); err == nil {
		t.Error("done durably on a read-only disk")
	}
	remount(0)
	add(t, s, spool.Low, "4")
	if err := s.Close(); err == nil {
		t.Error("synced while the disk is left alone")
	}
	s = open(t, dir, 1<<20)
	if mode, why := s.Mode(); mode != spool.OnDisk {
		t.Errorf("in %s: %s", mode, why)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
