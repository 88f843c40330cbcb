package eventdb_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/store/eventdb"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// tester is what tests and the runs of a property have in common.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

func open(t testing.TB, o eventdb.Options) *eventdb.DB {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	db, err := eventdb.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return db
}

func abandon(t tester, db *eventdb.DB) {
	t.Helper()
	if err := db.Abandon(); err != nil {
		t.Fatalf("Abandon: %v", err)
	}
}

// message makes a message of a device, received some time after noon, with an
// event for each id.
func message(sequence uint64, device string, after time.Duration, ids ...string) *event.Message {
	m := &event.Message{
		From:     tvilling.Identity{Device: tvilling.DeviceID(device), Module: tvilling.SecurityModule},
		Sequence: sequence, Received: noon.Add(after),
		AgentID: "5a4b8c1e-7d2f-4c3a-9b6e-0f1d2c3b4a59", AgentVersion: "1.0.0", Size: 1000,
	}
	for i, id := range ids {
		at := m.Received.Add(-time.Duration(i) * time.Second).Truncate(time.Second)
		m.Events = append(m.Events, event.Event{
			ID: id, Kind: event.LoginKind, Name: "Login", Type: event.Security, Category: event.Triggered,
			Time: at, Stated: at, Local: at.Format("2006-01-02T15:04:05Z"),
			Payload: fmt.Appendf(nil, `[{"UserName":"root","RemotePort":"%d"}]`, sequence*100+uint64(i)),
		})
	}
	return m
}

// numbered returns an id, the same for the same number.
func numbered(n int) string { return fmt.Sprintf("c0a8a1f2-3b4c-4d5e-8f60-%012x", n) }

func add(t tester, db *eventdb.DB, msgs ...*event.Message) (duplicates [][]bool) {
	t.Helper()
	for _, m := range msgs {
		d, err := db.Append(contextOf(t), m)
		if err != nil {
			t.Fatalf("Append(message %d): %v", m.Sequence, err)
		}
		duplicates = append(duplicates, d)
	}
	return duplicates
}

func flush(t tester, db *eventdb.DB) {
	t.Helper()
	if err := db.Flush(contextOf(t)); err != nil {
		t.Fatalf("Flush: %v", err)
	}
}

// records returns what messages are stored as, without the duplicates.
func records(msgs []*event.Message, duplicates [][]bool) []*event.Record {
	var out []*event.Record
	for n, m := range msgs {
		for i, e := range m.Events {
			if duplicates != nil && duplicates[n][i] {
				continue
			}
			e.Items = nil
			out = append(out, &event.Record{
				From: m.From, Position: event.Position{Sequence: m.Sequence, Index: i}, Received: m.Received,
				Hub: m.Hub, AgentID: m.AgentID, AgentVersion: m.AgentVersion, Event: e,
			})
		}
	}
	return out
}

func query(t tester, db *eventdb.DB, q event.Query) []*event.Record {
	t.Helper()
	var out []*event.Record
	for r, err := range db.Events(contextOf(t), q) {
		if err != nil {
			t.Fatalf("Events(%+v): %v", q, err)
		}
		out = append(out, r)
	}
	return out
}

// same compares records; a payload of no bytes is none.
func same(t tester, what string, want, got []*event.Record) {
	t.Helper()
	if len(want) == 0 && len(got) == 0 {
		return
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(bytes.Equal)); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// contextOf returns the context of a test or of the run of a property.
func contextOf(t tester) context.Context {
	if c, ok := t.(interface{ Context() context.Context }); ok {
		return c.Context()
	}
	return context.Background()
}

func letters(t tester, db *eventdb.DB, device tvilling.DeviceID, before event.Position) []event.DeadLetter {
	t.Helper()
	var out []event.DeadLetter
	for l, err := range db.DeadLetters(contextOf(t), device, before) {
		if err != nil {
			t.Fatalf("DeadLetters(%q, %v): %v", device, before, err)
		}
		out = append(out, *l)
	}
	return out
}
