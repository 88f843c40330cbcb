package sample_test

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/sample"
	"github.com/tvilling/tvilling/internal/security/schema"
)

var now = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

func TestMessages(t *testing.T) {
	t.Parallel()
	const messages, each = 500, 20
	s := sample.New(1)
	kinds := map[event.Kind]int{}
	ids, lines := map[string]bool{}, map[string]int{}
	var bytes int
	for i := range messages {
		body := s.Message(fmt.Sprint("pump-", i%100), each, now)
		bytes += len(body)
		m, err := schema.Decode(&tvilling.Message{From: tvilling.Device("pump"), Enqueued: now, Body: body}, now)
		if err != nil {
			t.Fatalf("decode: %v\n%s", err, body)
		}
		if len(m.Events) != each || len(m.Rejects) != 0 {
			t.Fatalf("message %d has %d events and %d rejects: %v", i, len(m.Events), len(m.Rejects), m.Rejects)
		}
		for _, e := range m.Events {
			kinds[e.Kind]++
			if ids[e.ID] {
				t.Errorf("the id %s is there twice", e.ID)
			}
			ids[e.ID] = true
			if e.Time != e.Stated || e.Time.After(now) || e.Time.Before(now.Add(-3*time.Minute)) {
				t.Errorf("time of an event: %s, stated %s", e.Time, e.Stated)
			}
			if p, ok := e.Items[0].(*event.ProcessCreate); ok {
				lines[p.CommandLine]++
			}
		}
	}
	t.Logf("%d bytes an event; kinds: %v", bytes/(messages*each), kinds)
	for k, want := range map[event.Kind]float64{event.ProcessCreateKind: 0.40, event.ConnectionCreateKind: 0.25, event.LoginKind: 0.15} {
		if got := float64(kinds[k]) / (messages * each); math.Abs(got-want) > 0.02 {
			t.Errorf("%.3f of the events are %s, want %.2f", got, k, want)
		}
	}
	// A fleet repeats some of its command lines, but by far not most.
	if got := float64(len(lines)) / float64(kinds[event.ProcessCreateKind]); got < 0.6 {
		t.Errorf("%.2f of the command lines are different, want 0.6 and more", got)
	}
	for k := event.ProcessCreateKind; k <= event.SystemInformationKind; k++ {
		if kinds[k] == 0 {
			t.Errorf("there is no %s", k)
		}
	}
}

func TestSeeds(t *testing.T) {
	t.Parallel()
	a, b, c := sample.New(7), sample.New(7), sample.New(8)
	first := a.Message("pump-1", 20, now)
	if got := b.Message("pump-1", 20, now); !bytes.Equal(first, got) {
		t.Errorf("the same seed made another message:\n%s\n%s", first, got)
	}
	if bytes.Equal(first, c.Message("pump-1", 20, now)) {
		t.Error("another seed made the same message")
	}
	if bytes.Equal(first, a.Message("pump-1", 20, now)) {
		t.Error("a source made the same message twice")
	}
}

// TestDevices: what a device is does not change from message to message.
func TestDevices(t *testing.T) {
	t.Parallel()
	s := sample.New(3)
	seen := map[string]string{}
	for i := range 200 {
		name := fmt.Sprint("pump-", i%4)
		body := s.Message(name, 10, now)
		m, err := schema.Decode(&tvilling.Message{From: tvilling.Device("pump"), Enqueued: now, Body: body}, now)
		if err != nil {
			t.Fatalf("decode: %v", err)
		}
		for _, e := range m.Events {
			switch e.Kind {
			case event.LocalUsersKind, event.ListeningPortsKind, event.FirewallConfigurationKind:
				key := name + " " + e.Name
				if old, ok := seen[key]; ok && old != string(e.Payload) {
					t.Errorf("%s changed from %s to %s", key, old, e.Payload)
				}
				seen[key] = string(e.Payload)
			default:
			}
		}
	}
	if seen["pump-0 LocalUsers"] == "" || seen["pump-0 ListeningPorts"] == seen["pump-1 ListeningPorts"] {
		t.Errorf("snapshots of devices: %v", seen)
	}
}

func BenchmarkMessage(b *testing.B) {
	s := sample.New(1)
	var n int
	for b.Loop() {
		n += len(s.Message("pump-1", 20, now))
	}
	b.SetBytes(int64(n / b.N))
}
