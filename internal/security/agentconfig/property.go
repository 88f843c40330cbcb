package agentconfig

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
)

// The members of the desired and reported properties that hold the object:
// agents up to version 0.0.3 had another name for it, and did not wrap values.
const (
	Object    = "ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration"
	OldObject = "azureiot*com^securityAgentConfiguration^1*0*0"
)

// Type is what the value of a property is.
type Type string

// The types of properties.
const (
	Duration Type = "duration"
	Size     Type = "size" // in bytes
	Priority Type = "priority"
	Flag     Type = "boolean"
	Text     Type = "text" // or null
)

// The values of a Priority. Off means that the event is not collected.
const (
	High = "High"
	Low  = "Low"
	Off  = "Off"
)

// Property is one property of the object.
type Property struct {
	Name string
	Type Type
	// Default applies when the property is not set; nil text means null.
	Default Value
	// Min and Max bound a Size, inclusive.
	Min, Max int64
	// Description says what it does, for people.
	Description string

	// builtIn are other values that original agents have as their default.
	builtIn []Value
	// optional marks properties that not every agent has: that one is not
	// reported means nothing unless it is set to something else than its default.
	optional bool
	// legacy marks what is written only where it is set.
	legacy bool
}

// Names of properties that the rules of this package speak of.
const (
	HighPriorityMessageFrequency       = "highPriorityMessageFrequency"
	LowPriorityMessageFrequency        = "lowPriorityMessageFrequency"
	SnapshotFrequency                  = "snapshotFrequency"
	MaxLocalCacheSizeInBytes           = "maxLocalCacheSizeInBytes"
	MaxMessageSizeInBytes              = "maxMessageSizeInBytes"
	BaselineCustomChecksEnabled        = "baselineCustomChecksEnabled"
	BaselineCustomChecksFilePath       = "baselineCustomChecksFilePath"
	BaselineCustomChecksFileHash       = "baselineCustomChecksFileHash"
	HubResourceID                      = "hubResourceId"
	EventPriorityOperational           = "eventPriorityOperational"
	eventPriority                      = "eventPriority"
	messageBlock                 int64 = 4096 // messages are counted in blocks of that size
)

// operational are the events whose priorities the C agent has one property for.
var operational = []string{"eventPriorityConfigurationError", "eventPriorityDroppedEventsStatistics", "eventPriorityMessageStatistics"}

// table has the properties in the order in which they are written.
var table = func() []Property {
	wait := func(name string, d time.Duration, description string) Property {
		return Property{Name: name, Type: Duration, Default: durationValue(d), Description: description}
	}
	size := func(name string, value, least, most int64, description string, builtIn ...int64) Property {
		p := Property{Name: name, Type: Size, Default: sizeValue(value), Min: least, Max: most, Description: description}
		for _, b := range builtIn {
			p.builtIn = append(p.builtIn, sizeValue(b))
		}
		return p
	}
	priority := func(of, value string, builtIn ...string) Property {
		p := Property{Name: eventPriority + of, Type: Priority, Default: textValue(value), Description: "How soon " + of + " events are sent; Off: they are not collected."}
		for _, b := range builtIn {
			p.builtIn = append(p.builtIn, textValue(b))
		}
		return p
	}
	flag := func(name string, value bool, description string) Property {
		return Property{Name: name, Type: Flag, Default: flagValue(value), Description: description}
	}
	optional := func(p Property) Property { p.optional = true; return p }
	legacy := func(p Property) Property { p.optional, p.legacy = true, true; return p }
	return []Property{
		wait(HighPriorityMessageFrequency, 7*time.Minute, "The longest time that events of High priority wait before they are sent."),
		wait(LowPriorityMessageFrequency, 5*time.Hour, "The longest time that events of Low priority wait before they are sent."),
		wait(SnapshotFrequency, 13*time.Hour, "How often snapshots of the device's state are taken."),
		// The limits are those of the documentation; agents read 32 bits.
		size(MaxLocalCacheSizeInBytes, 2_560_000, 8193, math.MaxInt32, "How many bytes of events the agent keeps that are not sent yet.", 10_485_760),
		size(MaxMessageSizeInBytes, 204_800, 8192, 262_144, "The largest message that the agent sends. Messages are counted in blocks of 4096 bytes."),
		optional(priority("ConnectedHardware", Low)), // no original agent collects it
		priority("ListeningPorts", High),
		priority("ProcessCreate", Low),
		priority("ProcessTerminate", Low),
		priority("SystemInformation", Low),
		priority("LocalUsers", High),
		priority("Login", High),
		priority("ConnectionCreate", Low),
		priority("FirewallConfiguration", Low),
		priority("OSBaseline", Low),
		priority("Diagnostic", Low, Off), // the documentation has Off, schema and agents Low
		priority("ConfigurationError", Low),
		priority("DroppedEventsStatistics", Low),
		optional(priority("MessageStatistics", Low)), // not in the documentation's table
		flag("aggregationEnabledProcessCreate", true, "Whether equal ProcessCreate events of an interval become one."),
		wait("aggregationIntervalProcessCreate", time.Hour, "The interval in which ProcessCreate events are aggregated."),
		flag("aggregationEnabledConnectionCreate", true, "Whether equal ConnectionCreate events of an interval become one."),
		wait("aggregationIntervalConnectionCreate", time.Hour, "The interval in which ConnectionCreate events are aggregated."),
		optional(flag("aggregationEnabledProcessTerminate", true, "Whether equal ProcessTerminate events of an interval become one (Windows).")),
		optional(wait("aggregationIntervalProcessTerminate", time.Hour, "The interval in which ProcessTerminate events are aggregated (Windows).")),
		optional(flag(BaselineCustomChecksEnabled, false, "Whether the checks of a file on the device are made, too.")),
		optional(Property{Name: BaselineCustomChecksFilePath, Type: Text, Default: null, Description: "The absolute path of the file with checks on the device."}),
		optional(Property{Name: BaselineCustomChecksFileHash, Type: Text, Default: null, Description: "The SHA-256 of that file, in hexadecimal digits."}),
		legacy(Property{Name: HubResourceID, Type: Text, Default: textValue(""), Description: "The hub's resource id, which the C# agent copies into a property of its messages."}),
		legacy(Property{
			Name: EventPriorityOperational, Type: Priority, Default: textValue(Low),
			Description: "The C agent's one priority for ConfigurationError, DroppedEventsStatistics and MessageStatistics: Off, or anything else.",
		}),
	}
}()

// Properties returns all properties.
func Properties() []Property { return append([]Property(nil), table...) }

// Lookup returns the property of that exact name.
func Lookup(name string) (Property, bool) {
	if i := indexOf(name); i >= 0 {
		return table[i], true
	}
	return Property{}, false
}

func indexOf(name string) int {
	for i := range table {
		if table[i].Name == name {
			return i
		}
	}
	return -1
}

// PriorityOf returns the name of the property for the priority of an event, ""
// if the event has none.
func PriorityOf(k event.Kind) string {
	if name := eventPriority + k.String(); indexOf(name) >= 0 {
		return name
	}
	return ""
}

// similar returns the name of the property that a name was likely meant for:
// the same in another letter case, the only one with these letters in it, or
// the nearest one of a few wrong letters; "" if there is none.
func similar(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	if len(name) < 3 || len(name) > 100 {
		return ""
	}
	nearest, distance, holders, holder := "", 4, 0, ""
	for i := range table {
		known := strings.ToLower(table[i].Name)
		if known == name {
			return table[i].Name
		}
		if strings.Contains(known, name) {
			holders, holder = holders+1, table[i].Name
		}
		if d := distanceOf(known, name); d < distance {
			nearest, distance = table[i].Name, d
		}
	}
	if holders == 1 {
		return holder
	}
	return nearest
}

// distanceOf is how many letters have to be put in, left out or changed to make
// b of a.
func distanceOf(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, before+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// limits says what a size may be.
func (p *Property) limits() string {
	return "from " + strconv.FormatInt(p.Min, 10) + " to " + strconv.FormatInt(p.Max, 10) + " bytes"
}

func refuse(path, format string, args ...any) error {
	e := tvilling.Errorf(tvilling.InvalidArgument, format, args...)
	e.Op, e.Path = "read agent configuration", path
	return e
}
