package agentconfig_test

import (
	"encoding/json"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// TestExtensionPropertiesAreAll: what the agent reads has a description, and
// nothing else has.
func TestExtensionPropertiesAreAll(t *testing.T) {
	d := agentconfig.DefaultExtension()
	members := d.Members()
	for _, p := range agentconfig.ExtensionProperties() {
		if _, ok := members[p.Name]; !ok || p.Description == "" || p.Type == "" {
			t.Errorf("%+v is no property, or is not described", p)
		}
		delete(members, p.Name)
	}
	if len(members) > 0 {
		t.Errorf("not described: %v", members)
	}
}

// TestExtensionTextsAreRead: every value that is shown can be written back.
func TestExtensionTextsAreRead(t *testing.T) {
	desired := []byte(`{"memoryLimitInBytes":33554432,"cpuLimitInPercent":2.5,"maxBytesPerDay":0,"immediateEvents":["Login"],"snapshotsOnChange":false,"hashExecutables":false,"heartbeatFrequency":"PT0S","processSource":"polling","disabledChecks":["TV-SSH-009","kernel"]}`)
	texts := map[string]string{}
	for _, s := range agentconfig.ExtensionSettings([]byte(`{"tvillingAgent":`+string(desired)+`}`), nil) {
		if s.Value == s.Default || s.Source != agentconfig.FromDesired {
			t.Errorf("%+v: want another value than the default", s)
		}
		texts[s.Property] = s.Value
	}
	c, err := agentconfig.NewExtensionChange(nil, texts)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := agentconfig.ReadExtension(desired)
	got, problems := agentconfig.ReadExtension(c.Patch)
	if len(problems) > 0 || len(c.Edits) != len(texts) {
		t.Errorf("%s: %v, %v", c.Patch, problems, c.Edits)
	}
	before, after := want.Members(), got.Members()
	for name, v := range before {
		if string(after[name]) != string(v) {
			t.Errorf("%s: %s became %s", name, v, after[name])
		}
	}
	if c, err := agentconfig.NewExtensionChange(desired, texts); err != nil || len(c.Edits) > 0 || string(c.Patch) != "{}" {
		t.Errorf("a change to what is there: %s, %v, %v", c.Patch, c.Edits, err)
	}
}

func TestNewExtensionChange(t *testing.T) {
	for _, c := range []struct{ name, desired, property, text, patch, refused string }{
		{"set", `{}`, "maxBytesPerDay", "5000", `{"maxBytesPerDay":5000}`, ""},
		{"back to the default", `{"maxBytesPerDay":5000}`, "maxBytesPerDay", "", `{"maxBytesPerDay":null}`, ""},
		{"no events at all", `{}`, "immediateEvents", "", `{"immediateEvents":[]}`, ""},
		{"events", `{}`, "immediateEvents", "Login, ProcessCreate", `{"immediateEvents":["Login","ProcessCreate"]}`, ""},
		{"mends what cannot be used", `{"maxBytesPerDay":"x"}`, "maxBytesPerDay", "10000000", `{"maxBytesPerDay":10000000}`, ""},
		{"out of range", `{}`, "cpuLimitInPercent", "900", "", "cpuLimitInPercent"},
		{"no number", `{}`, "maxBytesPerDay", "many", "", "maxBytesPerDay"},
		{"no event", `{}`, "immediateEvents", "Logins", "", "immediateEvents"},
		{"no property", `{}`, "max", "1", "", "max"},
	} {
		change, err := agentconfig.NewExtensionChange([]byte(c.desired), map[string]string{c.property: c.text})
		if c.refused != "" {
			if e, ok := err.(*tvilling.Error); !ok || e.Path != c.refused || e.Message == "" { //nolint:errorlint // it is not wrapped
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err != nil || string(change.Patch) != c.patch || len(change.Edits) != 1 {
			t.Errorf("%s: %+v, %v", c.name, change, err)
		}
	}
}

func TestExtensionSettings(t *testing.T) {
	list := agentconfig.ExtensionSettings(
		[]byte(`{"tvillingAgent":{"maxBytesPerDay":5000,"processSource":"magic"},"$metadata":{"tvillingAgent":{"maxBytesPerDay":{"$lastUpdated":"2026-01-31T12:00:00Z","$actor":"user:anna"}}}}`),
		[]byte(`{"tvillingAgent":{"maxBytesPerDay":10000000}}`))
	by := map[string]agentconfig.Setting{}
	for _, s := range list {
		by[s.Property] = s
	}
	if s := by["maxBytesPerDay"]; s.Value != "5000" || s.Actor != "user:anna" || s.Set.IsZero() || s.Reported != "10000000" || s.Refused == "" {
		t.Errorf("%+v", s)
	}
	if s := by["processSource"]; s.Value != "auto" || s.Source != agentconfig.FromDefault || s.Refused == "" {
		t.Errorf("%+v", s)
	}
	if s := by["hashExecutables"]; s.Source != agentconfig.FromDefault || s.Refused != "" || s.Actor != "" {
		t.Errorf("%+v", s)
	}
	if b, err := json.Marshal(list); err != nil || len(b) == 0 {
		t.Error(err)
	}
}
