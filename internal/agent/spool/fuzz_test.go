package spool_test

import (
	"slices"
	"testing"

	"github.com/tvilling/tvilling/internal/agent/spool"
	"github.com/tvilling/tvilling/internal/store/segment/faultfs"
)

// FuzzSegment opens a spool on any bytes in the place of a file, and takes all
// that it makes of them.
func FuzzSegment(f *testing.F) {
	fs := faultfs.New()
	s := on(f, fs, 1<<20)
	for _, e := range slices.Concat(named("e", 20, 30), named("e", 20, 4000)) {
		if err := s.Add(spool.High, []byte(e)); err != nil {
			f.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		f.Fatal(err)
	}
	names := segments(fs)
	first := fs.Data(names[0])
	f.Add(first)
	f.Add(first[:len(first)-24])
	f.Add(first[:len(first)/2])
	f.Add(slices.Concat(first[:200], make([]byte, 100), first[300:]))
	f.Add(slices.Concat(first[:200], first[180:]))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		damaged := faultfs.New()
		damaged.SetData(names[0], data)
		s := on(t, damaged, 1<<20)
		waiting, _ := s.Waiting(spool.High)
		got := empty(t, s, all...)
		lost := s.Counts()[spool.High].Dropped[spool.Damaged] - s.Report().Missing
		if len(got)+int(lost) != waiting {
			t.Errorf("%d events, %d of them came out and %d are lost", waiting, len(got), lost)
		}
		if n, size := s.Waiting(spool.High); n != 0 || size != 0 {
			t.Errorf("%d events of %d bytes are left", n, size)
		}
		// It can be used afterwards.
		if err := s.Add(spool.High, []byte("{}")); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got := empty(t, on(t, damaged, 1<<20), all...); !slices.Equal(got, []string{"{}"}) {
			t.Errorf("afterwards there is %q", got)
		}
	})
}

// FuzzState opens a spool with any bytes in the place of the state.
func FuzzState(f *testing.F) {
	fs := faultfs.New()
	s := on(f, fs, 1<<20)
	for range 2 {
		for _, e := range named("e", 20, 1000) {
			if err := s.Add(spool.Low, []byte(e)); err != nil {
				f.Fatal(err)
			}
		}
		if err := s.Sync(); err != nil {
			f.Fatal(err)
		}
		b, err := s.Take(8192, 0, spool.Low)
		if err == nil {
			err = s.Done(b)
		}
		if err != nil {
			f.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		f.Fatal(err)
	}
	name := segments(fs)[0]
	state := fs.Data(folder + "/state")
	f.Add(state)
	f.Add(state[:4096])
	f.Add(state[:100])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		changed := faultfs.New()
		changed.SetData(name, fs.Data(name))
		changed.SetData(folder+"/state", data)
		s := on(t, changed, 1<<20)
		waiting, _ := s.Waiting(spool.Low)
		if got := empty(t, s, all...); len(got) != waiting || waiting > 40 {
			t.Errorf("%d events, %d came out", waiting, len(got))
		}
		if err := s.Add(spool.Low, []byte("{}")); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got := empty(t, on(t, changed, 1<<20), all...); !slices.Equal(got, []string{"{}"}) {
			t.Errorf("afterwards there is %q", got)
		}
	})
}
