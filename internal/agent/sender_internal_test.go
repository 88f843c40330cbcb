//go:build linux

package agent

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling/internal/agent/settings"
	"github.com/tvilling/tvilling/internal/agent/spool"
	"github.com/tvilling/tvilling/internal/security/event"
)

// sending is a sender that runs, an intake before it and a hub behind it.
type sending struct {
	t     *testing.T
	spool *spool.Spool
	in    *notedIntake
	out   *sender
	hub   *fakeHub
	start time.Time
	// high and low say whether the day's bytes allow messages.
	high, low atomic.Bool
}

// sends makes a sender that runs until the test ends. Intervals are one minute
// for High, two for Medium and ten for Low; nothing is aggregated, nor immediate
// but logins.
func sends(t *testing.T, s *spool.Spool, change func(*settings.Settings)) *sending {
	t.Helper()
	conf := defaults(func(s *settings.Settings) {
		s.Interval = [spool.Classes]time.Duration{time.Minute, 2 * time.Minute, 10 * time.Minute}
		s.Aggregate = [event.Kinds]time.Duration{}
		s.Extension.Immediate = []event.Kind{event.LoginKind}
		if change != nil {
			change(s)
		}
	})
	w := &sending{t: t, spool: s, in: newIntake(s, conf), hub: &fakeHub{t: t}, start: time.Now()}
	w.high.Store(true)
	w.low.Store(true)
	w.out = &sender{
		spool: s, settings: conf, wake: make(chan struct{}, 1), log: quiet(t),
		send: w.hub.send, connected: w.hub.connected,
		mayTry: func(high bool) bool { return high && w.high.Load() || !high && w.low.Load() },
		message: func(dst []byte, b spool.Batch) []byte {
			return b.AppendMessage(dst, "1.0", "5a4b8c1e-7d2f-4c3a-9b6e-0f1d2c3b4a59")
		},
	}
	w.in.intake.urgent = func(d time.Duration) { w.out.noteUrgent(d); w.out.noteChange() }
	w.in.intake.changed = w.out.noteChange
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.out.run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return w
}

// low and high are events of some hundred bytes.
func (w *sending) addLow(n int) {
	for i := range n {
		w.in.Observe(time.Now(), process(i))
	}
}

func (w *sending) addHigh(n int) {
	for range n {
		w.in.snapshot(time.Now(), event.ListeningPortsKind, []event.Item{&event.ListeningPorts{Protocol: "tcp", LocalAddress: "0.0.0.0", LocalPort: "22", RemoteAddress: "0.0.0.0", RemotePort: "*"}})
	}
}

// want checks what the hub has got since the last time, as "seconds: names×n …".
func (w *sending) want(all ...string) []sent {
	w.t.Helper()
	synctest.Wait()
	got := w.hub.messages()
	var texts []string
	for _, m := range got {
		counts := map[string]int{}
		var names []string
		for _, e := range m.Events {
			if counts[e.Name]++; counts[e.Name] == 1 {
				names = append(names, e.Name)
			}
		}
		for i, n := range names {
			names[i] = fmt.Sprintf("%s×%d", n, counts[n])
		}
		texts = append(texts, fmt.Sprintf("%g: %s", m.at.Sub(w.start).Seconds(), strings.Join(names, " ")))
	}
	if !slices.Equal(texts, all) {
		w.t.Fatalf("got\n  %s\nwant\n  %s", strings.Join(texts, "\n  "), strings.Join(all, "\n  "))
	}
	return got
}

func TestSenderIntervals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := sends(t, inMemory(t, 1<<20), nil)
		w.addLow(1)
		<-time.After(30 * time.Second)
		w.addHigh(1)
		w.want()
		<-time.After(10 * time.Second)
		w.addHigh(1) // does not put the first one off
		<-time.After(time.Hour)
		// Low fills the message up and so is not sent on its own.
		w.want("90: ListeningPorts×2 ProcessCreate×1")
		w.addLow(2) // at 3640
		<-time.After(time.Hour)
		w.want("4240: ProcessCreate×2")
		if n := w.hub.tries; n != 2 {
			t.Errorf("%d tries", n)
		}
	})
}

// TestSenderFillsBlocks: low fills what high leaves of 4 KB, no more.
func TestSenderFillsBlocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := sends(t, inMemory(t, 1<<20), nil)
		w.addLow(50)
		w.addHigh(1)
		<-time.After(time.Minute)
		synctest.Wait()
		got := w.hub.messages()
		if len(got) != 1 {
			t.Fatalf("%d messages", len(got))
		}
		m := got[0]
		if m.Size > blockBytes || m.Size < blockBytes-1000 || m.Events[0].Name != "ListeningPorts" || len(m.Events) < 5 {
			t.Errorf("%d bytes, %d events, the first is %s", m.Size, len(m.Events), m.Events[0].Name)
		}
		left, _ := w.spool.Waiting(spool.Low)
		if left != 50-len(m.Events)+1 {
			t.Errorf("%d are left", left)
		}
	})
}

func TestSenderSize(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := sends(t, inMemory(t, 1<<20), func(s *settings.Settings) { s.MaxMessage = 8192 })
		for len(w.hub.got) == 0 {
			if _, n := w.spool.Waiting(spool.Low); n > 2*8192 {
				t.Fatal("more than two messages wait")
			}
			w.addLow(1)
			synctest.Wait()
		}
		m := w.hub.messages()[0]
		if !m.at.Equal(w.start) || m.Size > 8192 || m.Size < 8192-1000 {
			t.Errorf("got %d bytes after %v", m.Size, m.at.Sub(w.start))
		}
	})
}

func TestSenderUrgent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := sends(t, inMemory(t, 1<<20), nil)
		w.addLow(1)
		w.in.Observe(time.Now(), login("root"))
		got := w.want("0: Login×1 ProcessCreate×1")
		if got[0].Size > blockBytes {
			t.Errorf("it has %d bytes", got[0].Size)
		}
		// Urgent ones that come together go together.
		w.in.Observe(time.Now(), login("a"))
		w.in.Observe(time.Now(), login("b"))
		<-time.After(time.Minute)
		w.want("0.05: Login×2")
		it := w.out.messages()[0].(*event.MessageStatistics)
		if it.MessagesSent != 2 || it.MessagesUnder4KB != 2 || it.TotalFailed != 0 || it.Extra[0] != (event.Detail{Name: event.UrgentUnder4KB, Value: "2"}) {
			t.Errorf("the statistics are %+v", it)
		}
	})
}

// TestSenderUrgentBucket floods with logins for an hour: the first go at once,
// the others go as often as the bytes allow, and all arrive.
func TestSenderUrgentBucket(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := sends(t, inMemory(t, 8<<20), func(s *settings.Settings) { s.Interval[spool.High] = time.Hour; s.MaxMessage = 1 << 18 })
		for range 3600 {
			w.in.Observe(time.Now(), login("root"))
			<-time.After(time.Second)
		}
		<-time.After(time.Minute)
		synctest.Wait()
		events := 0
		got := w.hub.messages()
		for _, m := range got {
			events += len(m.Events)
		}
		refill := time.Duration(float64(24*time.Hour) / (5_000_000. / urgentBytes))
		if most := urgentBurst + int(time.Hour/refill) + 4; len(got) > most || len(got) < most-10 || events != 3600 {
			t.Errorf("%d messages with %d events, want at most %d with 3600", len(got), events, most)
		}
	})
}

func TestSenderRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := sends(t, inMemory(t, 1<<20), nil)
		w.hub.set(func(h *fakeHub) { h.failing = true })
		w.in.Observe(time.Now(), login("root"))
		<-time.After(35 * time.Second)
		w.want()
		w.hub.set(func(h *fakeHub) { h.failing = false })
		<-time.After(time.Minute)
		w.want("40: Login×1")
		if w.hub.tries != 5 {
			t.Errorf("%d tries, want one every %v", w.hub.tries, retryWait)
		}
		it := w.out.messages()[0].(*event.MessageStatistics)
		if it.MessagesSent != 5 || it.TotalFailed != 4 || it.MessagesUnder4KB != 1 {
			t.Errorf("the statistics are %+v", it)
		}
	})
}

func TestSenderOffline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := sends(t, inMemory(t, 1<<20), nil)
		w.hub.set(func(h *fakeHub) { h.away = true })
		w.addLow(3)
		w.in.Observe(time.Now(), login("root"))
		<-time.After(100 * time.Hour)
		w.want()
		if w.hub.tries != 0 {
			t.Errorf("%d tries without a connection", w.hub.tries)
		}
		w.hub.set(func(h *fakeHub) { h.away = false })
		w.out.noteChange()
		w.want("360000: Login×1 ProcessCreate×3")
	})
}

// TestSenderBytes: without bytes for what is low, only high is sent, whatever
// reason there is to send; without any, nothing.
func TestSenderBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := sends(t, inMemory(t, 1<<20), func(s *settings.Settings) { s.MaxMessage = 8192 })
		w.low.Store(false)
		w.addLow(100) // more than a message
		<-time.After(time.Hour)
		w.want()
		w.addHigh(2)
		<-time.After(time.Hour)
		w.want("3660: ListeningPorts×2")
		w.in.Observe(time.Now(), login("root"))
		w.want("7200: Login×1")
		w.out.flushAll()
		<-time.After(time.Hour)
		w.want()
		w.high.Store(false)
		w.in.Observe(time.Now(), login("root"))
		<-time.After(time.Hour)
		w.want()
		w.low.Store(true) // another day
		w.high.Store(true)
		<-time.After(time.Minute)
		synctest.Wait()
		events := 0
		for _, m := range w.hub.messages() {
			events += len(m.Events)
		}
		if events != 101 {
			t.Errorf("on another day %d events arrive, want 101", events)
		}
	})
}

func TestSenderFlush(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := sends(t, inMemory(t, 1<<20), func(s *settings.Settings) { s.MaxMessage = 8192 })
		w.out.flushAll() // there is nothing
		w.want()
		w.addLow(2)
		<-time.After(time.Second)
		w.want()
		w.addHigh(20)
		w.addLow(10)
		w.out.flushAll()
		synctest.Wait()
		events := 0
		for _, m := range w.hub.messages() {
			events += len(m.Events)
		}
		if events != 32 {
			t.Errorf("%d events of 32 are sent", events)
		}
		w.addLow(1) // the flush is over
		w.want()
		// It is over, too, where something always comes.
		send := w.out.send
		w.out.send = func(ctx context.Context, body []byte) error {
			w.addLow(1)
			return send(ctx, body)
		}
		w.out.flushAll()
		synctest.Wait()
		if n := len(w.hub.messages()); n != 1 {
			t.Errorf("%d messages are sent", n)
		}
	})
}

// TestSenderSettings: a shorter interval counts for what waits already.
func TestSenderSettings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := sends(t, inMemory(t, 1<<20), nil)
		w.addLow(1)
		<-time.After(3 * time.Minute)
		shorter := *w.out.settings
		shorter.Interval = [spool.Classes]time.Duration{time.Minute, time.Minute, 2 * time.Minute}
		w.out.use(&shorter)
		w.want("180: ProcessCreate×1")
	})
}

// TestSenderRemembers: what an earlier run left has waited already.
func TestSenderRemembers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "spool")
		open := func() *spool.Spool {
			s, err := spool.Open(spool.Options{Dir: dir, MaxBytes: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := open()
		in := newIntake(s, defaults(func(s *settings.Settings) { s.Aggregate = [event.Kinds]time.Duration{} }))
		in.Observe(time.Now(), process(1))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		<-time.After(9 * time.Minute)
		s = open()
		t.Cleanup(func() { _ = s.Close() })
		w := sends(t, s, nil)
		<-time.After(time.Hour)
		w.want("60: ProcessCreate×1")
	})
}
