package settings

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling/internal/agent/spool"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
	"github.com/tvilling/tvilling/internal/security/event"
)

// microCollector is one collector of the micro agent: a name, what it makes
// here, and the frequency it has when nothing is desired (asc §12.3).
type microCollector struct {
	name      string
	kinds     []event.Kind
	frequency string
}

// The micro agent's collectors. Those without kinds are accepted and do
// nothing here; their properties are reported like all others.
var microCollectors = []microCollector{
	{"Login", []event.Kind{event.LoginKind}, "Medium"},
	{"NetworkActivity", []event.Kind{event.ConnectionCreateKind}, "Medium"},
	{"Process", []event.Kind{event.ProcessCreateKind, event.ProcessTerminateKind}, "Medium"},
	{"Baseline", []event.Kind{event.OSBaselineKind}, "Low"},
	// The micro agent has no collectors for these three snapshots: they go with
	// what it knows of the system.
	{"SystemInformation", []event.Kind{event.SystemInformationKind, event.ListeningPortsKind, event.LocalUsersKind, event.FirewallConfigurationKind}, "Low"},
	{"SBoM", nil, "Low"},
	{"Heartbeat", []event.Kind{event.HeartbeatKind}, "Low"},
	{"LogCollector", []event.Kind{event.DiagnosticKind}, "Low"},
	{"FileSystem", nil, "Low"},
	{"Peripheral", []event.Kind{event.ConnectedHardwareKind}, "Low"},
	{"Statistics", []event.Kind{event.DroppedEventsStatisticsKind, event.MessageStatisticsKind}, "Low"},
}

const (
	priorityIntervals = "CollectorsCore_PriorityIntervals"
	groupsDisabled    = "Baseline_GroupsDisabled"
	checksDisabled    = "Baseline_ChecksDisabled"
	messageTimeout    = "IothubModule_MessageTimeout"
	processMode       = "Process_Mode"
	// maxMicroText bounds a text of the flat dialect.
	maxMicroText = 4096
)

// microNumbers are numbers with their defaults and limits. All are checked and
// reported; this agent bounds its memory as a whole and has no use for the
// sizes of single caches.
var microNumbers = []struct {
	name                    string
	usual, smallest, widest int64
}{
	{messageTimeout, 2880, 1, 1 << 20}, // minutes
	{"NetworkActivity_CacheSize", 256, 1, 1 << 20},
	{"NetworkActivity_PacketBufferSize", 2_097_152, 1, 1 << 30},
	{processMode, 1, 1, 3},
	{"Process_PollingInterval", 100_000, 1000, 1 << 30}, // microseconds
	{"Process_CacheSize", 256, 1, 1 << 20},
	{"FileSystem_CacheSize", 256, 1, 1 << 20},
	{"Peripheral_CacheSize", 256, 1, 1 << 20},
	{"Statistics_CacheSize", 256, 1, 1 << 20},
}

var microFlags = []struct {
	name  string
	usual bool
}{{"Login_UsePAM", false}, {"FileSystem_Recursive", true}}

// microTexts may be null, which is their default unless there is another.
var microTexts = []struct{ name, usual string }{
	{groupsDisabled, ""},
	{checksDisabled, ""},
	{"SystemInformation_HardwareVendor", ""},
	{"SystemInformation_HardwareModel", ""},
	{"SystemInformation_HardwareSerialNumber", ""},
	{"SystemInformation_FirmwareVendor", ""},
	{"SystemInformation_FirmwareVersion", ""},
	{"NetworkActivity_Devices", "eth0"},
	{"FileSystem_Paths", ""},
}

// micro reads the members of a flat section one by one.
type micro struct {
	members  map[string]json.RawMessage
	reported map[string]any
	problems []Problem
}

func (m *micro) bad(kind agentconfig.ProblemKind, name, format string, args ...any) {
	m.problems = append(m.problems, Problem{Kind: kind, Property: name, Message: name + " " + fmt.Sprintf(format, args...)})
}

// take returns a member that is set, and forgets it.
func (m *micro) take(name string) (json.RawMessage, bool) {
	raw, ok := m.members[name]
	delete(m.members, name)
	return raw, ok && string(raw) != "null"
}

func (m *micro) flag(name string, usual bool) bool {
	v := usual
	if raw, ok := m.take(name); ok {
		// The documentation prints True and False, twins have JSON booleans.
		b, err := strconv.ParseBool(strings.ToLower(strings.Trim(string(raw), `"`)))
		if err != nil || len(raw) < 4 {
			m.bad(agentconfig.TypeMismatch, name, "must be true or false.")
		} else {
			v = b
		}
	}
	m.reported[name] = json.RawMessage(strconv.FormatBool(v))
	return v
}

func (m *micro) number(name string, usual, least, most int64) int64 {
	v := usual
	if raw, ok := m.take(name); ok {
		var n int64
		switch {
		case json.Unmarshal(raw, &n) != nil:
			m.bad(agentconfig.TypeMismatch, name, "must be a whole number, without quotes.")
		case n < least || n > most:
			m.bad(agentconfig.OutOfRange, name, "must be from %d to %d; it is %d.", least, most, n)
		default:
			v = n
		}
	}
	m.reported[name] = json.RawMessage(strconv.FormatInt(v, 10))
	return v
}

func (m *micro) text(name, usual string) string {
	v := usual
	if raw, ok := m.take(name); ok {
		var s string
		switch {
		case json.Unmarshal(raw, &s) != nil:
			m.bad(agentconfig.TypeMismatch, name, "must be text or null.")
		case len(s) > maxMicroText:
			m.bad(agentconfig.OutOfRange, name, "may have at most %d bytes; it has %d.", maxMicroText, len(s))
		default:
			v = s
		}
	}
	if v != "" {
		quoted, _ := json.Marshal(v) // fails on no string
		m.reported[name] = json.RawMessage(quoted)
	}
	return v
}

// intervals reads "30,120,1440": minutes for High, Medium and Low.
func (m *micro) intervals() [spool.Classes]time.Duration {
	usual := [spool.Classes]time.Duration{30 * time.Minute, 2 * time.Hour, 24 * time.Hour}
	s := m.text(priorityIntervals, "30,120,1440")
	parts := strings.Split(s, ",")
	var v [spool.Classes]time.Duration
	for i, p := range parts {
		n, err := strconv.ParseInt(strings.TrimSpace(p), 10, 32)
		if err != nil || n < 1 || len(parts) != len(v) {
			m.bad(agentconfig.TypeMismatch, priorityIntervals, `must be the minutes for High, Medium and Low, such as "30,120,1440"; it is %q.`, s)
			return usual
		}
		v[i] = time.Duration(n) * time.Minute
	}
	if v[spool.High] > v[spool.Medium] || v[spool.Medium] > v[spool.Low] {
		m.bad(agentconfig.Conflict, priorityIntervals, "has a longer interval for what is more urgent: %q.", s)
	}
	return v
}

func (m *micro) frequency(name, usual string) spool.Class {
	s := m.text(name+"_MessageFrequency", usual)
	for i, known := range []string{"High", "Medium", "Low"} {
		if strings.EqualFold(s, known) {
			return spool.Class(i)
		}
	}
	m.bad(agentconfig.TypeMismatch, name+"_MessageFrequency", `must be "High", "Medium" or "Low"; it is %q.`, s)
	return spool.Low
}

// readMicroAgent reads the flat properties.
func readMicroAgent(members map[string]json.RawMessage) (Settings, []Problem) {
	m := &micro{members: make(map[string]json.RawMessage, len(members)), reported: map[string]any{}}
	for name, raw := range members {
		if name != agentconfig.ExtensionObject && !strings.HasPrefix(name, "$") {
			m.members[name] = raw
		}
	}
	s := Settings{
		Interval: m.intervals(), MaxCache: 2_560_000, MaxMessage: 204_800,
		Hardware: map[string]string{},
	}
	// Of these nobody can be asked in this dialect.
	for k := range s.Queue {
		s.Queue[k] = Off
	}
	s.Queue[event.ConfigurationErrorKind] = spool.Low
	for _, c := range microCollectors {
		queue := m.frequency(c.name, c.frequency)
		if m.flag(c.name+"_Disabled", false) {
			queue = Off
		}
		for _, k := range c.kinds {
			s.Queue[k] = queue
		}
	}
	s.Snapshot = s.Interval[spool.Low]
	for _, k := range aggregated {
		if s.Queue[k] != Off {
			// The micro agent counts equal events until it sends them.
			s.Aggregate[k] = s.Interval[s.Queue[k]]
		}
	}
	for _, n := range microNumbers {
		v := m.number(n.name, n.usual, n.smallest, n.widest)
		if n.name == processMode {
			s.Extension.ProcessSource = [...]string{1: agentconfig.SourceAuto, 2: agentconfig.SourceNetlink, 3: agentconfig.SourcePolling}[v]
		}
	}
	for _, f := range microFlags {
		m.flag(f.name, f.usual)
	}
	texts := map[string]string{}
	for _, t := range microTexts {
		texts[t.name] = m.text(t.name, t.usual)
	}
	s.DisabledGroups, s.DisabledChecks = list(texts[groupsDisabled]), list(texts[checksDisabled])
	for name, v := range texts {
		if what, ok := strings.CutPrefix(name, "SystemInformation_"); ok && v != "" {
			s.Hardware[what] = v
		}
	}
	m.unknown()
	s.reported = m.reported
	return s, m.problems
}

// unknown tells of members that nothing was made of.
func (m *micro) unknown() {
	names := make([]string, 0, len(m.members))
	for name := range m.members {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names[:min(len(names), 10)] {
		m.bad(agentconfig.UnknownProperty, name, "is no property that this agent knows.")
	}
}

func list(s string) []string {
	var all []string
	for p := range strings.SplitSeq(s, ",") {
		if p = strings.TrimSpace(p); p != "" {
			all = append(all, p)
		}
	}
	return all
}
