package onboard_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/security/onboard"
)

// start runs onboarding over c until stop.
func start(t *testing.T, c *hubtest.Core) (s *onboard.Service, stop func()) {
	t.Helper()
	s, err := onboard.New(t.Context(), c.Committer, c.Store, c.Registry, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx) })
	return s, func() { cancel(); wg.Wait() }
}

func security(n int) tvilling.Identity {
	return tvilling.Identity{Device: tvilling.DeviceID(fmt.Sprintf("d%03d", n)), Module: tvilling.SecurityModule}
}

func TestDefaults(t *testing.T) {
	c := hubtest.New(t)
	_, stop := start(t, c)
	defer stop()
	c.Register(t, tvilling.Device("d000"))
	v, err := c.Twins.Get(t.Context(), security(0))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration":{},"$version":1}`
	if got := string(v.Desired.AppendJSON(nil, doc.Form{Version: true})); got != want {
		t.Errorf("desired = %s, want %s", got, want)
	}
}

func TestExistingDevicesAreAdopted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hubtest.New(t)
		c.Registry.SetCompanion(nil)
		const devices = 300 // more than are under way at once
		for n := range devices {
			c.Register(t, tvilling.Device(security(n).Device))
		}
		s, stop := start(t, c)
		synctest.Wait()
		if got, want := s.Progress(), (onboard.Progress{Enabled: true, Seen: devices, Adopted: devices}); got != want {
			t.Errorf("progress = %+v, want %+v", got, want)
		}
		if _, err := c.Twins.Get(t.Context(), security(devices-1)); err != nil {
			t.Error(err)
		}
		stop()
		// What was done is not done again at the next start.
		again, stop := start(t, c)
		synctest.Wait()
		if got := again.Progress().Seen; got != 0 {
			t.Errorf("the next start looked at %d devices again", got)
		}
		stop()
	})
}

func TestSwitchingOffAndOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hubtest.New(t)
		s, stop := start(t, c)
		defer stop()
		synctest.Wait()
		change := func(f func(*onboard.Settings)) {
			t.Helper()
			next := s.Current()
			f(&next)
			if err := s.Change(t.Context(), next, "test"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		change(func(o *onboard.Settings) { o.SecurityModule.Enabled = false })
		c.Register(t, tvilling.Device("d000"))
		if rec, _ := c.Store.Identity(t.Context(), security(0)); rec != nil {
			t.Error("a device got its security module while that was off")
		}
		change(func(o *onboard.Settings) {
			o.SecurityModule.Enabled = true
			o.SecurityModule.Tags = json.RawMessage(`{"SecurityGroup":"lab"}`)
		})
		v, err := c.Twins.Get(t.Context(), security(0))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(v.Tags.AppendJSON(nil, doc.Form{})); got != `{"SecurityGroup":"lab"}` {
			t.Errorf("tags = %s", got)
		}
	})
}

func TestBadSettingsAreRefused(t *testing.T) {
	c := hubtest.New(t)
	s, stop := start(t, c)
	defer stop()
	for _, desired := range []string{`[]`, `{"a.b":1}`, `{"a":`, `{"a":1,"a":2}`} {
		next := s.Current()
		next.SecurityModule.Desired = json.RawMessage(desired)
		if err := s.Change(t.Context(), next, "test"); tvilling.CodeOf(err) != tvilling.InvalidArgument {
			t.Errorf("initial desired %s: %v, want InvalidArgument", desired, err)
		}
	}
	if got := s.Current(); string(got.SecurityModule.Desired) != string(onboard.Default().SecurityModule.Desired) {
		t.Error("refused settings are in force")
	}
}
