package spool_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/agent/spool"
)

func open(t *testing.T, dir string, size int64) *spool.Spool {
	t.Helper()
	s, err := spool.Open(spool.Options{Dir: dir, MaxBytes: size})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func add(t *testing.T, s *spool.Spool, c spool.Class, events ...string) {
	t.Helper()
	for _, e := range events {
		if err := s.Add(c, []byte(e)); err != nil {
			t.Fatal(err)
		}
	}
}

func take(t *testing.T, s *spool.Spool, budget, pad int, classes ...spool.Class) (spool.Batch, []string) {
	t.Helper()
	b, err := s.Take(budget, pad, classes...)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for e := range b.Events() {
		got = append(got, string(e))
	}
	if len(got) != b.Len() {
		t.Fatalf("Len is %d, but there are %d events", b.Len(), len(got))
	}
	return b, got
}

// named returns n events of size bytes.
func named(name string, n, size int) []string {
	events := make([]string, n)
	for i := range events {
		e := fmt.Sprintf(`{"%s":%d}`, name, i)
		events[i] = e[:len(e)-1] + strings.Repeat(" ", max(size-len(e), 0)) + "}"
	}
	return events
}

var all = []spool.Class{spool.High, spool.Medium, spool.Low}

func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/spool"
	s := open(t, dir, 1<<20)
	events := named("e", 100, 300)
	add(t, s, spool.Low, events...)
	b, got := take(t, s, 16<<10, 0, all...)
	if want := events[:len(got)]; len(got) < 50 || !slices.Equal(got, want) {
		t.Fatalf("got %d events: %v", len(got), got)
	}
	if err := s.Done(b); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, 1<<20)
	if mode, why := s.Mode(); mode != spool.OnDisk {
		t.Fatalf("in %s: %s", mode, why)
	}
	if p := s.Report().Problem(); p != "" || s.Report().Events != 100-len(got) {
		t.Errorf("%+v: %s", s.Report(), p)
	}
	_, rest := take(t, s, 1<<18, 0, all...)
	if !slices.Equal(rest, events[len(got):]) {
		t.Errorf("got %d events after the restart, of %d: %v", len(rest), len(events)-len(got), rest)
	}
	if c := s.Counts()[spool.Low]; c.Collected != 100 || c.Lost() != 0 {
		t.Errorf("counts %+v", c)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	s := open(t, "", 1<<20)
	for _, test := range []struct {
		class spool.Class
		size  int
		want  tvilling.Code
	}{
		{spool.High, 0, tvilling.InvalidArgument},
		{spool.Classes, 10, tvilling.InvalidArgument},
		{spool.High, spool.MaxEvent, ""},
		{spool.High, spool.MaxEvent + 1, tvilling.TooLarge},
	} {
		if got := tvilling.CodeOf(s.Add(test.class, make([]byte, test.size))); got != test.want {
			t.Errorf("an event of %d bytes in %s: %q, want %q", test.size, test.class, got, test.want)
		}
	}
	if c := s.Counts()[spool.High]; c.Collected != 2 || c.Dropped[spool.TooLarge] != 1 || c.Lost() != 1 {
		t.Errorf("counts %+v", c)
	}
	if _, err := spool.Open(spool.Options{}); tvilling.CodeOf(err) != tvilling.InvalidArgument {
		t.Errorf("a spool of no size: %v", err)
	}
}
