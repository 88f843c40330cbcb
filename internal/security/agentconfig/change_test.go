package agentconfig_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// TestNewChange: what a change makes of what is desired, told as edits.
func TestNewChange(t *testing.T) {
	t.Parallel()
	const file, hash = "baselineCustomChecksFilePath", "baselineCustomChecksFileHash"
	for _, tt := range []struct {
		name, desired string
		change        map[string]any
		edits         []agentconfig.Edit
		nulls         []string
		problems      string
	}{
		{name: "nothing", desired: `{}`},
		{name: "as it is", desired: `{}`, change: map[string]any{"eventPriorityLogin": "High"}},
		{
			name: "from a default", desired: `{}`, change: map[string]any{"eventPriorityLogin": "Off"},
			edits: []agentconfig.Edit{{Property: "eventPriorityLogin", Old: "High", New: "Off"}},
		},
		{
			name: "to the default", desired: one("snapshotFrequency", `"PT1H"`), change: map[string]any{"snapshotFrequency": nil},
			edits: []agentconfig.Edit{{Property: "snapshotFrequency", Old: "PT1H", New: "PT13H"}},
		},
		{
			name: "to no value at all", desired: one(file, `"/etc/checks"`), change: map[string]any{file: nil},
			edits: []agentconfig.Edit{{Property: file, Old: "/etc/checks", New: "null"}}, nulls: []string{file},
		},
		{
			name: "what could not be used goes", desired: one("snapshotFrequency", `"1 hour"`), change: map[string]any{"eventPriorityLogin": "Low"},
			edits: []agentconfig.Edit{{Property: "snapshotFrequency", Old: "1 hour", New: "PT13H"}, {Property: "eventPriorityLogin", Old: "High", New: "Low"}},
		},
		{
			name: "what could not be used and has no value goes, too", desired: one(hash, `"ff"`), nulls: []string{hash},
			edits: []agentconfig.Edit{{Property: hash, Old: "ff", New: "null"}},
		},
		{name: "no object", desired: `7`, edits: []agentconfig.Edit{{Old: "7", New: "an object"}}},
		{
			name: "unwise", desired: `{}`, change: map[string]any{"maxMessageSizeInBytes": 10000, "highPriorityMessageFrequency": "PT6H"},
			edits:    []agentconfig.Edit{{Property: "highPriorityMessageFrequency", Old: "PT7M", New: "PT6H"}, {Property: "maxMessageSizeInBytes", Old: "204800", New: "10000"}},
			problems: "NotOptimal maxMessageSizeInBytes, Conflict highPriorityMessageFrequency",
		},
		{
			name: "not for all agents", desired: `{}`, change: map[string]any{"snapshotFrequency": "P60D"},
			edits: []agentconfig.Edit{{Property: "snapshotFrequency", Old: "PT13H", New: "P60D"}}, problems: "NotPortable snapshotFrequency",
		},
	} {
		c, err := agentconfig.NewChange([]byte(tt.desired), tt.change)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if d := cmp.Diff(tt.edits, c.Edits); d != "" {
			t.Errorf("%s: edits (-want +got):\n%s", tt.name, d)
		}
		var problems []string
		for _, p := range c.Problems {
			problems = append(problems, string(p.Kind)+" "+p.Property)
		}
		if got := strings.Join(problems, ", "); got != tt.problems {
			t.Errorf("%s: problems %s, want %s", tt.name, got, tt.problems)
		}
		checkPatch(t, tt.name, tt.desired, c, tt.nulls)
	}
	if _, err := agentconfig.NewChange(nil, map[string]any{"snapshotFrequency": 7}); tvilling.CodeOf(err) != tvilling.InvalidArgument {
		t.Errorf("a number for a duration: %v", err)
	}
}

// checkPatch merges the patch and holds the result against the edits.
func checkPatch(t *testing.T, name, desired string, c *agentconfig.Change, nulls []string) {
	t.Helper()
	old, patch := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(desired), &old); err != nil {
		old = map[string]json.RawMessage{} // a patch replaces what is no object
	}
	if err := json.Unmarshal(c.Patch, &patch); err != nil {
		t.Fatalf("%s: %v in %s", name, err, c.Patch)
	}
	var got []string
	for k, v := range patch {
		if string(v) == "null" {
			got = append(got, k)
		}
	}
	if d := cmp.Diff(nulls, got); d != "" {
		t.Errorf("%s: nulls (-want +got):\n%s", name, d)
	}
	maps.Copy(old, patch)
	maps.DeleteFunc(old, func(_ string, v json.RawMessage) bool { return string(v) == "null" })
	merged, err := json.Marshal(old)
	if err != nil {
		t.Fatal(err)
	}
	config, problems := agentconfig.Effective(merged)
	for _, p := range problems {
		if p.Kind != agentconfig.NotPortable {
			t.Errorf("%s: the result has a problem: %+v", name, p)
		}
	}
	for _, e := range c.Edits {
		if v, ok := config.Value(e.Property); ok && v.String() != e.New {
			t.Errorf("%s: %s is then %s, want %s", name, e.Property, v, e.New)
		}
	}
	if again, err := agentconfig.NewChange(merged, nil); err != nil || len(again.Edits) > 0 {
		t.Errorf("%s: the result is not settled: %+v, %v", name, again, err)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want, fault string }{
		{"snapshotFrequency", "PT60M", "PT1H", ""},
		{"snapshotFrequency", "1h", "", "not an ISO 8601 duration"},
		{"snapshotFrequency", "", "<nil>", ""},
		{"snapshotFrequency", " Default ", "<nil>", ""},
		{"eventPriorityLogin", "off", "Off", ""},
		{"eventPriorityLogin", "loud", "", `must be "High", "Low" or "Off"`},
		{"maxMessageSizeInBytes", "8192", "8192", ""},
		{"maxMessageSizeInBytes", "8191", "", "must be from 8192 to 262144 bytes"},
		{"maxMessageSizeInBytes", "8k", "", "a whole number of bytes such as 204800"},
		{"aggregationEnabledProcessCreate", "FALSE", "false", ""},
		{"aggregationEnabledProcessCreate", "nein", "", "must be true or false"},
		{"baselineCustomChecksFilePath", "/etc/checks.json", "/etc/checks.json", ""},
		{"baselineCustomChecksFilePath", "checks.json", "", "absolute path"},
		{"snapshotfrequency", "PT1H", "", "did you mean snapshotFrequency?"},
		{"snapshotFrequenzy", "PT1H", "", "did you mean snapshotFrequency?"},
		{"eventPriorityLogon", "High", "", "did you mean eventPriorityLogin?"},
		{"localcache", "1", "", "did you mean maxLocalCacheSizeInBytes?"},
		{"eventPriority", "High", "", `There is no property "eventPriority".`},
		{"maxBytesPerDay", "1", "", "one of tvillingAgent"},
		{"tvillingAgent.maxBytesPerDay", "1", "", "one of tvillingAgent"},
		{strings.Repeat("x", 5000), "1", "", "There is no property"},
	} {
		got, err := agentconfig.Parse(tt.name, tt.text)
		if tt.fault != "" {
			if tvilling.CodeOf(err) != tvilling.InvalidArgument || !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("%.40s=%s: %v, want %s", tt.name, tt.text, err, tt.fault)
			}
			continue
		}
		shown := "<nil>"
		if v, ok := got.(agentconfig.Value); ok {
			shown = v.String()
		}
		if err != nil || shown != tt.want {
			t.Errorf("%s=%s: %v, %v, want %s", tt.name, tt.text, shown, err, tt.want)
		}
	}
}

// TestSettings: where each value comes from, and what the agent makes of it.
func TestSettings(t *testing.T) {
	t.Parallel()
	const desired = `{"` + agentconfig.Object + `":{"eventPriorityLogin":{"value":"Low"},"snapshotFrequency":{"value":"PT1H"},"maxMessageSizeInBytes":{"value":"x"}},
		"$metadata":{"` + agentconfig.Object + `":{"eventPriorityLogin":{"$lastUpdated":"2026-01-02T03:04:05Z","$actor":"policy:a",
		"value":{"$lastUpdated":"2026-01-02T03:04:06Z","$actor":"configuration:c@1"}},"snapshotFrequency":{"$lastUpdated":"2026-01-02T03:04:07Z","$actor":"policy:b"}}}}`
	const reported = `{"` + agentconfig.Object + `":{"eventPriorityLogin":{"value":"low"},"snapshotFrequency":{"value":"PT13H"}}}`
	got := map[string]agentconfig.Setting{}
	for _, s := range agentconfig.Settings([]byte(desired), []byte(reported)) {
		got[s.Property] = s
	}
	if len(got) != len(agentconfig.Properties()) {
		t.Fatalf("%d settings", len(got))
	}
	if s := got["eventPriorityLogin"]; s.Value != "Low" || s.Default != "High" || s.Source != agentconfig.FromDesired || s.Actor != "configuration:c@1" || s.Set.Second() != 6 || s.Reported != "low" || s.Refused != "" {
		t.Errorf("as desired: %+v", s)
	}
	if s := got["snapshotFrequency"]; s.Actor != "policy:b" || s.Source != agentconfig.FromDesired || s.Reported != "PT13H" || s.Refused == "" {
		t.Errorf("not as desired: %+v", s)
	}
	if s := got["maxMessageSizeInBytes"]; s.Value != "204800" || s.Source != agentconfig.FromDefault || !strings.Contains(s.Refused, "whole number") {
		t.Errorf("not usable: %+v", s)
	}
	if s := got["eventPriorityLocalUsers"]; s.Value != "High" || s.Source != agentconfig.FromDefault || s.Actor != "" || !s.Set.IsZero() {
		t.Errorf("a default: %+v", s)
	}
	for _, s := range agentconfig.Settings(nil, nil) {
		if s.Source != agentconfig.FromDefault || s.Value != s.Default || s.Refused != "" || s.Reported != "" {
			t.Errorf("of nothing: %+v", s)
		}
	}
}

// FuzzNewChange: whatever is desired and set, the change is refused, or it
// leaves a configuration that has what was set and no problem of its own.
func FuzzNewChange(f *testing.F) {
	for _, seed := range [][3]string{
		{`{}`, "snapshotFrequency", "PT1H"},
		{`7`, "eventPriorityLogin", "off"},
		{one("snapshotFrequency", `"1 hour"`), "maxMessageSizeInBytes", "8192"},
		{one("baselineCustomChecksFilePath", `"/a"`), "baselineCustomChecksFilePath", ""},
		{`{"x":1}`, "maxMessageSizeInBytes", "1e4"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, desired, name, text string) {
		value, err := agentconfig.Parse(name, text)
		if err != nil || !json.Valid([]byte(desired)) {
			return
		}
		c, err := agentconfig.NewChange([]byte(desired), map[string]any{name: value})
		if err != nil {
			t.Fatalf("%s=%s was parsed and then refused: %v", name, text, err)
		}
		config, problems := agentconfig.Effective(c.Patch)
		if got, _ := config.Value(name); value != nil && got != value {
			t.Fatalf("%s=%s became %s", name, text, got)
		}
		for _, p := range problems {
			if p.Kind != agentconfig.NotPortable {
				t.Fatalf("the result has a problem: %+v", p)
			}
		}
	})
}
