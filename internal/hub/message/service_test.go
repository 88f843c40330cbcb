package message_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/message"
)

// memoryLog keeps messages in a slice.
type memoryLog struct {
	mu     sync.Mutex
	msgs   []*tvilling.Message
	err    error
	rounds int
	gate   chan struct{}
}

func (l *memoryLog) Append(_ context.Context, msgs []*tvilling.Message) error {
	if l.gate != nil {
		<-l.gate
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.rounds++
	for _, m := range msgs {
		m.Sequence = uint64(len(l.msgs) + 1)
		l.msgs = append(l.msgs, m)
	}
	return nil
}

func (l *memoryLog) Read(_ context.Context, after uint64) iter.Seq2[*tvilling.Message, error] {
	l.mu.Lock()
	msgs := l.msgs[min(after, uint64(len(l.msgs))):]
	l.mu.Unlock()
	return func(yield func(*tvilling.Message, error) bool) {
		for _, m := range msgs {
			if !yield(m, nil) {
				return
			}
		}
	}
}

func (l *memoryLog) Head() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(len(l.msgs))
}

func (l *memoryLog) Retain(time.Time) (int, error) { return 0, nil }

func (l *memoryLog) bodies() (list []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.msgs {
		list = append(list, string(m.Body))
	}
	return list
}

type fixture struct {
	*message.Service
	telemetry, security memoryLog
	fatal               chan error
	stop                func()
}

func setup(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{fatal: make(chan error, 1)}
	f.Service = message.New(message.Options{
		Telemetry: &f.telemetry, Security: &f.security,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Fatal: func(err error) { f.fatal <- err },
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { f.Run(ctx) })
	f.stop = func() { cancel(); wg.Wait() }
	t.Cleanup(f.stop)
	return f
}

func (f *fixture) send(msgs ...*tvilling.Message) error {
	done := make(chan error, 1)
	f.Append(msgs, func(err error) { done <- err })
	return <-done
}

func plain(body string) *tvilling.Message {
	return &tvilling.Message{From: tvilling.Device("d"), Body: []byte(body)}
}

func marked(body string) *tvilling.Message {
	m := plain(body)
	m.System = []tvilling.Property{{Name: "iothub-interface-id", Value: tvilling.SecurityInterface}}
	return m
}

func TestMarkedMessagesAreKeptApart(t *testing.T) {
	f := setup(t)
	if err := f.send(plain("a"), marked("b"), plain("c")); err != nil {
		t.Fatal(err)
	}
	if err := f.send(marked("d")); err != nil {
		t.Fatal(err)
	}
	if got := f.telemetry.bodies(); len(got) != 2 || got[0] != "a" || got[1] != "c" {
		t.Errorf("telemetry = %v", got)
	}
	if got := f.security.bodies(); len(got) != 2 || got[0] != "b" || got[1] != "d" {
		t.Errorf("security = %v", got)
	}
	if f.telemetry.msgs[0].Enqueued.IsZero() {
		t.Error("a stored message has no time")
	}
}

func TestWaitingMessagesShareARound(t *testing.T) {
	f := setup(t)
	f.telemetry.gate = make(chan struct{})
	var wg sync.WaitGroup
	for range 100 {
		wg.Add(1)
		f.Append([]*tvilling.Message{plain("x")}, func(err error) {
			if err != nil {
				t.Error(err)
			}
			wg.Done()
		})
	}
	close(f.telemetry.gate)
	wg.Wait()
	if f.telemetry.rounds > 3 {
		t.Errorf("100 waiting messages took %d rounds", f.telemetry.rounds)
	}
}

func TestRefusalIsToldAndCounted(t *testing.T) {
	f := setup(t)
	f.security.err = tvilling.Errorf(tvilling.Unavailable, "No space left.")
	if err := f.send(plain("a"), marked("b")); tvilling.CodeOf(err) != tvilling.Unavailable {
		t.Errorf("err = %v, want Unavailable", err)
	}
	if _, refused := f.Counts(message.Security); refused != 1 {
		t.Errorf("%d refused, want 1", refused)
	}
	f.security.mu.Lock()
	f.security.err = nil
	f.security.mu.Unlock()
	if err := f.send(marked("c")); err != nil {
		t.Errorf("after space came back: %v", err)
	}
}

func TestLostLogStopsTheHub(t *testing.T) {
	f := setup(t)
	lost := errors.New("fsync: input/output error")
	f.telemetry.err = lost
	if err := f.send(plain("a")); !errors.Is(err, lost) {
		t.Errorf("err = %v, want the log's", err)
	}
	if err := <-f.fatal; !errors.Is(err, lost) {
		t.Errorf("fatal = %v, want the log's", err)
	}
	// Nobody waits for a log that is gone; the other one goes on.
	if err := f.send(plain("b")); tvilling.CodeOf(err) != tvilling.Unavailable {
		t.Errorf("after the log was lost: %v, want Unavailable", err)
	}
	if err := f.send(marked("c")); err != nil {
		t.Errorf("the other log: %v", err)
	}
}

func TestStoppedServiceRefuses(t *testing.T) {
	f := setup(t)
	f.stop()
	if err := f.send(plain("a")); tvilling.CodeOf(err) != tvilling.Unavailable {
		t.Errorf("err = %v, want Unavailable", err)
	}
}

func TestFollow(t *testing.T) {
	f := setup(t)
	if err := f.send(plain("before")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	next, stop := iter.Pull2(f.Read(ctx, message.Telemetry, 0, true))
	defer stop()
	m, err, ok := next()
	if !ok || err != nil || string(m.Body) != "before" {
		t.Fatalf("first = %v, %v, %v", m, err, ok)
	}
	if err := f.send(plain("after")); err != nil {
		t.Fatal(err)
	}
	if m, err, ok = next(); !ok || err != nil || string(m.Body) != "after" {
		t.Fatalf("followed = %v, %v, %v", m, err, ok)
	}
	cancel()
	if _, _, ok = next(); ok {
		t.Error("following went on after its context ended")
	}
}
