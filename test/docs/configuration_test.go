package docs_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/config"
)

// TestConfiguration reads the configuration files in the documents as the hub
// would, and holds what they call defaults against the defaults.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	o, err := config.Parse([]byte(block(t, "../../docs/operations.md", "## The configuration file", "toml")))
	if err != nil {
		t.Fatal(err)
	}
	type kept struct {
		Telemetry, Security, Events, History app.Retention
		Alerts, MQTT, Admin                  string
		Cache                                int64
	}
	of := func(o app.Options) kept {
		return kept{o.Telemetry, o.Security, o.Events, o.History, o.AlertAge.String(), o.MQTT, o.Admin, o.CacheBytes}
	}
	if d := cmp.Diff(of(app.DefaultOptions()), of(o)); d != "" {
		t.Errorf("docs/operations.md shows other defaults (-code +document):\n%s", d)
	}
	for behind, path := range map[string]string{"## Configuration": siem, "## Indicator lists": document, "### With one line": agentDocument} {
		if _, err := config.Parse([]byte(block(t, path, behind, "toml"))); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestOwnRule reads the rule that is shown as an example.
func TestOwnRule(t *testing.T) {
	t.Parallel()
	info, err := newEngine(t).Check(block(t, document, "## Rules of your own", "yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Type != "IoT_DebugConsole" || len(info.Techniques) != 1 || len(info.Remediation) != 1 {
		t.Errorf("the example is read as %+v", info)
	}
}
