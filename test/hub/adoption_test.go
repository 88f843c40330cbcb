package hub_test

import (
	"encoding/json"
	"sync"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
)

// Two thousand devices of a hub without the rule get their security module
// once it is switched on, in the background, over a restart, while everything
// else is served.
func TestAdoption(t *testing.T) {
	t.Parallel()
	const devices = 2000
	h := apptest.Start(t, nil)
	c := h.Client()
	switchRule(t, c, false)
	registerMany(t, c, devices)
	// Some are not to be touched: an IoT Edge device, and one with a module of
	// that name and a twin that its operator has written.
	if _, err := c.CreateDevice(t.Context(), client.Device{DeviceID: "edge", Capabilities: client.Capabilities{IotEdge: true}}); err != nil {
		t.Fatal(err)
	}
	h.Register(c, "own")
	own, err := c.CreateModule(t.Context(), client.Module{DeviceID: "own", ModuleID: tvilling.SecurityModule})
	if err != nil {
		t.Fatal(err)
	}
	patchDesired(t, c, securityOf("own"), `{"mine":1}`)
	if a := adoption(t, c); a.Enabled || a.Running || a.Adopted != 0 {
		t.Errorf("adoption with the rule off: %+v", a)
	}
	begin := head(t, c)

	switchRule(t, c, true)
	// Stop somewhere in the middle.
	made := follows(t, c, begin, func(made int) bool { return made >= 300 })
	if a := adoption(t, c); !a.Enabled || a.Seen > devices+2 || a.Failed != 0 {
		t.Errorf("adoption under way: %+v", a)
	}
	patchDesired(t, c, device("d0001"), `{"served":"meanwhile"}`)
	h.Restart()
	c = h.Client()
	t.Logf("%d devices were seen adopted before the restart", made)
	follows(t, c, begin, func(made int) bool { return made == devices })
	ctx := within(t)
	var a *client.Adoption
	for {
		if a, err = c.Adoption(ctx); err != nil {
			t.Fatal(err)
		}
		if !a.Running {
			break
		}
	}
	if a.Remaining != 0 || a.Failed != 0 || a.Seen != devices+2 {
		t.Errorf("adoption in the end: %+v", a)
	}

	n := 0
	for raw, err := range c.Query(t.Context(), "SELECT deviceId, moduleId FROM devices.modules WHERE moduleId = 'azureiotsecurity'", 0) {
		if err != nil {
			t.Fatalf("query: %v after %s", err, raw)
		}
		n++
	}
	if n != devices+1 {
		t.Errorf("%d security modules, want %d", n, devices+1)
	}
	if _, err := c.Module(t.Context(), securityOf("edge")); tvilling.CodeOf(err) != tvilling.ModuleNotFound {
		t.Errorf("the module of the edge device: %v", err)
	}
	m, err := c.Module(t.Context(), own.ID())
	if err != nil || m.Authentication.SymmetricKey != own.Authentication.SymmetricKey {
		t.Errorf("the operator's own module has other keys: %v", err)
	}
	twin, err := c.Twin(t.Context(), own.ID())
	if err != nil || twin.Version != 3 || sectionVersion(t, twin.Properties.Desired) != 2 {
		t.Errorf("the operator's own twin was written: %v", err)
	}
	// Done is done: no start looks at it again.
	end := len(changes(t, c, 0))
	h.Restart()
	c = h.Client()
	if a := adoption(t, c); a.Running || a.Seen != 0 {
		t.Errorf("adoption after the next start: %+v", a)
	}
	if got := len(changes(t, c, 0)); got != end {
		t.Errorf("the next start took the journal from %d changes to %d", end, got)
	}
}

func switchRule(t *testing.T, c *client.Client, on bool) {
	t.Helper()
	s, err := c.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.SecurityModule.Enabled = on
	if _, err := c.PutSettings(t.Context(), *s); err != nil {
		t.Fatal(err)
	}
}

func adoption(t *testing.T, c *client.Client) *client.Adoption {
	t.Helper()
	a, err := c.Adoption(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func registerMany(t *testing.T, c *client.Client, n int) {
	t.Helper()
	ids := make(chan tvilling.DeviceID)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for id := range ids {
				if _, err := c.CreateDevice(t.Context(), client.Device{DeviceID: id}); err != nil {
					t.Errorf("register %s: %v", id, err)
				}
			}
		})
	}
	for i := range n {
		b, _ := json.Marshal(10_000 + i)
		ids <- tvilling.DeviceID("d" + string(b[1:]))
	}
	close(ids)
	wg.Wait()
}

// follows reads the journal until the hub has made enough security modules.
func follows(t *testing.T, c *client.Client, after uint64, enough func(made int) bool) (made int) {
	t.Helper()
	for ch, err := range c.Changes(within(t), client.StreamOptions{After: after, Follow: true}) {
		if err != nil {
			t.Fatalf("follow the journal: %v after %d modules", err, made)
		}
		if ch.Op == "createModuleIdentity" && ch.ModuleID == tvilling.SecurityModule {
			if ch.Actor != "hub:companion" {
				t.Errorf("a module of %s was made by %s", ch.DeviceID, ch.Actor)
			}
			if made++; enough(made) {
				return made
			}
		}
	}
	t.Fatalf("the journal ended after %d modules", made)
	return 0
}
