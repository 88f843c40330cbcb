package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// TestConfigureChangedMeanwhile: a twin that changes between the look and the
// write is not overwritten by what was shown, but looked at once more.
func TestConfigureChangedMeanwhile(t *testing.T) {
	hub := apptest.Start(t, nil)
	mustRun(t, line{"set-up", "tvilling device create d1 d2", true}, hub.Data)
	flags := hubFlags{data: hub.Data}
	c, err := flags.open()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cmd := newTwinConfigureCommand(&flags)
	cmd.SetContext(t.Context())
	cmd.SetOut(io.Discard)
	w := &configurer{cmd: cmd, client: c, consent: consent{yes: true}, out: io.Discard}
	if err := w.read([]string{"snapshotFrequency=PT1H"}); err != nil {
		t.Fatal(err)
	}
	f := &fleetChange{configurer: w, changes: map[string]*agentChange{}, variants: map[string]*agentVariant{}}
	change := func(d, value string) *agentChange {
		a, err := w.plan(tvilling.DeviceID(d))
		if err != nil {
			t.Fatal(err)
		}
		mustRun(t, line{"meanwhile", "tvilling twin configure " + d + " " + value + " --yes", true}, hub.Data)
		if a, err = f.writeOne(a); err != nil {
			t.Fatal(err)
		}
		return a
	}
	a := change("d1", "eventPriorityLogin=Off")
	if a.twin == nil || len(a.variant.edits) != 1 {
		t.Fatalf("the change after another one: %+v", a.variant)
	}
	object, _ := agentconfig.Reported(a.twin.Properties.Desired)
	if config, _ := agentconfig.Effective(object); valueOf(config, "eventPriorityLogin") != "Off" || valueOf(config, "snapshotFrequency") != "PT1H" {
		t.Errorf("one of the changes is lost: %s", object)
	}
	if a := change("d2", "snapshotFrequency=PT1H"); a.twin != nil || len(a.variant.edits) != 0 {
		t.Errorf("a device that is so already was written: %+v", a.variant)
	}
}

func valueOf(c agentconfig.Config, name string) string {
	v, _ := c.Value(name)
	return v.String()
}

// TestConfigureNotes: what is said of who holds a property, and of the agent.
func TestConfigureNotes(t *testing.T) {
	twin := &client.Twin{}
	twin.Properties.Desired = json.RawMessage(`{"` + agentconfig.Object + `":{"snapshotFrequency":{"value":"PT2H"},"eventPriorityLogin":{"value":"Low"}},
		"$metadata":{"` + agentconfig.Object + `":{"snapshotFrequency":{"value":{"$actor":"configuration:fw@5@63"}},"eventPriorityLogin":{"value":{"$actor":"configuration:other@1"}}}}}`)
	got := held(twin, []agentconfig.Edit{{Property: "snapshotFrequency", Old: "PT2H", New: "PT1H"}})
	if len(got) != 1 || !strings.Contains(got[0], "configuration fw@5 holds snapshotFrequency") {
		t.Errorf("held: %q", got)
	}
	v := agentVariant{edits: []agentconfig.Edit{{Property: "snapshotFrequency", Old: "\x1b[2J", New: "PT1H"}}, warnings: got}
	var b bytes.Buffer
	if err := v.print(&b); err != nil || strings.Contains(b.String(), "\x1b") || !strings.Contains(b.String(), "warning: The automatic") {
		t.Errorf("printed: %q, %v", b.String(), err)
	}
}

// TestSuggestedTarget: what is suggested is for the modules that were changed,
// and no others.
func TestSuggestedTarget(t *testing.T) {
	for _, c := range []struct{ where, want string }{
		{"tags.a = 1 OR tags.b = 2", "from devices.modules where moduleId = 'azureiotsecurity' and (tags.a = 1 OR tags.b = 2)"},
		{"select\tdeviceId from devices.modules where tags.a = 1", "from devices.modules where tags.a = 1"},
		{"SELECT [[" + strings.Repeat("İ", 99) + "]], deviceId FROM devices.modules WHERE a = 1", "FROM devices.modules WHERE a = 1"},
		{"SELECT TOP 5 deviceId FROM devices.modules WHERE a = 1", ""},
		{"SELECT deviceId FROM devices WHERE a = 1", ""},
	} {
		if got, _ := targetOf(c.where); got != c.want {
			t.Errorf("%s: %s, want %s", c.where, got, c.want)
		}
	}
}

func TestReadYes(t *testing.T) {
	for text, want := range map[string]bool{"y\n": true, "Yes\n": true, "": false, "\n": false, "n\n": false, "yess\n": false, "\ny\n": false} {
		if got, err := readYes(strings.NewReader(text)); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestQuoteForShell(t *testing.T) {
	for _, s := range []string{"plain", "two words", "it's", "", `a"b$c`, "tags.site = 's7'"} {
		if got, err := split("x " + strings.ReplaceAll(quoteForShell(s), `'\''`, `'"'"'`)); err != nil || len(got) != 2 || got[1] != s {
			t.Errorf("%q is quoted as %s: %q, %v", s, quoteForShell(s), got, err)
		}
	}
}

// TestConfigureSuggestion: the command that is suggested is one that there is.
func TestConfigureSuggestion(t *testing.T) {
	for where, wanted := range map[string]bool{
		"tags.site = 'lab'": true, "SELECT deviceId FROM devices.modules WHERE tags.site = 'lab'": true,
		"select * from devices": false, "SELECT deviceId FROM devices WHERE tags.site = 'lab'": false, "SELECT deviceId FROM devices.modules": false,
	} {
		var b bytes.Buffer
		f := &fleetChange{configurer: &configurer{out: &b, texts: []string{"snapshotFrequency=PT1H", "baselineCustomChecksFilePath=/etc/my checks"}}}
		f.suggest(where)
		found := false
		for l := range strings.Lines(b.String()) {
			if l = strings.TrimSpace(l); strings.HasPrefix(l, "tvilling ") {
				found = true
				if err := accepts(strings.ReplaceAll(l, `'\''`, `'"'"'`)); err != nil {
					t.Errorf("%s: %v", l, err)
				}
				if !strings.Contains(l, "FROM devices.modules WHERE ") && !strings.Contains(l, "from devices.modules") {
					t.Errorf("%s suggests the target %s", where, l)
				}
			}
		}
		if found != wanted {
			t.Errorf("%s: suggested: %t, want %t: %s", where, found, wanted, b.String())
		}
	}
}
