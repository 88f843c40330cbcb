package security_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

// TestGuardAndConfigurations: with the guard on, a configuration that can reach
// the twins of security modules is made, changed, steered and ended by those who
// may write these twins, and by nobody else; nor can others bring back how such
// a twin was. What others may not do changes nothing.
func TestGuardAndConfigurations(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.hub.Register(w.owner, "d1")
	settings, err := w.owner.Settings(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	settings.GuardSecurityTwin = true
	if _, err := w.owner.PutSettings(w.ctx, *settings); err != nil {
		t.Fatal(err)
	}
	spec := func(id, target, content string) client.ConfigurationSpec {
		return client.ConfigurationSpec{ID: id, TargetCondition: target, Content: json.RawMessage(content)}
	}
	const onSecurity, everywhere = "FROM devices.modules WHERE moduleId = 'azureiotsecurity'", "FROM devices.modules WHERE moduleId != 'none'"
	const modules = `{"moduleContent":{"properties.desired.by":"configuration"}}`
	officer := w.as("officer", "SecurityRead", "SecurityWrite")
	if _, err := officer.PutConfiguration(w.ctx, spec("mine", onSecurity, modules), tvilling.Match{}); err != nil {
		t.Fatalf("the officer makes a configuration: %v", err)
	}
	w.configured("by", `"configuration"`)
	before, err := w.owner.Configuration(w.ctx, "mine")
	if err != nil {
		t.Fatal(err)
	}
	head, err := w.owner.Twin(w.ctx, securityOf("d1"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*client.Client{
		"registrar": w.as("registrar", "RegistryRead", "RegistryWrite"), "app": w.as("app", "ServiceConnect"), "both": w.as("both", "RegistryWrite", "ServiceConnect"),
	} {
		tries := map[string]func() error{
			"make": func() error {
				_, err := c.PutConfiguration(w.ctx, spec("theirs", onSecurity, modules), tvilling.Match{})
				return err
			},
			"make a wide one": func() error {
				_, err := c.PutConfiguration(w.ctx, spec("theirs", everywhere, modules), tvilling.Match{})
				return err
			},
			"change": func() error {
				_, err := c.PutConfiguration(w.ctx, spec("mine", "FROM devices.modules WHERE moduleId = 'app'", modules), client.Any())
				return err
			},
			"delete": func() error { return c.DeleteConfiguration(w.ctx, "mine", client.Any()) },
			"restore": func() error {
				_, err := c.RestoreTwin(w.ctx, securityOf("d1"), client.TwinPoint{Version: 2}, client.Any())
				return err
			},
		}
		for _, verb := range []string{"pause", "resume", "advance", "rollback"} {
			tries[verb] = func() error { _, err := c.SteerConfiguration(w.ctx, "mine", verb); return err }
		}
		for what, try := range tries {
			if err := try(); tvilling.CodeOf(err) != tvilling.Unauthorized {
				t.Errorf("%s: %s: %v; want a refusal", name, what, err)
			}
		}
		own := spec("for-devices-of-"+name, "*", `{"deviceContent":{"properties.desired.`+name+`":1}}`)
		if _, err := c.PutConfiguration(w.ctx, own, tvilling.Match{}); err != nil {
			t.Errorf("%s makes a configuration for devices: %v", name, err)
		}
		own = spec("for-modules-of-"+name, "FROM devices.modules WHERE moduleId = 'app'", `{"moduleContent":{"properties.desired.`+name+`":1}}`)
		if _, err := c.PutConfiguration(w.ctx, own, tvilling.Match{}); err != nil {
			t.Errorf("%s makes a configuration for a module: %v", name, err)
		}
		// It is not made one for security modules afterwards.
		own.TargetCondition = onSecurity
		if _, err := c.PutConfiguration(w.ctx, own, client.Any()); tvilling.CodeOf(err) != tvilling.Unauthorized {
			t.Errorf("%s turns its configuration to security modules: %v; want a refusal", name, err)
		}
	}
	if after, err := w.owner.Configuration(w.ctx, "mine"); err != nil || after.ETag != before.ETag || after.Paused {
		t.Errorf("after what was refused the configuration is %+v, %v", after, err)
	}
	if twin, err := w.owner.Twin(w.ctx, securityOf("d1")); err != nil || string(twin.Properties.Desired) != string(head.Properties.Desired) {
		t.Errorf("after what was refused the twin is %s, %v; want %s", twin.Raw, err, head.Raw)
	}
	// The officer has a say in security modules, and in nothing else.
	for _, s := range []client.ConfigurationSpec{
		spec("devices", "*", `{"deviceContent":{"properties.desired.x":1}}`),
		spec("wide", everywhere, modules),
	} {
		if _, err := officer.PutConfiguration(w.ctx, s, tvilling.Match{}); tvilling.CodeOf(err) != tvilling.Unauthorized {
			t.Errorf("the officer makes %s: %v; want a refusal", s.ID, err)
		}
	}
	if _, err := officer.SteerConfiguration(w.ctx, "mine", "pause"); err != nil {
		t.Errorf("the officer pauses: %v", err)
	}
	if err := officer.DeleteConfiguration(w.ctx, "mine", client.Any()); err != nil {
		t.Errorf("the officer deletes: %v", err)
	}
	w.configured("by", "")
}

// configured waits until a desired property of the security module of d1 has a
// value, "" for none.
func (w *world) configured(name, value string) {
	w.Helper()
	var got json.RawMessage
	for w.ctx.Err() == nil {
		twin, err := w.owner.Twin(w.ctx, securityOf("d1"))
		if err != nil {
			w.Fatal(err)
		}
		var desired map[string]json.RawMessage
		if err := json.Unmarshal(twin.Properties.Desired, &desired); err != nil {
			w.Fatal(err)
		}
		if got = desired[name]; string(got) == value {
			return
		}
		time.Sleep(10 * time.Millisecond) //nolint:forbidigo // a condition with a deadline
	}
	w.Fatalf("%s is %s, want %s", name, got, value)
}
