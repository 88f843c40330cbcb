//go:build linux

package agent

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/tvilling/tvilling/internal/agent/settings"
	"github.com/tvilling/tvilling/internal/agent/spool"
	"github.com/tvilling/tvilling/internal/security/event"
)

func TestIntakeQueues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, 1<<20)
		in := newIntake(s, defaults(func(s *settings.Settings) {
			s.Aggregate = [event.Kinds]time.Duration{}
			s.Queue[event.ProcessTerminateKind] = settings.Off
			s.Extension.Immediate = []event.Kind{event.LoginKind, event.ConnectionCreateKind}
		}))
		now := time.Now()
		in.Observe(now, process(1))
		in.Observe(now, &event.ProcessTerminate{Executable: "/bin/true", ProcessID: 1})
		in.Observe(now, login("root"))
		in.Observe(now, &event.ConnectionCreate{RemoteAddress: "192.0.2.1", RemotePort: "443", LocalAddress: "10.0.0.1", LocalPort: "40000", Protocol: "TCP", Direction: "Out", Executable: "/usr/bin/curl", UserID: "0", ProcessID: 1})
		in.snapshot(now, event.LocalUsersKind, nil)
		got := waiting(t, s)
		names := func(c spool.Class) (all []string) {
			for _, e := range got[c] {
				all = append(all, string(e.Category)+" "+e.Name)
			}
			return all
		}
		// What is immediate is in the queue of High whatever its priority.
		if want := []string{"Triggered Login", "Triggered ConnectionCreate", "Periodic LocalUsers"}; !slices.Equal(names(spool.High), want) {
			t.Errorf("high: got %v, want %v", names(spool.High), want)
		}
		if want := []string{"Triggered ProcessCreate"}; !slices.Equal(names(spool.Low), want) {
			t.Errorf("low: got %v, want %v", names(spool.Low), want)
		}
		if len(in.urgents) != 2 || in.changes != 2 {
			t.Errorf("%d urgent ones, %d changes; want 2, 2", len(in.urgents), in.changes)
		}
		for _, e := range got[spool.High] {
			if e.Empty != (e.Kind == event.LocalUsersKind) || !e.Stated.Equal(now.Truncate(time.Millisecond)) {
				t.Errorf("got %+v", e)
			}
		}
	})
}

func TestIntakeAggregates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, 1<<20)
		on := defaults(nil)
		in := newIntake(s, on)
		for range 5 {
			in.Observe(time.Now(), process(1))
		}
		in.windows(time.Now(), false)
		if got := waiting(t, s); len(got[spool.Low]) != 0 {
			t.Fatalf("before the window ends there are %d events", len(got[spool.Low]))
		}
		before := in.changes
		<-time.After(on.Aggregate[event.ProcessCreateKind] + time.Minute)
		in.windows(time.Now(), false)
		if in.changes == before {
			t.Error("nobody is told that aggregated events wait")
		}
		got := waiting(t, s)[spool.Low]
		if len(got) != 1 || got[0].Category != event.Aggregated || event.Hits(got[0].Items[0]) != 5 {
			t.Fatalf("got %+v", got)
		}
		// Switched off: what there is comes out, what follows is single.
		in.Observe(time.Now(), process(2))
		in.use(defaults(func(s *settings.Settings) { s.Aggregate = [event.Kinds]time.Duration{} }))
		in.Observe(time.Now(), process(3))
		got = waiting(t, s)[spool.Low]
		if len(got) != 2 || got[0].Category != event.Aggregated || got[1].Category != event.Triggered {
			t.Fatalf("got %+v", got)
		}
		// Not collected any more: nothing of it is told.
		in.use(on)
		in.Observe(time.Now(), process(4))
		in.use(defaults(func(s *settings.Settings) { s.Queue[event.ProcessCreateKind] = settings.Off }))
		in.windows(time.Now(), true)
		if got = waiting(t, s)[spool.Low]; len(got) != 0 {
			t.Fatalf("got %+v of what is off", got)
		}
	})
}

// TestIntakeClockJumps sets the clock of events back and forth: windows end all
// the same, and nothing is lost.
func TestIntakeClockJumps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, 1<<20)
		in := newIntake(s, defaults(nil))
		hits := int64(0)
		for i, jump := range []time.Duration{0, 365 * 24 * time.Hour, -50 * 365 * 24 * time.Hour, 10 * time.Minute, -10 * time.Minute} {
			for n := range 3 {
				in.Observe(time.Now().Add(jump), process(10*i+n))
			}
			in.windows(time.Now().Add(jump), false)
		}
		<-time.After(3 * time.Hour)
		in.windows(time.Now(), false)
		in.windows(time.Now(), true)
		for _, e := range waiting(t, s)[spool.Low] {
			for _, it := range e.Items {
				hits += event.Hits(it)
			}
		}
		if hits != 15 {
			t.Errorf("%d of 15 are told", hits)
		}
	})
}

func TestIntakeUrgent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in := newIntake(inMemory(t, 1<<20), defaults(func(s *settings.Settings) { s.Extension.MaxBytesPerDay = 10_000_000 }))
		for range urgentBurst {
			in.Observe(time.Now(), login("root"))
		}
		if slices.ContainsFunc(in.urgents, func(d time.Duration) bool { return d != 0 }) {
			t.Fatalf("of the first %d some wait: %v", urgentBurst, in.urgents)
		}
		in.urgents = nil
		in.Observe(time.Now(), login("root"))
		// Half of the day's bytes, 2 KB each.
		refill := time.Duration(float64(24*time.Hour) / (5_000_000. / urgentBytes))
		if in.urgents[0] != refill {
			t.Fatalf("the next one waits %v, want %v", in.urgents, refill)
		}
		in.snapshot(time.Now(), event.LocalUsersKind, nil) // another kind has its own
		if in.urgents[1] != 0 {
			t.Fatalf("another kind waits %v", in.urgents[1])
		}
		// A small budget makes them rare, but not too rare.
		small := newIntake(inMemory(t, 1<<20), defaults(func(s *settings.Settings) { s.Extension.MaxBytesPerDay = 1 }))
		for range urgentBurst + 1 {
			small.Observe(time.Now(), login("root"))
		}
		if d := small.urgents[urgentBurst]; d != longestUrgent {
			t.Errorf("with a byte a day one waits %v", d)
		}
	})
}

func TestIntakeLossesAreBounded(t *testing.T) {
	t.Parallel()
	in := newIntake(inMemory(t, 1<<20), defaults(nil))
	const n = 1000
	for i := range n {
		in.Lost(event.ProcessCreateKind, 2, strings.Repeat("x", i))
	}
	if got := len(in.losses()); got > maxLosses+int(event.Kinds) {
		t.Errorf("%d reasons are counted apart", got)
	}
	var sum uint64
	for _, c := range in.losses() {
		sum += c
	}
	if sum != 2*n {
		t.Errorf("%d are lost, want %d", sum, 2*n)
	}
}

// TestStatisticsAddUp lets events come, be shed, be lost, be dropped and be
// sent at random. What the statistics say was collected is what was sent, what
// waits and what they say was dropped; and every event is accounted for.
func TestStatisticsAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s, err := spool.Open(spool.Options{MaxBytes: 4000})
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = s.Close() }() // in memory
		conf := defaults(func(s *settings.Settings) { s.Aggregate = [event.Kinds]time.Duration{} })
		in := newIntake(s, conf)
		var happened, sentN, collected, dropped int64
		account := func() {
			for _, it := range in.dropped() {
				d := it.(*event.DroppedEventsStatistics)
				collected += d.CollectedEvents
				dropped += d.DroppedEvents
				var told int64
				for _, x := range d.Extra {
					told += number64(rt, x.Value)
				}
				if told != d.DroppedEvents {
					rt.Fatalf("%d are dropped, the reasons say %d: %+v", d.DroppedEvents, told, d.Extra)
				}
			}
		}
		for range rapid.IntRange(1, 200).Draw(rt, "steps") {
			switch rapid.IntRange(0, 6).Draw(rt, "step") {
			case 0, 1:
				in.Observe(time.Now(), process(1))
				happened++
			case 2:
				in.Observe(time.Now(), login("root"))
				happened++
			case 3:
				in.Lost(event.LoginKind, 3, "the log was rotated")
				happened += 3
			case 4:
				in.shed(rapid.Bool().Draw(rt, "shedding"))
			case 5:
				b, err := s.Take(1000, 0, orderHigh...)
				if err != nil {
					rt.Fatal(err)
				}
				sentN += int64(b.Len())
				if err := s.Done(b); err != nil {
					rt.Fatal(err)
				}
			case 6:
				account()
			}
		}
		account()
		var left int64
		for c := range spool.Classes {
			n, _ := s.Waiting(c)
			left += int64(n)
		}
		if collected != happened || collected != sentN+left+dropped {
			rt.Fatalf("%d happened, %d collected, %d sent, %d wait, %d dropped", happened, collected, sentN, left, dropped)
		}
	})
}

func number64(t *rapid.T, s string) (n int64) {
	for _, c := range s {
		if c < '0' || c > '9' {
			t.Fatalf("%q is no number", s)
		}
		n = 10*n + int64(c-'0')
	}
	return n
}

// TestShedding: over the budget, what is urgent or important still goes.
func TestShedding(t *testing.T) {
	t.Parallel()
	s := inMemory(t, 1<<20)
	in := newIntake(s, defaults(func(s *settings.Settings) {
		s.Queue[event.ConnectionCreateKind] = spool.High
		s.Aggregate = [event.Kinds]time.Duration{}
	}))
	in.shed(true)
	in.Observe(time.Now(), process(1))
	in.Observe(time.Now(), login("root"))
	in.Observe(time.Now(), &event.ConnectionCreate{RemoteAddress: "192.0.2.1", RemotePort: "443", LocalAddress: "10.0.0.1", LocalPort: "40000", Protocol: "TCP", Direction: "Out", Executable: "/usr/bin/curl", UserID: "0"})
	in.snapshot(time.Now(), event.FirewallConfigurationKind, nil)
	got := waiting(t, s)
	if len(got[spool.High]) != 2 || len(got[spool.Low]) != 1 || got[spool.Low][0].Kind != event.FirewallConfigurationKind {
		t.Errorf("got %+v", got)
	}
	if l := in.losses(); l["ProcessCreate: over budget"] != 1 || len(l) != 1 {
		t.Errorf("lost are %v", l)
	}
	in.shed(false)
	in.Observe(time.Now(), process(1))
	if got = waiting(t, s); len(got[spool.Low]) != 1 {
		t.Errorf("after it there are %+v", got)
	}
}
