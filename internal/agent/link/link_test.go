package link_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/agent/link"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

func TestConnects(t *testing.T) {
	run(t, nil, func(t *testing.T, f *fake, a *agent) {
		if got := a.told(); len(got) != 1 || got[0] != `{"a":1,"$version":5}` {
			t.Errorf("told %q", got)
		}
		s := a.State()
		if !s.Connected || s.Err != nil || !s.Since.Equal(time.Now()) || s.Connects != 1 || s.Twins != 1 {
			t.Errorf("State = %+v", s)
		}
		if f.has().subscribed != 1 || a.states != 1 {
			t.Errorf("%d subscriptions and %d calls of OnState, want 1 of each", f.has().subscribed, a.states)
		}
		if err := a.Send(t.Context(), []byte("m")); err != nil {
			t.Errorf("Send = %v", err)
		}
		if err := a.Report(t.Context(), []byte(`{"r":1}`)); err != nil {
			t.Errorf("Report = %v", err)
		}
		if s := a.State(); s.Messages != 1 || s.Reports != 1 || len(f.has().messages) != 1 || len(f.has().reports) != 1 {
			t.Errorf("State = %+v; the hub has %q and %q", s, f.has().messages, f.has().reports)
		}
		if up, down := a.Traffic(); up == 0 || down == 0 {
			t.Errorf("Traffic = %d, %d", up, down)
		}
	})
}

func TestGoodbye(t *testing.T) {
	var f *fake
	run(t, func(hub *fake, _ *link.Options) { f = hub }, func(*testing.T, *fake, *agent) {})
	if f.has().goodbyes != 1 {
		t.Errorf("%d goodbyes, want 1", f.has().goodbyes)
	}
}

func TestOffline(t *testing.T) {
	run(t, func(f *fake, _ *link.Options) { f.down = true }, func(t *testing.T, _ *fake, a *agent) {
		if err := a.Send(t.Context(), nil); !errors.Is(err, link.ErrOffline) {
			t.Errorf("Send = %v", err)
		}
		if err := a.Report(t.Context(), nil); !errors.Is(err, link.ErrOffline) {
			t.Errorf("Report = %v", err)
		}
		if s := a.State(); s.Connected || tvilling.CodeOf(s.Err) != tvilling.Unavailable || s.Failures != 1 {
			t.Errorf("State = %+v", s)
		}
	})
}

func TestBackoff(t *testing.T) {
	run(t, func(f *fake, _ *link.Options) { f.down = true }, func(t *testing.T, f *fake, a *agent) {
		pass(10 * time.Hour)
		before := time.Second
		longest := time.Duration(0)
		dials := f.has().dials
		for i := range dials[1:] {
			d := dials[i+1].Sub(dials[i])
			if d < time.Second || d > min(3*before, 5*time.Minute) {
				t.Errorf("wait %d is %v after %v", i, d, before)
			}
			before, longest = d, max(longest, d)
		}
		// 460 by simulation with a deviation of 48; a fair run in a hundred is above 600.
		if n := len(f.has().dials); n < 120 || n > 900 {
			t.Errorf("%d tries in ten hours", n)
		}
		if longest < time.Minute {
			t.Errorf("the longest wait is %v", longest)
		}
	})
}

func TestComesBack(t *testing.T) {
	run(t, nil, func(t *testing.T, f *fake, a *agent) {
		pass(2 * time.Minute)
		f.set(func() { f.present, f.desired = true, `{"a":2,"$version":6}` })
		f.cut()
		synctest.Wait()
		if s := a.State(); s.Connected || s.Err == nil || !s.Since.Equal(time.Now()) {
			t.Errorf("after the loss, State = %+v", s)
		}
		pass(3 * time.Second)
		if s := a.State(); !s.Connected || s.Connects != 2 {
			t.Errorf("3 s after the loss, State = %+v", s)
		}
		if got := a.told(); len(got) != 2 || got[1] != `{"a":2,"$version":6}` {
			t.Errorf("told %q", got)
		}
		if f.has().subscribed != 1 {
			t.Errorf("%d subscriptions, want 1: the session has it", f.has().subscribed)
		}
		f.set(func() { f.present = false })
		pass(2 * time.Minute)
		f.cut()
		pass(3 * time.Second)
		if f.has().subscribed != 2 {
			t.Errorf("%d subscriptions, want another: the session is gone", f.has().subscribed)
		}
	})
}

func TestSessionWithoutSubscription(t *testing.T) {
	// The hub says that there is a session, but does not answer what it should.
	run(t, nil, func(t *testing.T, f *fake, a *agent) {
		pass(2 * time.Minute)
		f.set(func() { f.present, f.mute = true, true })
		f.cut()
		pass(10 * time.Second)
		f.set(func() { f.mute = false })
		pass(2 * time.Minute)
		if s := a.State(); !s.Connected || f.has().subscribed != 2 {
			t.Errorf("State = %+v after %d subscriptions, want connected after 2", s, f.has().subscribed)
		}
	})
}

func TestAnotherAgent(t *testing.T) {
	run(t, nil, func(t *testing.T, f *fake, a *agent) {
		for range 3 {
			for !a.State().Connected {
				pass(time.Second)
			}
			f.cut()
			synctest.Wait()
		}
		if s := a.State(); s.Err == nil || !strings.Contains(s.Err.Error(), "another agent") {
			t.Errorf("State = %+v", s)
		}
	})
}

func TestUnauthorized(t *testing.T) {
	run(t, func(f *fake, _ *link.Options) { f.code = packet.NotAuthorized }, func(t *testing.T, f *fake, a *agent) {
		if len(f.has().dials) != 2 || f.has().refreshes != 1 {
			t.Errorf("at once there are %d tries and %d refreshes, want 2 and 1", len(f.has().dials), f.has().refreshes)
		}
		if s := a.State(); tvilling.CodeOf(s.Err) != tvilling.Unauthorized || !strings.Contains(s.Err.Error(), "check the clock") {
			t.Errorf("State = %+v, want Unauthorized, and a hint at the clock of 2000", s) // which is synctest's
		}
		pass(time.Hour)
		if len(f.has().dials) < 10 || len(f.has().dials) > 100 || f.has().refreshes != len(f.has().dials)-1 {
			t.Errorf("after an hour there are %d tries and %d refreshes", len(f.has().dials), f.has().refreshes)
		}
		f.set(func() { f.code = packet.Accepted })
		pass(5 * time.Minute)
		if s := a.State(); !s.Connected {
			t.Errorf("State = %+v, want connected", s)
		}
	})
}

func TestRenewal(t *testing.T) {
	run(t, func(f *fake, _ *link.Options) { f.present = true }, func(t *testing.T, f *fake, a *agent) {
		began := time.Now()
		pass(20 * 24 * time.Hour)
		if n := len(f.has().dials); n < 11 || n > 14 {
			t.Errorf("%d connections in 20 days", n)
		}
		before := began
		different := make(map[time.Duration]bool)
		for _, at := range f.has().dials[1:] {
			d := at.Sub(before)
			if d < 36*time.Hour || d > 46*time.Hour {
				t.Errorf("a connection of %v, with tokens for 48 h", d)
			}
			different[d] = true
			before = at
		}
		if len(different) < 2 {
			t.Error("all connections are as long")
		}
		if f.has().subscribed != 1 || f.has().goodbyes != len(f.has().dials)-1 {
			t.Errorf("%d subscriptions and %d goodbyes", f.has().subscribed, f.has().goodbyes)
		}
	})
}

func TestSilentHub(t *testing.T) {
	for _, patience := range []time.Duration{5 * time.Second, 5 * time.Minute} {
		t.Run(patience.String(), func(t *testing.T) {
			run(t, nil, func(t *testing.T, f *fake, a *agent) {
				pass(2 * time.Minute)
				f.set(func() { f.mute = true })
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				err := a.Send(ctx, []byte("m"))
				if err == nil || time.Since(began) != min(patience, 45*time.Second) {
					t.Errorf("Send = %v after %v", err, time.Since(began))
				}
				f.set(func() { f.mute = false })
				pass(48*time.Second - time.Since(began))
				if s := a.State(); !s.Connected || s.Connects != 2 {
					t.Errorf("48 s after the message, State = %+v", s)
				}
			})
		})
	}
}

func TestSilentAtRest(t *testing.T) {
	run(t, nil, func(t *testing.T, f *fake, a *agent) {
		f.set(func() { f.mute = true })
		pass(1177*time.Second + 44*time.Second)
		if s := a.State(); !s.Connected {
			t.Errorf("before the hub's time is up, State = %+v", s)
		}
		pass(2 * time.Second)
		if s := a.State(); s.Connected {
			t.Errorf("State = %+v, want that the hub's silence is seen", s)
		}
	})
}

func TestTwinThatCannotBeRead(t *testing.T) {
	run(t, func(f *fake, _ *link.Options) { f.status = 429 }, func(t *testing.T, f *fake, a *agent) {
		if s := a.State(); !s.Connected {
			t.Errorf("State = %+v", s)
		}
		pass(10 * time.Minute)
		if f.has().gets < 10 || f.has().gets > 11 {
			t.Errorf("%d readings in ten minutes", f.has().gets)
		}
		f.set(func() { f.status = 200 })
		pass(time.Minute)
		if got := a.told(); len(got) != 1 {
			t.Errorf("told %q", got)
		}
		if s := a.State(); s.Connects != 1 {
			t.Errorf("State = %+v, want one connection", s)
		}
	})
}

func TestRequestsEndBeforeRenewal(t *testing.T) {
	// A hub that answers slowly: a message is under way at each moment.
	run(t, func(f *fake, o *link.Options) {
		f.slow = 2 * time.Second
		o.TokenLife = 10 * time.Minute
	}, func(t *testing.T, f *fake, a *agent) {
		for range 1000 {
			if err := a.Send(t.Context(), []byte("m")); errors.Is(err, link.ErrOffline) {
				pass(time.Millisecond)
			} else if err != nil {
				t.Errorf("Send = %v", err)
			}
		}
		if s := a.State(); s.Connects < 3 || s.Failures != 0 {
			t.Errorf("State = %+v, want that tokens were renewed", s)
		}
	})
}
