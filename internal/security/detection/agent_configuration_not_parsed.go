package detection

import (
	"strings"

	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

type agentConfigurationNotParsed struct{ info *detect.Info }

// AgentConfigurationNotParsed finds agents that say that they could not read
// their configuration in the security module twin.
func AgentConfigurationNotParsed() detect.Stateful {
	return &agentConfigurationNotParsed{&detect.Info{
		ID: "agent-configuration-not-parsed", Type: "IoT_AgentConfigurationNotParsed", Title: "The agent could not read its configuration", Severity: ledger.Medium,
		Description: "The security agent reported that a value in its configuration in the security module twin has the wrong type or form. It goes on with the configuration it had, or with its defaults: changes made in the twin have no effect.",
		Version:     "1", Source: detect.Builtin,
		Remediation: []string{
			"Compare desired and reported configuration of the security module twin; the differences name the property.",
			"Give the property a value of its documented type, wrapped as {\"value\": …}.",
		},
		FalsePositives: []string{"None known: the agent itself says so."},
	}}
}

func (d *agentConfigurationNotParsed) Info() *detect.Info { return d.info }

func (d *agentConfigurationNotParsed) Kinds() []event.Kind {
	return []event.Kind{event.ConfigurationErrorKind}
}

func (d *agentConfigurationNotParsed) Observe(s detect.Scope, e *event.Event, _ detect.Values) {
	for i, it := range e.Items {
		c, ok := it.(*event.ConfigurationError)
		if !ok || !strings.EqualFold(c.ErrorType, "TypeMismatch") {
			continue
		}
		s.Report(detect.Finding{
			Cause: detect.Cause(c.ConfigurationName), Hits: event.Hits(c), Time: e.Time, Event: e, Item: i,
			Matched: []ledger.Match{
				{Field: "ErrorType", Value: c.ErrorType, Pattern: "TypeMismatch"},
				{Field: "ConfigurationName", Value: c.ConfigurationName},
			},
		})
	}
}
