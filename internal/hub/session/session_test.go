package session_test

import (
	"errors"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/hub/session"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

var id = tvilling.Device("d")

func TestTakeover(t *testing.T) {
	c := hubtest.New(t)
	c.Register(t, id)
	old, first, _ := c.Connect(t, id, true)
	_, second, _ := c.Connect(t, id, true)
	if closed := first.Closed(); len(closed) != 1 || !errors.Is(closed[0], session.ErrTakenOver) {
		t.Errorf("the older connection was closed by %v, want ErrTakenOver", closed)
	}
	if len(second.Closed()) != 0 {
		t.Error("the newer connection was closed")
	}
	old.Done(errors.New("closed")) // late, as gateways are
	if connected, _, _ := c.Sessions.Live(id); !connected {
		t.Error("the end of the older connection ended the newer one")
	}
	ran := false
	old.Sequence(func() { ran = true })
	if ran {
		t.Error("an ended session still sends")
	}
}

func TestSubscriptionsArePersisted(t *testing.T) {
	c := hubtest.New(t)
	c.Register(t, id)
	s, _, present := c.Connect(t, id, false)
	if present {
		t.Error("a first session is present")
	}
	if err := s.Subscribe(t.Context(), state.TwinDesired|state.CloudToDevice, state.CloudToDevice); err != nil {
		t.Fatal(err)
	}
	s.Done(nil)
	s, _, present = c.Connect(t, id, false)
	topics, qos := s.Topics()
	if !present || topics != state.TwinDesired|state.CloudToDevice || qos != state.CloudToDevice {
		t.Errorf("after reconnect: present %v, topics %b, qos 1 %b", present, topics, qos)
	}
	if err := s.Unsubscribe(t.Context(), state.CloudToDevice); err != nil {
		t.Fatal(err)
	}
	s.Done(nil)
	s, _, _ = c.Connect(t, id, false)
	if topics, qos := s.Topics(); topics != state.TwinDesired || qos != 0 {
		t.Errorf("after unsubscribe: topics %b, qos 1 %b", topics, qos)
	}
	s.Done(nil)
	// A clean session forgets, and so does the one after it.
	s, _, present = c.Connect(t, id, true)
	if topics, _ := s.Topics(); present || topics != 0 {
		t.Errorf("clean session: present %v, topics %b", present, topics)
	}
	s.Done(nil)
	s, _, present = c.Connect(t, id, false)
	if topics, _ := s.Topics(); present || topics != 0 {
		t.Errorf("after a clean session: present %v, topics %b", present, topics)
	}
}

func TestDesiredReachesSubscribersInOrder(t *testing.T) {
	c := hubtest.New(t)
	c.Register(t, id)
	s, client, _ := c.Connect(t, id, true)
	patch := func(body string) {
		t.Helper()
		u := twin.Update{Desired: hubtest.Patch(t, doc.Desired, body)}
		if _, err := c.Twins.Patch(t.Context(), id, u, tvilling.Match{}, "test"); err != nil {
			t.Fatal(err)
		}
	}
	patch(`{"unheard":1}`)
	if err := s.Subscribe(t.Context(), state.TwinDesired, 0); err != nil {
		t.Fatal(err)
	}
	patch(`{"a":1,"unheard":null}`)
	patch(`{"b":{"c":[1,2]}}`)
	want := []string{`{"a":1,"unheard":null,"$version":3}`, `{"b":{"c":[1,2]},"$version":4}`}
	got := client.Patches()
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("patches = %v, want %v", got, want)
	}
	s.Done(nil)
	patch(`{"c":1}`)
	if n := len(client.Patches()); n != 2 {
		t.Errorf("an ended session was handed a patch")
	}
}

func TestOpenRefusesWhatWasRevokedMeanwhile(t *testing.T) {
	c := hubtest.New(t)
	c.Register(t, id)
	module := tvilling.Identity{Device: "d", Module: tvilling.SecurityModule}
	device, mod := c.Principal(t, id), c.Principal(t, module)
	always := tvilling.Match{Given: true, Any: true}
	if _, err := c.Registry.Put(t.Context(), registry.Spec{ID: id, Disabled: true}, always, "test"); err != nil {
		t.Fatal(err)
	}
	for _, o := range []session.Options{{ID: id, Principal: device}, {ID: module, Principal: mod}} {
		_, _, err := c.Sessions.Open(t.Context(), o, new(hubtest.Client))
		if !errors.Is(err, session.ErrRevoked) {
			t.Errorf("open %s after it was disabled: %v", o.ID, err)
		}
	}
	if n := c.Sessions.Connected(); n != 0 {
		t.Errorf("%d connected, want 0", n)
	}
}

func TestConnectionStateIsNoted(t *testing.T) {
	c := hubtest.New(t)
	c.Register(t, id)
	s, _, _ := c.Connect(t, id, true)
	v, err := c.Registry.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if !v.Connected || v.StateUpdated.IsZero() || v.LastActivity.IsZero() {
		t.Errorf("while connected: %+v", v)
	}
	s.Touch()
	s.Done(nil)
	// Reads after the note is durable: a change behind it in the queue is.
	c.Register(t, tvilling.Device("later"))
	v, err = c.Registry.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if v.Connected || v.StateUpdated.IsZero() || v.LastActivity.IsZero() {
		t.Errorf("after the connection: %+v", v)
	}
	var ops []state.Op
	for change, err := range c.Journal.Read(t.Context(), 0, false) {
		if err != nil {
			t.Fatal(err)
		}
		if change.ID == id {
			ops = append(ops, change.Op)
		}
	}
	want := []state.Op{state.CreateDevice, state.Connected, state.Disconnected}
	if len(ops) != 3 || ops[0] != want[0] || ops[1] != want[1] || ops[2] != want[2] {
		t.Errorf("journal = %v, want %v", ops, want)
	}
}

// What a connection leaves behind is of the identity that it was for, not of
// one that was registered under its name meanwhile: that one would be told of a
// session, and not subscribe.
func TestSessionsAreOfOneRegistration(t *testing.T) {
	for _, late := range []string{"end", "subscription"} {
		t.Run(late, func(t *testing.T) {
			c := hubtest.New(t)
			c.Register(t, id)
			s, _, _ := c.Connect(t, id, false)
			if err := c.Registry.Delete(t.Context(), id, tvilling.Match{}, "test"); err != nil {
				t.Fatal(err)
			}
			c.Register(t, id)
			if late == "subscription" {
				if err := s.Subscribe(t.Context(), state.TwinDesired, 0); err != nil {
					t.Fatal(err)
				}
			}
			s.Done(errors.New("closed"))
			// What Done notes is queued before this.
			if err := c.Committer.Do(t.Context(), func(*commit.Tx) error { return nil }); err != nil {
				t.Fatal(err)
			}
			var last state.Op
			for change, err := range c.Journal.Read(t.Context(), 0, false) {
				if err != nil {
					t.Fatal(err)
				}
				last = change.Op
			}
			if last != state.Disconnected {
				t.Errorf("the journal ends with %s, and so does not tell that nobody is connected", last)
			}
			if _, _, present := c.Connect(t, id, false); present {
				t.Error("a new identity has a session of the one before it")
			}
		})
	}
}

// TestSettle: what Live told before is in the journal after.
func TestSettle(t *testing.T) {
	h := hubtest.New(t)
	d := tvilling.Device("d")
	h.Register(t, d)
	last := func() (op state.Op) {
		for c, err := range h.Journal.Read(t.Context(), 0, false) {
			if err != nil {
				t.Fatal(err)
			}
			op = c.Op
		}
		return op
	}
	for range 20 {
		s, _, _ := h.Connect(t, d, true)
		if err := h.Sessions.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if op := last(); op != state.Connected {
			t.Fatalf("the journal ends with %s, not with the connection", op)
		}
		s.Done(nil)
		if err := h.Sessions.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if op := last(); op != state.Disconnected {
			t.Fatalf("the journal ends with %s, not with the end of the connection", op)
		}
	}
}
