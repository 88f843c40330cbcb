package mqtt_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/mqtt"
)

// hubSource is the system property by which the hub marks messages that it
// made itself.
const hubSource = "tvilling-source"

// TestNobodyClaimsToBeTheHub: whatever way a client writes the mark of the
// hub's own messages, it stays an application property.
func TestNobodyClaimsToBeTheHub(t *testing.T) {
	for _, name := range []string{
		"tvilling-source", "tvilling%2Dsource", "%74villing-source", "$.tvilling-source", "%24.tvilling-source",
		"%24%2Etvilling-source", "$.source", "$.tvilling", "$tvilling-source",
	} {
		var m tvilling.Message
		if err := mqtt.ParseBag("$.ifid=urn%3Aazureiot%3ASecurity%3ASecurityAgent%3A1&"+name+"=hub", &m); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(m.System) != 1 || m.System[0].Name != "iothub-interface-id" {
			t.Errorf("%s: the system properties are %v", name, m.System)
		}
		if len(m.Properties) != 1 || !strings.HasSuffix(m.Properties[0].Name, "source") && !strings.HasSuffix(m.Properties[0].Name, "tvilling") || m.Properties[0].Value != "hub" {
			t.Errorf("%s: the application properties are %v", name, m.Properties)
		}
	}
}

// TestSystemPropertiesAreAFixedSet: no property bag gives a message a system
// property beyond those of the protocol.
func TestSystemPropertiesAreAFixedSet(t *testing.T) {
	known := []string{
		"message-id", "correlation-id", "user-id", "to", "iothub-creation-time-utc", "iothub-diag-id", "diag-correlation-context",
		"content-type", "content-encoding", "iothub-outputname", "absolute-expiry-time", "dt-subject", "iothub-message-schema",
		"iothub-interface-id",
	}
	part := rapid.SampledFrom([]string{"$.", "%24.", "%24%2E", "$", "tvilling-source", "tvilling", "source", "-", "%2D", "mid", "ifid", "cdid", "=", "=hub", "&", "a"})
	rapid.Check(t, func(t *rapid.T) {
		bag := strings.Join(rapid.SliceOfN(part, 0, 12).Draw(t, "bag"), "")
		var m tvilling.Message
		if mqtt.ParseBag(bag, &m) != nil {
			return
		}
		for _, p := range m.System {
			if p.Name == hubSource || !slices.Contains(known, p.Name) {
				t.Fatalf("%q gives the system property %q", bag, p.Name)
			}
		}
	})
}

// TestCredentialsSayWhereTheyComeFrom: the hub can tell of a refused client.
func TestCredentialsSayWhereTheyComeFrom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		g.online(t, device)
		g.mu.Lock()
		defer g.mu.Unlock()
		if len(g.tokens) != 1 || g.tokens[0].Protocol != "mqtt" || g.tokens[0].Remote == "" || g.tokens[0].Remote != g.opened[0].Remote {
			t.Errorf("shown %+v for the session %+v", g.tokens, g.opened)
		}
	})
}
