package spool_test

import (
	"bytes"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/agent/spool"
	"github.com/tvilling/tvilling/internal/store/segment/faultfs"
)

func keepAll() bool { return true }

func sync(t *testing.T, s *spool.Spool) {
	t.Helper()
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
}

// TestDoneOfHalfWritten is about events that a write that failed left on the
// disk, and that were sent from memory.
func TestDoneOfHalfWritten(t *testing.T) {
	t.Parallel()
	fs := faultfs.New()
	s := on(t, fs, 1<<20)
	sync(t, s)
	fs.FailWrite(1, syscall.EIO)
	fs.Fail("remove", syscall.EIO)
	add(t, s, spool.High, named("e", 4, 2000)...)
	if err := s.Sync(); tvilling.CodeOf(err) != tvilling.Unavailable {
		t.Fatalf("sync on a disk that fails: %v", err)
	}
	fs.FailWrite(0, nil)
	if got := empty(t, s, spool.High); len(got) != 4 {
		t.Fatalf("got %q", got)
	}
	fs.Crash(keepAll)
	if got := empty(t, on(t, fs, 1<<20), spool.High); got != nil {
		t.Errorf("%q are sent again", got)
	}
}

// TestFull fills the disk, and makes room again.
func TestFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fs := faultfs.New()
		s := on(t, fs, 1<<20)
		low := named("low", 100, 1000)
		add(t, s, spool.Low, low...)
		sync(t, s)
		fs.SetSpace(0)
		fs.Fail("create", syscall.ENOSPC)
		high := named("high", 400, 1000)
		add(t, s, spool.High, high[:10]...)
		err := s.Sync()
		if tvilling.CodeOf(err) != tvilling.Unavailable || !strings.Contains(err.Error(), "is full") {
			t.Fatalf("sync on a full disk: %v", err)
		}
		if mode, why := s.Mode(); mode != spool.InMemory || !strings.Contains(why, "Free some space") {
			t.Errorf("in %s: %s", mode, why)
		}
		// In memory there is room for 256 of them; the rest go, the oldest first.
		add(t, s, spool.High, high[10:]...)
		const room = spool.MaxMemory / (1000 + overhead)
		if events, _ := s.Waiting(spool.High); events != room {
			t.Errorf("%d events are in memory, want %d", events, room)
		}
		if got := s.Counts()[spool.High].Dropped[spool.Full]; got != 400-room {
			t.Errorf("%d are counted as dropped, want %d", got, 400-room)
		}
		if events, _ := s.Waiting(spool.Low); events != 100 {
			t.Errorf("%d of the 100 events on the disk are left", events)
		}
		fs.SetSpace(-1)
		fs.Fail("create", nil)
		<-time.After(10 * time.Second)
		sync(t, s)
		if mode, why := s.Mode(); mode != spool.OnDisk {
			t.Errorf("in %s: %s", mode, why)
		}
		fs.Crash(nil)
		s = on(t, fs, 1<<20)
		if p := s.Report().Problem(); p != "" {
			t.Error(p)
		}
		if got, want := empty(t, s, all...), slices.Concat(high[400-room:], low); !slices.Equal(got, want) {
			t.Errorf("got %d events, want %d", len(got), len(want))
		}
	})
}

// TestDiskComesLater opens the spool on a disk that is not there yet, and has
// events of an earlier run.
func TestDiskComesLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fs := faultfs.New()
		events := named("e", 6, 100)
		s := on(t, fs, 1<<20)
		add(t, s, spool.Low, events[:3]...)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		tries, there := 0, false
		s, err := spool.OpenWith(func() (spool.Disk, error) {
			tries++
			if !there {
				return nil, syscall.ENOENT
			}
			return disk{fs}, nil
		}, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if mode, why := s.Mode(); mode != spool.InMemory || why == "" {
			t.Errorf("in %s: %q", mode, why)
		}
		add(t, s, spool.Low, events[3:5]...)
		for range 100 {
			if s.Sync() == nil {
				t.Fatal("synced without a disk")
			}
			<-time.After(time.Second)
		}
		if tries > 5 {
			t.Errorf("tried %d times in 100 seconds", tries)
		}
		under, got := take(t, s, 1<<18, 0, spool.Low)
		if !slices.Equal(got, events[3:5]) {
			t.Errorf("got %q", got)
		}
		there = true
		<-time.After(5 * time.Minute)
		sync(t, s)
		// These were sent before the others were known; they may be sent again,
		// but the others must not be forgotten.
		if err := s.Done(under); err != nil {
			t.Fatal(err)
		}
		add(t, s, spool.Low, events[5])
		sync(t, s)
		fs.Crash(nil)
		s = on(t, fs, 1<<20)
		if got := empty(t, s, all...); !slices.Equal(got, events) {
			t.Errorf("got %q", got)
		}
		if c := s.Counts()[spool.Low]; c.Collected != 6 || c.Lost() != 0 {
			t.Errorf("counts %+v", c)
		}
	})
}

// TestOldest asks since when events wait, in memory, on the disk, and after a
// restart.
func TestOldest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fs := faultfs.New()
		s := on(t, fs, 1<<20)
		begin := time.Now().Truncate(time.Second)
		check := func(where string, want time.Time) {
			t.Helper()
			if got := s.Oldest(spool.Low); !got.Equal(want) {
				t.Errorf("%s: %v, want %v", where, got, want)
			}
		}
		check("nothing waits", time.Time{})
		add(t, s, spool.Low, "1")
		<-time.After(time.Hour)
		add(t, s, spool.Low, "2")
		check("in memory", begin)
		sync(t, s)
		check("on disk", begin)
		fs.Crash(nil)
		s = on(t, fs, 1<<20)
		check("after a restart", begin)
		b, _ := take(t, s, spool.Envelope+1, 0, spool.Low)
		if err := s.Done(b); err != nil {
			t.Fatal(err)
		}
		check("the second", begin.Add(time.Hour))
		if got := empty(t, s, spool.Low); !slices.Equal(got, []string{"2"}) {
			t.Errorf("got %q", got)
		}
		check("all done", time.Time{})
	})
}

// TestRest counts what a spool at rest writes: nothing.
func TestRest(t *testing.T) {
	t.Parallel()
	fs := faultfs.New()
	s := on(t, fs, 1<<20)
	add(t, s, spool.Low, "1")
	sync(t, s)
	writes, syncs := fs.Counts()
	for range 10 {
		sync(t, s)
		take(t, s, 4096, 4096, all...)
	}
	if w, n := fs.Counts(); w != writes || n != syncs {
		t.Errorf("%d writes and %d syncs for nothing", w-writes, n-syncs)
	}
	add(t, s, spool.Low, "2")
	sync(t, s)
	if w, n := fs.Counts(); w != writes+1 || n != syncs+1 {
		t.Errorf("%d writes and %d syncs for one event, want one of each", w-writes, n-syncs)
	}
}

// segments returns the names of the files with events.
func segments(fs *faultfs.FS) (names []string) {
	for _, name := range fs.Files() {
		if strings.HasSuffix(name, ".events") {
			names = append(names, name)
		}
	}
	return names
}

// TestDamage changes what is on the disk, and expects all the rest back.
func TestDamage(t *testing.T) {
	t.Parallel()
	const header, n, size = 40, 150, 1000
	at := func(event int) int { return header + event*(size+overhead) }
	for name, test := range map[string]struct {
		change func(fs *faultfs.FS, first string)
		gone   []int // events
		report func(spool.Report) bool
	}{
		"a byte of an event":   {change: flip(at(5) + 100), gone: []int{5}},
		"a byte of a length":   {change: flip(at(5)), gone: []int{5}},
		"a byte of a sequence": {change: flip(at(0) + 4), gone: []int{0}},
		"a byte of a checksum": {change: flip(at(64) - 1 - size), gone: []int{63}},
		"a byte of the seal":   {change: flip(at(64) + 2)},
		"a byte of the magic":  {change: flip(0)},
		"a byte of the class":  {change: flip(13)},
		"two events":           {change: flip(at(5)+1, at(6)+1), gone: []int{5, 6}},
		"a file that is not there": {
			change: func(fs *faultfs.FS, first string) { _ = disk{fs}.Remove(strings.TrimPrefix(first, folder+"/")) },
			gone:   upTo(0, 64), report: func(r spool.Report) bool { return r.Missing == 64 },
		},
		"an empty file": {
			change: func(fs *faultfs.FS, first string) { fs.SetData(first, nil) },
			gone:   upTo(0, 64), report: func(r spool.Report) bool { return r.Missing == 64 },
		},
		"a file cut off": {
			change: func(fs *faultfs.FS, first string) { fs.SetData(first, fs.Data(first)[:at(10)+500]) },
			gone:   upTo(10, 64), report: func(r spool.Report) bool { return r.Torn == 500 && r.Missing == 54 },
		},
		"zeros": {
			change: func(fs *faultfs.FS, first string) { clear4k(fs, first) },
			gone:   upTo(3, 8),
		},
		"a newer version": {
			change: func(fs *faultfs.FS, first string) { fs.SetData(first, spool.Newer(fs.Data(first))) },
			gone:   upTo(0, 64), report: func(r spool.Report) bool { return r.Newer == 1 },
		},
		"another name": {
			change: func(fs *faultfs.FS, first string) {
				data := fs.Data(first)
				_ = disk{fs}.Remove(strings.TrimPrefix(first, folder+"/"))
				fs.SetData(strings.Replace(first, "low", "high", 1), data)
			},
			gone: upTo(0, 64), report: func(r spool.Report) bool { return r.Foreign == 1 },
		},
		"no state": {
			change: func(fs *faultfs.FS, _ string) { _ = disk{fs}.Remove("state") },
			report: func(r spool.Report) bool { return r.StateLost },
		},
		"a state of zeros": {
			change: func(fs *faultfs.FS, _ string) { fs.SetData(folder+"/state", make([]byte, 8192)) },
			report: func(r spool.Report) bool { return r.StateLost },
		},
		"garbage": {
			change: func(fs *faultfs.FS, _ string) {
				fs.SetData(folder+"/core", []byte("core"))
				fs.SetData(folder+"/low-1.events", []byte("x"))
				fs.SetData(folder+"/low-0000000000000000-00000000.events", []byte("x"))
				fs.SetData(folder+"/high-00000000000000ff-00000000.events", bytes.Repeat([]byte("x"), 2<<20))
				fs.SetData(folder+"/high-ffffffffffffffff-00000000.events", nil)
			},
			report: func(r spool.Report) bool { return r.Foreign == 4 && r.Torn > 0 },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fs := faultfs.New()
			s := on(t, fs, 1<<20)
			events := named("e", n, size)
			add(t, s, spool.Low, events...)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			files := segments(fs)
			if len(files) != 3 || len(fs.Data(files[0])) != at(64)+overhead {
				t.Fatalf("files %v, the first of %d bytes", files, len(fs.Data(files[0])))
			}
			test.change(fs, files[0])
			s = on(t, fs, 1<<20)
			if test.report != nil && !test.report(s.Report()) {
				t.Errorf("%+v", s.Report())
			}
			var want []string
			for i, e := range events {
				if !slices.Contains(test.gone, i) {
					want = append(want, e)
				}
			}
			if got := empty(t, s, all...); !slices.Equal(got, want) {
				t.Errorf("got %d events, want %d", len(got), len(want))
			}
			if got := s.Counts()[spool.Low].Dropped[spool.Damaged]; got != uint64(len(test.gone)) {
				t.Errorf("%d are counted as damaged, want %d", got, len(test.gone))
			}
			add(t, s, spool.Low, "{}")
			sync(t, s)
			if got := empty(t, on(t, fs, 1<<20), all...); !slices.Equal(got, []string{"{}"}) {
				t.Errorf("afterwards there is %q", got)
			}
		})
	}
}

func flip(places ...int) func(*faultfs.FS, string) {
	return func(fs *faultfs.FS, name string) {
		data := fs.Data(name)
		for _, at := range places {
			data[at] ^= 0x10
		}
		fs.SetData(name, data)
	}
}

// clear4k makes zeros of a page.
func clear4k(fs *faultfs.FS, name string) {
	data := fs.Data(name)
	clear(data[4096:8192])
	fs.SetData(name, data)
}

func upTo(from, to int) (n []int) {
	for ; from < to; from++ {
		n = append(n, from)
	}
	return n
}
