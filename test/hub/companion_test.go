package hub_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
	"github.com/tvilling/tvilling/internal/security/onboard"
)

func TestSecurityModuleIsThereWithItsDevice(t *testing.T) {
	_, c, _ := start(t)
	m, err := c.Module(t.Context(), securityOf("d"))
	if err != nil {
		t.Fatal(err)
	}
	if m.Authentication.Type != "sas" || m.Authentication.SymmetricKey.Primary == keyOf(t, c, device("d")) {
		t.Errorf("authentication of type %q; its key must be its own", m.Authentication.Type)
	}
	twin, err := c.Twin(t.Context(), securityOf("d"))
	if err != nil {
		t.Fatal(err)
	}
	var desired map[string]json.RawMessage
	if err := json.Unmarshal(twin.Properties.Desired, &desired); err != nil {
		t.Fatal(err)
	}
	if got := string(desired[onboard.ConfigurationObject]); got != "{}" {
		t.Errorf("the configuration object is %q, want an empty one", got)
	}
	if v := sectionVersion(t, twin.Properties.Desired); v != 1 {
		t.Errorf("desired version %d, want 1", v)
	}
	// Both are one transaction: the journal has them side by side.
	list := changes(t, c, 0)
	for i, ch := range list {
		if ch.Op != "createDeviceIdentity" {
			continue
		}
		if i+1 == len(list) || list[i+1].Op != "createModuleIdentity" || list[i+1].ModuleID != tvilling.SecurityModule {
			t.Error("the change after the device's is not its module's")
		}
	}
}

func TestCreateDeleteAndRestoreOfTheSecurityModule(t *testing.T) {
	h, c, _ := start(t)
	id := securityOf("d")
	first := keyOf(t, c, id)

	// The original batch script creates it itself; that must not be 409.
	m, err := c.CreateModule(t.Context(), client.Module{DeviceID: "d", ModuleID: tvilling.SecurityModule})
	if err != nil {
		t.Fatalf("creating the pristine module: %v", err)
	}
	if m.Authentication.SymmetricKey.Primary == "" {
		t.Error("the module has no key")
	}
	_, err = c.CreateModule(t.Context(), client.Module{DeviceID: "d", ModuleID: tvilling.SecurityModule})
	wantCode(t, "creating it a second time", err, tvilling.ModuleAlreadyExists)

	if err := c.Delete(t.Context(), id, client.Any()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UpdateDevice(t.Context(), client.Device{DeviceID: "d"}, client.Any()); err != nil {
		t.Fatal(err)
	}
	h.Restart() // what is deleted on purpose stays so
	c = h.Client()
	_, err = c.Module(t.Context(), id)
	wantCode(t, "after a delete, an update of the device and a restart", err, tvilling.ModuleNotFound)
	if _, err := c.RestoreModule(t.Context(), "d"); err != nil {
		t.Fatal(err)
	}
	if again := keyOf(t, c, id); again == first {
		t.Error("the restored module has the deleted one's key")
	}
}

func TestUsedSecurityModuleIsNotPristine(t *testing.T) {
	h, c, _ := start(t)
	id := securityOf("d")
	w := connect(t, h, id, keyOf(t, c, id))
	w.subscribe(twinResponses)
	// The note that it connected is before the answer, which is in order.
	if a := w.report(`{"agent":"1.0"}`); a.status != 204 {
		t.Fatalf("report: %d %s", a.status, a.body)
	}
	_, err := c.CreateModule(t.Context(), client.Module{DeviceID: "d", ModuleID: tvilling.SecurityModule})
	wantCode(t, "creating a module that somebody uses", err, tvilling.ModuleAlreadyExists)
	w.alive()
}

// policy makes a policy with certain permissions and returns a client of it.
func policy(t testing.TB, h *apptest.Hub, c *client.Client, name string, permissions ...string) *client.Client {
	t.Helper()
	p, err := c.PutPolicy(t.Context(), client.Policy{Name: name, Permissions: permissions})
	if err != nil {
		t.Fatal(err)
	}
	return h.ClientAs(p.ConnectionString("localhost"))
}

func TestGuardOfSecurityTwins(t *testing.T) {
	h, c, _ := start(t)
	app := policy(t, h, c, "app", "ServiceConnect")
	officer := policy(t, h, c, "officer", "SecurityRead", "SecurityWrite")
	patch := client.TwinPatch{Desired: json.RawMessage(`{"a":1}`)}
	write := func(as *client.Client, id tvilling.Identity) error {
		_, err := as.PatchTwin(t.Context(), id, patch, tvilling.Match{})
		return err
	}
	wantCode(t, "the application, without the guard", write(app, securityOf("d")), "")

	s, err := c.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.GuardSecurityTwin = true
	if _, err := c.PutSettings(t.Context(), *s); err != nil {
		t.Fatal(err)
	}
	for _, restarted := range []bool{false, true} {
		before := len(changes(t, c, 0))
		wantCode(t, "the application, guarded", write(app, securityOf("d")), tvilling.Unauthorized)
		_, err = app.ReplaceTwin(t.Context(), securityOf("d"), patch, tvilling.Match{})
		wantCode(t, "the application replaces, guarded", err, tvilling.Unauthorized)
		wantCode(t, "the owner, guarded", write(c, securityOf("d")), tvilling.Unauthorized)
		if after := len(changes(t, c, 0)); after != before {
			t.Errorf("refused writes moved the journal from %d to %d", before, after)
		}
		wantCode(t, "the security officer, guarded", write(officer, securityOf("d")), "")
		wantCode(t, "the officer on the device's twin", write(officer, device("d")), tvilling.Unauthorized)
		wantCode(t, "the application on the device's twin", write(app, device("d")), "")
		for _, err := range app.Messages(t.Context(), client.Security, client.StreamOptions{}) {
			wantCode(t, "the application reads security messages, guarded", err, tvilling.Unauthorized)
		}
		if restarted {
			break
		}
		h.Restart()
		c = h.Client()
		app, officer = again(t, h, c, "app"), again(t, h, c, "officer")
	}
}

// again returns a new client of a policy, after a restart.
func again(t testing.TB, h *apptest.Hub, c *client.Client, name string) *client.Client {
	t.Helper()
	p, err := c.Policy(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return h.ClientAs(p.ConnectionString("localhost"))
}

// An agent with the identity of its device boots by reading the module with
// the device's key and a token for the whole hub.
func TestAgentReadsItsModuleWithTheKeyOfItsDevice(t *testing.T) {
	h, c, key := start(t)
	h.Register(c, "other")
	const path = "/devices/d/modules/azureiotsecurity?api-version=2018-06-30"
	hubWide := newREST(t, h, token(t, hostName, key, "", time.Now().Add(10*time.Minute)))

	r := hubWide.do("GET", path, "")
	var got struct {
		ModuleID       string
		Authentication struct {
			Type         string
			SymmetricKey struct{ PrimaryKey string }
		}
	}
	if err := json.Unmarshal(r.body, &got); r.status != 200 || err != nil {
		t.Fatalf("status %d: %s", r.status, r.body)
	}
	if got.ModuleID != "azureiotsecurity" || got.Authentication.Type != "sas" {
		t.Errorf("got %+v", got)
	}
	// What it read opens the module.
	w := connect(t, h, securityOf("d"), got.Authentication.SymmetricKey.PrimaryKey)
	w.subscribe(twinResponses)
	w.twin()

	for name, path := range map[string]string{
		"another device's module": "/devices/other/modules/azureiotsecurity?api-version=2018-06-30",
		"the device itself":       "/devices/d?api-version=2018-06-30",
		"its twin":                "/twins/d?api-version=2018-06-30",
		"the module's twin":       "/twins/d/modules/azureiotsecurity?api-version=2018-06-30",
		"all devices":             "/devices?api-version=2018-06-30",
	} {
		if r := hubWide.do("GET", path, ""); r.status != 401 || r.name() != "IotHubUnauthorizedAccess" {
			t.Errorf("%s: status %d %s, want 401", name, r.status, r.name())
		}
	}

	s, err := c.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.HideModuleKeys = true
	if _, err := c.PutSettings(t.Context(), *s); err != nil {
		t.Fatal(err)
	}
	if r := hubWide.do("GET", path, ""); r.status != 401 {
		t.Errorf("with hideModuleKeys: status %d, want 401", r.status)
	}
	if _, err := c.Module(t.Context(), securityOf("d")); err != nil {
		t.Errorf("with hideModuleKeys the owner reads the module no more: %v", err)
	}
}

func TestKeysOpenNothingButTheirOwn(t *testing.T) {
	h, c, deviceKey := start(t)
	if _, err := c.CreateModule(t.Context(), client.Module{DeviceID: "d", ModuleID: "app"}); err != nil {
		t.Fatal(err)
	}
	keys := map[string]string{
		"device": deviceKey, "app": keyOf(t, c, module("d", "app")), "security": keyOf(t, c, securityOf("d")),
		"other": h.Register(c, "other"),
	}
	ids := map[string]tvilling.Identity{
		"device": device("d"), "app": module("d", "app"), "security": securityOf("d"), "other": device("other"),
	}
	before := len(changes(t, c, 0))
	refused := 0
	for who, key := range keys {
		for as, id := range ids {
			if who == as {
				continue
			}
			// A token for what it wants to be, and one for the whole hub.
			for _, resource := range []string{resourceOf(id), hostName, resourceOf(ids[who])} {
				w, ack, ok := try(t, h, connecting{id: id, password: token(t, resource, key, "", time.Now().Add(time.Hour))})
				if !ok || ack.Code != packet.NotAuthorized {
					t.Errorf("the key of %s as %s for %s: answered %t, %v", who, as, resource, ok, ack.Code)
				}
				w.closed()
				refused++
			}
		}
	}
	if after := len(changes(t, c, 0)); after != before {
		t.Errorf("%d refused connections moved the journal from %d to %d", refused, before, after)
	}
	for who, key := range keys {
		w := connect(t, h, ids[who], key)
		w.alive()
	}
	// On REST a module reaches nothing, and a device only its own modules.
	for _, who := range []string{"app", "security"} {
		r := as(t, h, ids[who], keys[who]).do("GET", "/devices/d/modules/azureiotsecurity?api-version=2021-04-12", "")
		if r.status != 401 {
			t.Errorf("the key of %s reads module identities: status %d", who, r.status)
		}
	}
	if r := as(t, h, device("d"), deviceKey).do("PATCH", "/twins/d/modules/azureiotsecurity?api-version=2021-04-12", `{"tags":{"a":1}}`); r.status != 401 {
		t.Errorf("a device writes the security twin: status %d", r.status)
	}
}
