package hub_test

import (
	"testing"

	"github.com/tvilling/tvilling/internal/client"
)

// traces are what a refused request must leave as it was.
type traces struct {
	changes, telemetry, security int
}

// traced counts what is durable, connections coming and going and the work of
// the security plane aside.
func traced(t testing.TB, c *client.Client) traces {
	t.Helper()
	var n traces
	for _, ch := range changes(t, c, 0) {
		if ch.Op != "connected" && ch.Op != "disconnected" {
			n.changes++
		}
	}
	n.telemetry = len(messages(t, c, client.Telemetry))
	n.security = len(messages(t, c, client.Security))
	return n
}

// witness watches over a hub while it is fed what it must refuse.
type witness struct {
	c      *client.Client
	device *wire // of somebody who minds his own business
	before traces
}

// watch connects a bystander, device "witness", and notes what is there.
func watch(t testing.TB, c *client.Client, bystander *wire) *witness {
	t.Helper()
	return &witness{c: c, device: bystander, before: traced(t, c)}
}

// check fails if anything has changed or the hub serves others no more.
func (w *witness) check(t testing.TB) {
	t.Helper()
	if after := traced(t, w.c); after != w.before {
		t.Errorf("what was refused left traces: %+v, want %+v", after, w.before)
		w.before = after
	}
	if err := w.c.Ready(t.Context()); err != nil {
		t.Errorf("the hub is not ready any more: %v", err)
	}
	at := w.device.t
	w.device.t = t
	w.device.alive()
	w.device.t = at
}
