package settings

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tvilling/tvilling/internal/agent/spool"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
	"github.com/tvilling/tvilling/internal/security/event"
)

// Dialect is the form of the configuration in the twin.
type Dialect uint8

// The dialects.
const (
	// ASC is the wrapped configuration object of asc §2.
	ASC Dialect = iota
	// MicroAgent is the flat one of asc §12.3.
	MicroAgent
)

// MicroAgentModule is the module id under which the flat dialect is spoken.
const MicroAgentModule = "DefenderIotMicroAgent"

// DialectOf returns the dialect for a module id.
func DialectOf(module string) Dialect {
	if strings.EqualFold(module, MicroAgentModule) {
		return MicroAgent
	}
	return ASC
}

// Off is the queue of events that are not collected.
const Off = spool.Classes

// Settings are what is in force.
type Settings struct {
	// Queue is the queue for the events of each kind, Off for none.
	Queue [event.Kinds]spool.Class
	// Interval is the longest time that the events of a queue wait.
	Interval [spool.Classes]time.Duration
	// Snapshot is how often snapshots are taken.
	Snapshot time.Duration
	// MaxCache bounds the events that wait, MaxMessage a message; in bytes.
	MaxCache, MaxMessage int64
	// Aggregate is the interval in which equal events of a kind become one; 0
	// for kinds that are not aggregated.
	Aggregate [event.Kinds]time.Duration
	// CustomChecks says that the checks of the file at CustomPath, with that
	// SHA-256 in hexadecimal digits, are made, too.
	CustomChecks           bool
	CustomPath, CustomHash string
	// DisabledGroups and DisabledChecks of the baseline are left out.
	DisabledGroups, DisabledChecks []string
	// Hardware overrides what the device says of itself: HardwareVendor,
	// HardwareModel, HardwareSerialNumber, FirmwareVendor, FirmwareVersion.
	Hardware map[string]string
	// Extension is what this agent has beyond the dialects.
	Extension agentconfig.Extension

	// reported are the effective values as the twin shows them.
	reported map[string]any
}

// Immediate reports whether events of the kind are sent at once.
func (s *Settings) Immediate(k event.Kind) bool {
	return slices.Contains(s.Extension.Immediate, k)
}

// Collected reports whether events of the kind are collected.
func (s *Settings) Collected(k event.Kind) bool { return s.Queue[k] != Off }

// Problem is something wrong with a desired section; kinds and texts are those
// of package agentconfig.
type Problem = agentconfig.Problem

// Refused reports whether a problem makes the agent refuse the section. What
// is merely unwise, or unknown, does not.
func Refused(p Problem) bool {
	return p.Kind == agentconfig.TypeMismatch || p.Kind == agentconfig.OutOfRange
}

// Default returns what is in force when nothing is desired.
func Default(d Dialect) Settings {
	s, _, _ := Read(d, nil)
	return s
}

// Read returns what is in force when section is desired: a JSON object, with or
// without $version. ok is false when the section is refused as a whole; the
// settings are then of no use and the problems say why, one for each property.
// There can be problems without a refusal.
func Read(d Dialect, section []byte) (s Settings, problems []Problem, ok bool) {
	var members map[string]json.RawMessage
	if len(section) > 0 {
		if err := json.Unmarshal(section, &members); err != nil {
			return Settings{}, []Problem{{Kind: agentconfig.TypeMismatch, Message: "The desired properties are no JSON object."}}, false
		}
	}
	extension, more := agentconfig.ReadExtension(members[agentconfig.ExtensionObject])
	if d == MicroAgent {
		s, problems = readMicroAgent(members)
	} else {
		s, problems = readASC(members)
	}
	if d == MicroAgent && extension.ProcessSource == agentconfig.SourceAuto {
		extension.ProcessSource = s.Extension.ProcessSource
	}
	s.Extension = extension
	s.DisabledGroups = append(s.DisabledGroups, extension.DisabledChecks...)
	s.DisabledChecks = append(s.DisabledChecks, extension.DisabledChecks...)
	s.Queue[event.HeartbeatKind] = s.heartbeatQueue(d)
	problems = append(problems, more...)
	own := map[string]any{}
	for name, raw := range extension.Members() {
		own[name] = raw
	}
	s.reported[agentconfig.ExtensionObject] = own
	return s, problems, !slices.ContainsFunc(problems, Refused)
}

// heartbeatQueue is the queue of heartbeats, which have no priority of their
// own in asc §2.
func (s *Settings) heartbeatQueue(d Dialect) spool.Class {
	switch {
	case s.Extension.Heartbeat == 0:
		return Off
	case d == MicroAgent:
		return s.Queue[event.HeartbeatKind]
	default:
		return spool.Low
	}
}

// Reported returns the effective values as the reported properties show them,
// to be changed at will: maps, and [json.RawMessage] for values.
func (s *Settings) Reported() map[string]any { return clone(s.reported) }

func clone(m map[string]any) map[string]any {
	c := maps.Clone(m)
	for k, v := range c {
		if inner, ok := v.(map[string]any); ok {
			c[k] = clone(inner)
		}
	}
	return c
}
