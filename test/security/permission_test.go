package security_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

// as returns a client of a policy with certain permissions.
func (w *world) as(name string, permissions ...string) *client.Client {
	w.Helper()
	p, err := w.owner.PutPolicy(w.ctx, client.Policy{Name: name, Permissions: permissions})
	if err != nil {
		w.Fatal(err)
	}
	return w.hub.ClientAs(p.ConnectionString(hostName))
}

// TestWhoMayWhat: who has no permission for security reads nothing and changes
// nothing of it; who may read changes nothing; with the guard on, those of the
// service interface may neither.
func TestWhoMayWhat(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	a := w.register("d1")
	w.desire("d1", `{"maxMessageSizeInBytes":{"value":10000}}`)
	a.sees(event(id(1), "ProcessCreate", time.Now(), process("/bin/sh", miner)))
	alert := w.raised("d1", "IoT_CryptoMiner")
	advice := w.advised("d1", "IoT_AgentConfigurationNotOptimal", "active", nil)
	w.is("d1", "atRisk")
	before, _ := w.twin("d1")

	reads := map[string]func(c *client.Client) error{
		"alerts": func(c *client.Client) error {
			_, _, err := c.AlertPage(w.ctx, client.AlertFilter{}, client.Paging{})
			return err
		},
		"alert":   func(c *client.Client) error { _, err := c.Alert(w.ctx, alert.ID); return err },
		"explain": func(c *client.Client) error { _, err := c.ExplainAlert(w.ctx, alert.ID); return err },
		"history": func(c *client.Client) error { _, err := c.AlertHistory(w.ctx, alert.ID); return err },
		"summary": func(c *client.Client) error {
			_, err := c.AlertSummary(w.ctx, client.AlertFilter{}, "type")
			return err
		},
		"recommendation": func(c *client.Client) error { _, err := c.Recommendation(w.ctx, advice.Type, "d1"); return err },
		"detections":     func(c *client.Client) error { _, err := c.Detections(w.ctx); return err },
		"events": func(c *client.Client) error {
			return first(c.Events(w.ctx, client.EventFilter{}, client.Paging{}, false))
		},
		"export": func(c *client.Client) error {
			_, err := c.ExportEvents(w.ctx, client.EventFilter{}, client.CSV, &strings.Builder{})
			return err
		},
		"questions": func(c *client.Client) error {
			_, err := c.EventSummary(w.ctx, client.Users, client.EventScope{})
			return err
		},
		"dead letters": func(c *client.Client) error { return first(c.DeadLetters(w.ctx, "", client.Paging{})) },
		"feed":         func(c *client.Client) error { return first(c.Feed(w.ctx, client.StreamOptions{})) },
		"device":       func(c *client.Client) error { _, err := c.DeviceSecurity(w.ctx, "d1"); return err },
		"overview":     func(c *client.Client) error { _, err := c.SecurityOverview(w.ctx); return err },
		"sinks":        func(c *client.Client) error { _, err := c.Sinks(w.ctx); return err },
	}
	status := client.AlertChange{Status: new("resolved"), Reason: new("mitigated")}
	writes := map[string]func(c *client.Client) error{
		"update": func(c *client.Client) error {
			_, err := c.UpdateAlert(w.ctx, alert.ID, status, tvilling.Match{})
			return err
		},
		"update many": func(c *client.Client) error { _, err := c.UpdateAlerts(w.ctx, []string{alert.ID}, status); return err },
		"configure": func(c *client.Client) error {
			_, err := c.ConfigureDetection(w.ctx, "crypto-miner", client.DetectionChange{Enabled: new(false)})
			return err
		},
		"put rule":    func(c *client.Client) error { _, err := c.PutRule(w.ctx, "mine", "title: x"); return err },
		"delete rule": func(c *client.Client) error { return c.DeleteRule(w.ctx, "mine") },
		"apply":       func(c *client.Client) error { _, err := c.ApplyRecommendation(w.ctx, advice.Type, "d1"); return err },
		"replay":      func(c *client.Client) error { return c.ReplaySink(w.ctx, "x", 0) },
	}
	check := func(who string, c *client.Client, read, write bool) {
		t.Helper()
		for name, do := range reads {
			if err := do(c); (tvilling.CodeOf(err) != tvilling.Unauthorized) != read || read && err != nil {
				t.Errorf("%s reads %s: %v; allowed is %t", who, name, err, read)
			}
		}
		if write {
			return
		}
		for name, do := range writes {
			if err := do(c); tvilling.CodeOf(err) != tvilling.Unauthorized {
				t.Errorf("%s does %s: %v; want a refusal", who, name, err)
			}
		}
	}
	registrar := w.as("registrar", "RegistryRead", "RegistryWrite", "DeviceConnect")
	reader, officer := w.as("reader", "SecurityRead"), w.as("officer", "SecurityRead", "SecurityWrite")
	service := w.as("app", "ServiceConnect")
	check("the registrar", registrar, false, false)
	check("the reader", reader, true, false)
	check("the application, without the guard", service, true, true)

	settings, err := w.owner.Settings(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	settings.GuardSecurityTwin = true
	if _, err := w.owner.PutSettings(w.ctx, *settings); err != nil {
		t.Fatal(err)
	}
	check("the registrar, guarded", registrar, false, false)
	check("the application, guarded", service, false, false)
	check("the reader, guarded", reader, true, false)
	check("the officer, guarded", officer, true, true)

	after, _ := w.twin("d1")
	unchanged(t, before, after)
	if now, err := officer.Alert(w.ctx, alert.ID); err != nil || now.Status != "new" || now.ETag != alert.ETag {
		t.Errorf("the alert is %+v, %v", now, err)
	}
	if d, err := officer.Detection(w.ctx, "crypto-miner"); err != nil || !d.Enabled {
		t.Errorf("the detection is %+v, %v", d, err)
	}
	if _, err := officer.ApplyRecommendation(w.ctx, advice.Type, "d1"); err != nil {
		t.Errorf("the officer applies: %v", err)
	}
	twin, err := officer.Twin(w.ctx, securityOf("d1"))
	if err != nil {
		t.Fatal(err)
	}
	var desired struct {
		Object map[string]json.RawMessage `json:"ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration"`
	}
	if err := json.Unmarshal(twin.Properties.Desired, &desired); err != nil || len(desired.Object) < 20 {
		t.Errorf("applied is %s, %v", twin.Properties.Desired, err)
	}
	if _, err := officer.UpdateAlert(w.ctx, alert.ID, status, client.IfTag(alert.ETag)); err != nil {
		t.Errorf("the officer resolves: %v", err)
	}
	steps, err := officer.AlertHistory(w.ctx, alert.ID)
	if err != nil || len(steps) != 2 || steps[1].Actor != "policy:officer" {
		t.Errorf("the history is %+v, %v", steps, err)
	}
}

func first[T any](seq func(func(T, error) bool)) (err error) {
	seq(func(_ T, e error) bool { err = e; return false })
	return err
}
