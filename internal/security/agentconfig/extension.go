package agentconfig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
)

// ExtensionObject is the member of the desired and reported properties that
// holds what tvilling-agent can be told beyond the original configuration.
// Original agents ignore it.
const ExtensionObject = "tvillingAgent"

// Extension is the configuration in [ExtensionObject]. Its values are not
// wrapped: {"maxBytesPerDay": 2000000}.
type Extension struct {
	// MemoryLimit bounds the resident memory, in bytes.
	MemoryLimit int64
	// CPULimit is in percent of one core.
	CPULimit float64
	// MaxBytesPerDay bounds what is sent in a day of UTC, as TCP payload; 0 is
	// no bound.
	MaxBytesPerDay int64
	// Immediate are the events that do not wait for their interval.
	Immediate []event.Kind
	// OnChange says that a snapshot is also taken when what it shows has changed.
	OnChange bool
	// Heartbeat is how often the agent says that it is there; 0 is never.
	Heartbeat time.Duration
	// HashExecutables says that started programs are told with their SHA-256.
	HashExecutables bool
	// ProcessSource is by what means processes are seen.
	ProcessSource string
	// DisabledChecks are ids and groups of checks of the baseline that are left
	// out.
	DisabledChecks []string
}

// The values of Extension.ProcessSource.
const (
	SourceAuto    = "auto"    // the best there is
	SourceNetlink = "netlink" // the proc connector, else polling
	SourcePolling = "polling"
)

// The members of the object.
const (
	MemoryLimitInBytes       = "memoryLimitInBytes"
	CPULimitInPercent        = "cpuLimitInPercent"
	MaxBytesPerDay           = "maxBytesPerDay"
	ImmediateEvents          = "immediateEvents"
	SnapshotsOnChange        = "snapshotsOnChange"
	HeartbeatFrequency       = "heartbeatFrequency"
	HashExecutables          = "hashExecutables"
	ProcessSource            = "processSource"
	DisabledChecks           = "disabledChecks"
	minMemory                = 12 << 20
	maxMemory                = 1 << 30
	maxDay             int64 = 1 << 40
	// What DisabledChecks may have: so many names of so many bytes.
	maxDisabled, maxDisabledName = 100, 100
)

// DefaultExtension returns what is in force when nothing is desired.
func DefaultExtension() Extension {
	return Extension{
		MemoryLimit:     20 << 20,
		CPULimit:        5,
		MaxBytesPerDay:  10_000_000,
		Immediate:       []event.Kind{event.LoginKind, event.ListeningPortsKind, event.LocalUsersKind},
		OnChange:        true,
		Heartbeat:       6 * time.Hour,
		HashExecutables: true,
		ProcessSource:   SourceAuto,
	}
}

// ReadExtension returns what is in force when the object desired is asked for
// (its JSON; none, null or {} for nothing), and what is wrong with it. What
// cannot be used has its default.
func ReadExtension(desired []byte) (Extension, []Problem) {
	e := DefaultExtension()
	if desired = bytes.TrimSpace(desired); len(desired) == 0 || bytes.Equal(desired, []byte("null")) {
		return e, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(desired, &members); err != nil {
		return e, []Problem{{Kind: TypeMismatch, Property: ExtensionObject, Message: ExtensionObject + " must be a JSON object; it is " + cut(string(desired)) + "."}}
	}
	names := make([]string, 0, len(members))
	for name, raw := range members {
		if !bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var all []Problem
	unknown := 0
	for _, name := range names {
		kind, message := e.read(name, members[name])
		if kind == UnknownProperty {
			if unknown++; unknown > maxUnknown {
				continue
			}
		}
		if kind != "" {
			all = append(all, Problem{Kind: kind, Property: ExtensionObject + "." + cut(name), Message: message})
		}
	}
	return e, all
}

// read takes one member; kind is "" when it could be used.
func (e *Extension) read(name string, raw json.RawMessage) (kind ProblemKind, message string) {
	switch name {
	case MemoryLimitInBytes:
		return readSize(name, raw, minMemory, maxMemory, &e.MemoryLimit)
	case MaxBytesPerDay:
		return readSize(name, raw, 0, maxDay, &e.MaxBytesPerDay)
	case CPULimitInPercent:
		var f float64
		if json.Unmarshal(raw, &f) != nil {
			return TypeMismatch, name + " must be a number of percent of one core; it is " + cut(string(raw)) + "."
		}
		if f < 0.5 || f > 100 {
			return OutOfRange, fmt.Sprintf("%s must be from 0.5 to 100; it is %g.", name, f)
		}
		e.CPULimit = f
	case SnapshotsOnChange:
		return readFlag(name, raw, &e.OnChange)
	case HashExecutables:
		return readFlag(name, raw, &e.HashExecutables)
	case HeartbeatFrequency:
		return readHeartbeat(name, raw, &e.Heartbeat)
	case ProcessSource:
		var s string
		if json.Unmarshal(raw, &s) != nil || s != SourceAuto && s != SourceNetlink && s != SourcePolling {
			return TypeMismatch, name + ` must be "auto", "netlink" or "polling"; it is ` + cut(string(raw)) + "."
		}
		e.ProcessSource = s
	case ImmediateEvents:
		return readKinds(name, raw, &e.Immediate)
	case DisabledChecks:
		return readNames(name, raw, &e.DisabledChecks)
	default:
		return UnknownProperty, "There is no property " + strconv.Quote(cut(name)) + " in " + ExtensionObject + "; this agent ignores it."
	}
	return "", ""
}

func readSize(name string, raw json.RawMessage, least, most int64, to *int64) (ProblemKind, string) {
	var n int64
	if json.Unmarshal(raw, &n) != nil {
		return TypeMismatch, name + " must be a whole number of bytes, without quotes; it is " + cut(string(raw)) + "."
	}
	if n < least || n > most {
		return OutOfRange, fmt.Sprintf("%s must be from %d to %d; it is %d.", name, least, most, n)
	}
	*to = n
	return "", ""
}

func readFlag(name string, raw json.RawMessage, to *bool) (ProblemKind, string) {
	var b bool
	if json.Unmarshal(raw, &b) != nil {
		return TypeMismatch, name + " must be true or false, without quotes; it is " + cut(string(raw)) + "."
	}
	*to = b
	return "", ""
}

func readHeartbeat(name string, raw json.RawMessage, to *time.Duration) (ProblemKind, string) {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return TypeMismatch, name + ` must be an ISO 8601 duration in quotes such as "PT6H"; it is ` + cut(string(raw)) + "."
	}
	d, err := ParseDuration(s)
	if err != nil {
		return TypeMismatch, name + ": " + tvilling.MessageOf(err)
	}
	if d != 0 && d < time.Minute {
		return OutOfRange, name + " must be PT1M or longer, or PT0S for never; it is " + s + "."
	}
	*to = d
	return "", ""
}

func readKinds(name string, raw json.RawMessage, to *[]event.Kind) (ProblemKind, string) {
	var names []string
	if json.Unmarshal(raw, &names) != nil {
		return TypeMismatch, name + ` must be a list of event names such as ["Login", "ProcessCreate"]; it is ` + cut(string(raw)) + "."
	}
	kinds := []event.Kind{}
	for _, n := range names {
		k := event.KindOf(n)
		if k == event.Unknown || k == event.HubAuthenticationKind {
			return TypeMismatch, name + ": there is no event " + strconv.Quote(cut(n)) + "."
		}
		if !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
	}
	slices.Sort(kinds)
	*to = kinds
	return "", ""
}

func readNames(name string, raw json.RawMessage, to *[]string) (ProblemKind, string) {
	var names []string
	if json.Unmarshal(raw, &names) != nil {
		return TypeMismatch, name + ` must be a list of ids or groups of checks such as ["TV-SSH-009", "kernel"]; it is ` + cut(string(raw)) + "."
	}
	if len(names) > maxDisabled {
		return OutOfRange, fmt.Sprintf("%s may have %d names; it has %d.", name, maxDisabled, len(names))
	}
	for _, n := range names {
		if n == "" || len(n) > maxDisabledName {
			return OutOfRange, fmt.Sprintf("%s: a name has 1 to %d bytes; one is %q.", name, maxDisabledName, cut(n))
		}
	}
	slices.Sort(names)
	*to = slices.Compact(names)
	return "", ""
}

// Members returns the values by the names of the object's members, as JSON.
func (e *Extension) Members() map[string]json.RawMessage {
	names := make([]string, len(e.Immediate))
	for i, k := range e.Immediate {
		names[i] = strconv.Quote(k.String())
	}
	// A name that is no text in the twin was refused, so this cannot fail.
	disabled, err := json.Marshal(append([]string{}, e.DisabledChecks...))
	if err != nil {
		panic("agentconfig: " + err.Error())
	}
	heartbeat := "PT0S"
	if e.Heartbeat > 0 {
		heartbeat = FormatDuration(e.Heartbeat)
	}
	return map[string]json.RawMessage{
		MemoryLimitInBytes: json.RawMessage(strconv.FormatInt(e.MemoryLimit, 10)),
		CPULimitInPercent:  json.RawMessage(strconv.FormatFloat(e.CPULimit, 'g', -1, 64)),
		MaxBytesPerDay:     json.RawMessage(strconv.FormatInt(e.MaxBytesPerDay, 10)),
		ImmediateEvents:    json.RawMessage("[" + strings.Join(names, ",") + "]"),
		SnapshotsOnChange:  json.RawMessage(strconv.FormatBool(e.OnChange)),
		HashExecutables:    json.RawMessage(strconv.FormatBool(e.HashExecutables)),
		HeartbeatFrequency: json.RawMessage(strconv.Quote(heartbeat)),
		ProcessSource:      json.RawMessage(strconv.Quote(e.ProcessSource)),
		DisabledChecks:     disabled,
	}
}
