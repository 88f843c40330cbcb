//go:build linux

package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/agent/aggregate"
	"github.com/tvilling/tvilling/internal/agent/settings"
	"github.com/tvilling/tvilling/internal/agent/spool"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/schema"
)

// defaults are the default settings, changed.
func defaults(change func(*settings.Settings)) *settings.Settings {
	s := settings.Default(settings.ASC)
	if change != nil {
		change(&s)
	}
	return &s
}

// inMemory is a spool that needs no disk.
func inMemory(t testing.TB, size int64) *spool.Spool {
	t.Helper()
	s, err := spool.Open(spool.Options{MaxBytes: size})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// quiet is the logger of a test.
func quiet(t testing.TB) *slog.Logger {
	t.Helper()
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// sent is a message that a hub has taken.
type sent struct {
	at time.Time
	event.Message
}

// fakeHub takes messages, or refuses them.
type fakeHub struct {
	t testing.TB

	mu      sync.Mutex
	got     []sent
	tries   int
	failing bool
	away    bool
}

var errRefused = errors.New("refused")

func (h *fakeHub) send(_ context.Context, body []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tries++
	if h.failing {
		return errRefused
	}
	h.got = append(h.got, sent{at: time.Now(), Message: *decode(h.t, body)})
	return nil
}

func (h *fakeHub) connected() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.away
}

func (h *fakeHub) set(change func(*fakeHub)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(h)
}

// messages returns what was taken since the last time.
func (h *fakeHub) messages() []sent {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.got
	h.got = nil
	return was
}

// decode reads a message as the hub does, and fails if anything is wrong with it.
func decode(t testing.TB, body []byte) *event.Message {
	t.Helper()
	m, err := schema.Decode(&tvilling.Message{Body: body}, time.Now())
	if err != nil {
		t.Fatalf("the hub cannot read %s: %v", body, err)
	}
	for _, r := range m.Rejects {
		t.Errorf("the hub refuses %s: %s: %s", r.Path, r.Reason, r.Raw)
	}
	return m
}

// newIntake is an intake over a spool, with all that it tells noted.
type notedIntake struct {
	*intake
	mu      sync.Mutex
	urgents []time.Duration
	changes int
}

func newIntake(s *spool.Spool, conf *settings.Settings) *notedIntake {
	n := &notedIntake{}
	n.intake = &intake{
		spool: s, groups: aggregate.New(), lost: make(map[loss]uint64), settings: conf,
		urgent:  func(d time.Duration) { n.mu.Lock(); n.urgents = append(n.urgents, d); n.mu.Unlock() },
		changed: func() { n.mu.Lock(); n.changes++; n.mu.Unlock() },
	}
	n.use(conf)
	n.changes = 0
	return n
}

// waiting takes all events out of a spool, and returns them by class.
func waiting(t testing.TB, s *spool.Spool) [spool.Classes][]event.Event {
	t.Helper()
	var all [spool.Classes][]event.Event
	for c := range spool.Classes {
		for {
			b, err := s.Take(1<<18, 0, c)
			if err != nil {
				t.Fatal(err)
			}
			if b.Len() == 0 {
				break
			}
			all[c] = append(all[c], decode(t, b.AppendMessage(nil, "1.0", "5a4b8c1e-7d2f-4c3a-9b6e-0f1d2c3b4a59")).Events...)
			if err := s.Done(b); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}

// process is the start of a program.
func process(n int) *event.ProcessCreate {
	return &event.ProcessCreate{Executable: "/bin/true", CommandLine: fmt.Sprintf("true %d", n), UserID: "0", UserName: "root", ProcessID: int64(n), ParentProcessID: 1}
}

func login(user string) *event.Login {
	return &event.Login{Executable: "/usr/sbin/sshd", ProcessID: 7, UserName: user, Operation: "ssh", Result: "Fail", RemoteAddress: "192.0.2.1"}
}
