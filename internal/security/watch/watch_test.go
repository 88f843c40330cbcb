package watch_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/schema"
	"github.com/tvilling/tvilling/internal/security/watch"
)

// log is a message log: it takes what it is given, or fails with err.
type log struct {
	mu      sync.Mutex
	err     error
	msgs    []*tvilling.Message
	appends int
}

func (l *log) Append(msgs []*tvilling.Message, done func(error)) {
	l.mu.Lock()
	err := l.err
	l.appends++
	if err == nil {
		for _, m := range msgs {
			m.Enqueued = time.Now()
			l.msgs = append(l.msgs, m)
		}
	}
	l.mu.Unlock()
	done(err)
}

func (l *log) count() int { l.mu.Lock(); defer l.mu.Unlock(); return len(l.msgs) }

func (l *log) fail(err error) { l.mu.Lock(); l.err = err; l.mu.Unlock() }

// lines writes what the messages say, as "device module reason address hits",
// and forgets them.
func (l *log) lines(t *testing.T) []string {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, m := range l.msgs {
		d, err := schema.Decode(m, time.Now())
		if err != nil || !d.Hub || len(d.Rejects) > 0 {
			t.Fatalf("message %s reads as %+v, %v", m.Body, d, err)
		}
		for i := range d.Events {
			it, ok := d.Events[i].Items[0].(*event.HubAuthentication)
			if !ok {
				t.Fatalf("event %+v", d.Events[i])
			}
			out = append(out, strings.Join([]string{string(m.From.Device), it.Module, it.Reason, it.RemoteAddress, fmt.Sprint(event.Hits(it))}, " "))
		}
	}
	l.msgs = nil
	return out
}

func want(t *testing.T, step string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", step, diff)
	}
}

// bubble runs f beside a watch over a log, in a bubble of time, and stops it.
func bubble(t *testing.T, f func(t *testing.T, w *watch.Watch, l *log, stop func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := new(log)
		w := watch.New(l, slog.New(slog.NewTextHandler(t.Output(), nil)))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { w.Run(ctx) })
		stop := func() { cancel(); running.Wait() }
		defer stop()
		f(t, w, l, stop)
	})
}

func refused(id string, reason auth.Reason, remote string) auth.Refused {
	device, module, _ := strings.Cut(id, "/")
	return auth.Refused{
		ID:     tvilling.Identity{Device: tvilling.DeviceID(device), Module: tvilling.ModuleID(module)},
		Reason: reason, Remote: remote, Protocol: "mqtt", Time: time.Now(),
	}
}

func pass(d time.Duration) { <-time.After(d); synctest.Wait() }

func TestFirstAtOnceThenGathered(t *testing.T) {
	bubble(t, func(t *testing.T, w *watch.Watch, l *log, _ func()) {
		w.Refused(refused("d", auth.ExpiredToken, "192.0.2.1:4000"))
		synctest.Wait()
		want(t, "the first", l.lines(t), "d  expired_token 192.0.2.1 1")
		for i := range 7 {
			pass(time.Second)
			w.Refused(refused("d", auth.ExpiredToken, fmt.Sprintf("[2001:db8::%d]:4000", i)))
		}
		w.Refused(refused("d", auth.WrongKey, "192.0.2.1:4000"))
		w.Refused(refused("d/m", auth.ExpiredToken, "192.0.2.1:4000"))
		synctest.Wait()
		want(t, "other keys", l.lines(t), "d  wrong_key 192.0.2.1 1", "d m expired_token 192.0.2.1 1")
		pass(3*time.Second - 1)
		want(t, "before the time", l.lines(t))
		pass(1)
		want(t, "the gathered ones", l.lines(t), "d  expired_token 2001:db8::6 7")
		pass(9 * time.Second)
		w.Refused(refused("d", auth.ExpiredToken, "192.0.2.9:1"))
		pass(2 * time.Second)
		want(t, "one more", l.lines(t), "d  expired_token 192.0.2.9 1")
		pass(time.Hour)
		want(t, "nothing more", l.lines(t))
		if got, want := w.Stats(), (watch.Stats{Taken: 11, Told: 11}); got != want {
			t.Errorf("stats are %+v, want %+v", got, want)
		}
		w.Refused(refused("d", auth.ExpiredToken, "pipe"))
		synctest.Wait()
		want(t, "after a long time", l.lines(t), "d  expired_token pipe 1")
	})
}

func TestMessage(t *testing.T) {
	bubble(t, func(t *testing.T, w *watch.Watch, l *log, _ func()) {
		start := time.Now()
		for range 3 {
			w.Refused(refused("d/azureiotsecurity", auth.WrongCertificate, "192.0.2.1:4000"))
			pass(time.Second)
		}
		pass(watch.Gather)
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.msgs) != 2 {
			t.Fatalf("%d messages, want 2", len(l.msgs))
		}
		m := l.msgs[1]
		if !m.Security() || m.From != tvilling.Device("d") || len(m.Properties) > 0 {
			t.Errorf("the message is %+v", m)
		}
		d, err := schema.Decode(m, time.Now())
		if err != nil || len(d.Events) != 1 {
			t.Fatalf("%s: %+v, %v", m.Body, d, err)
		}
		if !d.Hub || d.AgentVersion != "hub" || d.AgentID != watch.AgentID {
			t.Errorf("the message says %+v", d)
		}
		e := d.Events[0]
		if e.Name != "HubAuthentication" || e.Category != event.Aggregated || e.Type != event.Security || !e.Time.Equal(start.Add(2*time.Second)) {
			t.Errorf("the event is %+v", e)
		}
		wantItem := &event.HubAuthentication{
			Reason: "wrong_certificate", Module: "azureiotsecurity", RemoteAddress: "192.0.2.1", Protocol: "mqtt",
			Extra: event.Details{
				{Name: "HitCount", Value: "2"},
				{Name: "StartTimeUtc", Value: start.Add(time.Second).UTC().Format(time.RFC3339Nano)},
				{Name: "EndTimeUtc", Value: start.Add(2 * time.Second).UTC().Format(time.RFC3339Nano)},
			},
		}
		if diff := cmp.Diff(event.Item(wantItem), e.Items[0]); diff != "" {
			t.Errorf("item (-want +got):\n%s", diff)
		}
		first, err := schema.Decode(l.msgs[0], time.Now())
		if err != nil || first.Events[0].ID == e.ID || first.Events[0].Category != event.Triggered {
			t.Errorf("the first event is %+v, %v", first, err)
		}
	})
}

// TestBoundedKeys: what a stranger can take of the hub's memory and log is
// bounded, and what did not fit is counted.
func TestBoundedKeys(t *testing.T) {
	bubble(t, func(t *testing.T, w *watch.Watch, l *log, _ func()) {
		for i := range watch.MaxKeys + 500 {
			w.Refused(refused(fmt.Sprint("device-", i), auth.WrongKey, "192.0.2.1:1"))
		}
		if got := w.Stats(); got.Keys != watch.MaxKeys || got.Shed != 500 {
			t.Errorf("stats are %+v, want %d keys, 500 shed", got, watch.MaxKeys)
		}
		synctest.Wait()
		if got := l.count(); got != watch.Rate {
			t.Errorf("%d messages at once, want %d", got, watch.Rate)
		}
		// One that waits goes on being gathered; none is told of twice.
		for range 9 {
			w.Refused(refused("device-9999", auth.WrongKey, "192.0.2.1:1"))
		}
		pass(time.Minute)
		if got := l.count(); got > 61*watch.Rate || got < 59*watch.Rate {
			t.Errorf("%d messages after a minute, want %d a second", got, watch.Rate)
		}
		pass(time.Minute)
		lines := l.lines(t)
		seen := map[string]int{}
		for _, line := range lines {
			seen[line]++
		}
		if len(lines) != watch.MaxKeys || len(seen) != watch.MaxKeys || seen["device-9999  wrong_key 192.0.2.1 10"] != 1 {
			t.Errorf("%d messages, %d different; the last device has %d", len(lines), len(seen), seen["device-9999  wrong_key 192.0.2.1 10"])
		}
		if got, want := w.Stats(), (watch.Stats{Taken: watch.MaxKeys + 9, Told: watch.MaxKeys + 9, Shed: 500}); got != want {
			t.Errorf("stats are %+v, want %+v", got, want)
		}
	})
}

// TestUnavailable: while nothing can be stored refusals are gathered, and told
// of when it can be again.
func TestUnavailable(t *testing.T) {
	bubble(t, func(t *testing.T, w *watch.Watch, l *log, _ func()) {
		l.fail(tvilling.Errorf(tvilling.Unavailable, "There is no space left."))
		for range 5 {
			w.Refused(refused("d", auth.WrongKey, "192.0.2.1:1"))
			pass(4 * time.Second)
		}
		l.mu.Lock()
		if l.appends > 3 {
			t.Errorf("%d attempts in 20 s, want one in %v", l.appends, watch.Gather)
		}
		l.mu.Unlock()
		l.fail(nil)
		pass(watch.Gather)
		want(t, "when it works again", l.lines(t), "d  wrong_key 192.0.2.1 5")
	})
}

func TestDrain(t *testing.T) {
	bubble(t, func(t *testing.T, w *watch.Watch, l *log, stop func()) {
		for i := range 250 {
			w.Refused(refused(fmt.Sprint("d", i), auth.WrongKey, "192.0.2.1:1"))
		}
		synctest.Wait()
		w.Refused(refused("d0", auth.WrongKey, "192.0.2.2:1"))
		stop()
		lines := l.lines(t)
		if len(lines) != 251 {
			t.Errorf("%d messages after the stop, want 251", len(lines))
		}
		if got, want := w.Stats(), (watch.Stats{Taken: 251, Told: 251}); got != want {
			t.Errorf("stats are %+v, want %+v", got, want)
		}
	})
}

func TestDrainThatFails(t *testing.T) {
	bubble(t, func(t *testing.T, w *watch.Watch, l *log, stop func()) {
		l.fail(errors.New("gone"))
		w.Refused(refused("d", auth.WrongKey, "192.0.2.1:1"))
		w.Refused(refused("d", auth.WrongKey, "192.0.2.1:1"))
		stop()
		if got, want := w.Stats(), (watch.Stats{Taken: 2, Lost: 2}); got != want {
			t.Errorf("stats are %+v, want %+v", got, want)
		}
	})
}

// TestConcurrent has many callers at once; every refusal is counted once.
func TestConcurrent(t *testing.T) {
	bubble(t, func(t *testing.T, w *watch.Watch, l *log, stop func()) {
		var callers sync.WaitGroup
		for c := range 8 {
			callers.Go(func() {
				for i := range 500 {
					w.Refused(refused(fmt.Sprint("d", (i+c)%20), auth.WrongKey, "192.0.2.1:1"))
				}
			})
		}
		callers.Wait()
		stop()
		total := 0
		for _, line := range l.lines(t) {
			n := 0
			if _, err := fmt.Sscan(line[strings.LastIndexByte(line, ' '):], &n); err != nil {
				t.Fatal(err)
			}
			total += n
		}
		if total != 4000 || w.Stats().Told != 4000 {
			t.Errorf("%d refusals were told of, the watch says %+v; want 4000", total, w.Stats())
		}
	})
}

func BenchmarkRefused(b *testing.B) {
	w := watch.New(new(log), slog.New(slog.DiscardHandler))
	r := refused("device-1", auth.WrongKey, "192.0.2.1:4000")
	b.ReportAllocs()
	for b.Loop() {
		w.Refused(r)
	}
}
