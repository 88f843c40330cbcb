package tvilling

import (
	"strings"
	"time"
)

// DeviceID names a device within a hub. It is case-sensitive.
type DeviceID string

// ModuleID names a module within its device. It is case-sensitive.
type ModuleID string

const (
	// SecurityModule is the module that holds a device's security: its twin is
	// the security module twin (ASC for IoT, concept "security module").
	SecurityModule ModuleID = "azureiotsecurity"
	// SecurityInterface marks a message as a security message
	// (system property iothub-interface-id).
	SecurityInterface = "urn:azureiot:Security:SecurityAgent:1"
)

// Identity names a device (Module empty) or a module of a device.
type Identity struct {
	Device DeviceID
	Module ModuleID
}

// Device returns the identity of a device.
func Device(id DeviceID) Identity { return Identity{Device: id} }

// IsModule reports whether i is a module.
func (i Identity) IsModule() bool { return i.Module != "" }

// String returns "device" or "device/module", the client id of MQTT.
func (i Identity) String() string {
	if i.Module == "" {
		return string(i.Device)
	}
	return string(i.Device) + "/" + string(i.Module)
}

// Compare orders identities by device id, then module id, bytewise; a device
// comes before its modules. It returns -1, 0 or 1.
func (i Identity) Compare(o Identity) int {
	if c := strings.Compare(string(i.Device), string(o.Device)); c != 0 {
		return c
	}
	return strings.Compare(string(i.Module), string(o.Module))
}

// MaxIDLength is the longest device or module id, in characters.
const MaxIDLength = 128

// CheckID reports whether s may be a device or module id: 1 to 128 ASCII
// letters, digits and - : . + % _ # * ? ! ( ) , = @ ; $ ' (IoT Hub, identity
// registry). The error names the offending character.
func CheckID(s string) error {
	if s == "" {
		return Errorf(InvalidArgument, "An id must have at least 1 character.")
	}
	if len(s) > MaxIDLength {
		return Errorf(InvalidArgument, "An id may have at most %d characters; this one has %d.", MaxIDLength, len(s))
	}
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		case strings.ContainsRune("-:.+%_#*?!(),=@;$'", r):
		default:
			return Errorf(InvalidArgument, "The id contains the invalid character %q.", r)
		}
	}
	return nil
}

// Check reports whether both ids of i are well formed.
func (i Identity) Check() error {
	if err := CheckID(string(i.Device)); err != nil {
		return err
	}
	if i.Module == "" {
		return nil
	}
	return CheckID(string(i.Module))
}

// Property is a name and a value of a message. Null tells "name" from "name=".
type Property struct {
	Name, Value string
	Null        bool
}

// Message is one message of a device or module to the hub.
type Message struct {
	From Identity
	// Sequence is the message's number in its log; 0 until it is stored.
	Sequence uint64
	// Enqueued is when the hub took it.
	Enqueued time.Time
	// System holds the system properties under their long names (message-id,
	// content-type, iothub-interface-id, …), Properties those of the application.
	System     []Property
	Properties []Property
	Body       []byte
}

// Security reports whether m carries the mark of a security message.
func (m *Message) Security() bool {
	for _, p := range m.System {
		if p.Name == "iothub-interface-id" && p.Value == SecurityInterface {
			return true
		}
	}
	return false
}

// ETag is the bare text of an entity tag, without quotes.
type ETag string

// Match is a parsed If-Match condition. The zero value matches anything that
// exists and was not asked for: see its methods.
type Match struct {
	// Given tells a condition from none.
	Given bool
	// Any is the wildcard "*".
	Any bool
	Tag ETag
}

// ParseMatch reads an If-Match header or an etag member in all the forms that
// clients send: absent, "*", "\"*\"", "tag", "\"tag\"", with or without W/.
func ParseMatch(s string) Match {
	s = strings.TrimSpace(s)
	if s == "" {
		return Match{}
	}
	s = strings.TrimPrefix(s, "W/")
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	if s == "*" {
		return Match{Given: true, Any: true}
	}
	return Match{Given: true, Tag: ETag(s)}
}

// Allows reports whether the condition lets a change of something whose etag
// is current go on.
func (m Match) Allows(current ETag) bool { return !m.Given || m.Any || m.Tag == current }
