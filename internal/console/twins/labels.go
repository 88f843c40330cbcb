package twins

import (
	"strings"
	"unicode"

	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// labels are what people call properties; one that is not here is called by the
// words of its name.
var labels = map[string]string{
	agentconfig.HighPriorityMessageFrequency: "Send high-priority events every",
	agentconfig.LowPriorityMessageFrequency:  "Send low-priority events every",
	agentconfig.SnapshotFrequency:            "Take a snapshot every",
	agentconfig.MaxLocalCacheSizeInBytes:     "Local cache",
	agentconfig.MaxMessageSizeInBytes:        "Largest message",
	agentconfig.BaselineCustomChecksEnabled:  "Make checks of a file, too",
	agentconfig.BaselineCustomChecksFilePath: "Path of the file",
	agentconfig.BaselineCustomChecksFileHash: "SHA-256 of the file",
	agentconfig.HubResourceID:                "Resource id of the hub",
	agentconfig.EventPriorityOperational:     "Operational events (C agent)",
	agentconfig.MemoryLimitInBytes:           "Memory",
	agentconfig.CPULimitInPercent:            "Share of one core",
	agentconfig.MaxBytesPerDay:               "Sent in a day",
	agentconfig.ImmediateEvents:              "Events sent at once",
	agentconfig.SnapshotsOnChange:            "Take a snapshot on change, too",
	agentconfig.HeartbeatFrequency:           "Heartbeat every",
	agentconfig.HashExecutables:              "Tell SHA-256 of programs",
	agentconfig.ProcessSource:                "See processes by",
	agentconfig.DisabledChecks:               "Checks left out",
}

// label is what people call a property.
func label(name string) string {
	if l := labels[name]; l != "" {
		return l
	}
	for prefix, text := range map[string]string{"eventPriority": "", "aggregationEnabled": "Aggregate ", "aggregationInterval": "Aggregate over, "} {
		if rest, ok := strings.CutPrefix(name, prefix); ok && rest != "" {
			return text + rest
		}
	}
	var b strings.Builder
	for i, r := range name {
		switch {
		case i == 0:
			b.WriteRune(unicode.ToUpper(r))
		case unicode.IsUpper(r):
			b.WriteByte(' ')
			b.WriteRune(unicode.ToLower(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// The groups of the form, in their order.
const (
	sending     = "Sending"
	priorities  = "Priorities of events"
	aggregation = "Aggregation"
	checks      = "Checks of the baseline"
	oldAgents   = "For original agents alone"
	extension   = "Of tvilling-agent"
)

var groupNotes = map[string]string{
	sending:     "when and how much the agent sends",
	priorities:  "High is sent soon, Low later; of what is Off nothing is collected",
	aggregation: "equal events of an interval become one with a count",
	checks:      "a file of checks on the device, besides those of the agent",
	oldAgents:   "other agents do without",
	extension:   "object tvillingAgent; original agents ignore it",
}

// groupOf is the group of a property of the object.
func groupOf(p agentconfig.Property) string {
	switch {
	case p.Name == agentconfig.HubResourceID || p.Name == agentconfig.EventPriorityOperational:
		return oldAgents
	case p.Type == agentconfig.Priority:
		return priorities
	case strings.HasPrefix(p.Name, "aggregation"):
		return aggregation
	case strings.HasPrefix(p.Name, "baseline"):
		return checks
	default:
		return sending
	}
}
