package main

import (
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/schema"
)

func TestAttacksAreFound(t *testing.T) {
	now := time.Now()
	engine, err := openEngine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	body := sampleBody(1)
	for n := range 20 {
		text, err := withAttack(body(n, now), attackPath(3, n), now)
		if err != nil {
			t.Fatal(err)
		}
		m, err := schema.Decode(&tvilling.Message{From: tvilling.Device(deviceID(n)), Enqueued: now, Body: text}, now)
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Events) != perMessage || len(m.Rejects) != 0 {
			t.Fatalf("%d events, %d rejects", len(m.Events), len(m.Rejects))
		}
		m.Received = now
		var found []string
		if _, err := engine.Observe(&ledger.Device{ID: m.From.Device}, m, nil, now, func(f detect.Found) error {
			found = append(found, f.Type+" "+f.Cause)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if want := "IoT_CryptoMiner " + attackPath(3, n); strings.Join(found, ", ") != want {
			t.Errorf("found %q, want %q", found, want)
		}
		if got := attackText.FindString(string(text)); got != attackPath(3, n) {
			t.Errorf("the receiver would read %q", got)
		}
	}
}

func TestStateMessageHasEverything(t *testing.T) {
	now := time.Now()
	m, err := schema.Decode(&tvilling.Message{From: tvilling.Device(deviceID(1)), Enqueued: now, Body: stateMessage(1, now)}, now)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[event.Kind]int{}
	for _, e := range m.Events {
		kinds[e.Kind] += len(e.Items)
	}
	if len(m.Rejects) != 0 || kinds[event.LoginKind] != 3 || kinds[event.LocalUsersKind] != 10 || kinds[event.ListeningPortsKind] != 5 {
		t.Errorf("items by kind: %v; rejects: %v", kinds, m.Rejects)
	}
}
