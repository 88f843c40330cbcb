package query

import (
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// Records gives what a twin's members need beside the twin itself.
type Records interface {
	// Identity returns the record of an identity.
	Identity(id tvilling.Identity) (*state.Identity, error)
	// Session returns whether it is connected, and its last activity, which is
	// zero for an identity that never connected.
	Session(id tvilling.Identity) (connected bool, lastActivity time.Time, err error)
}

// Twin gives the members of a twin document as the service shows them (wire
// §2.1). It is all of a [Row] but AppendJSON: how a whole twin is written is
// the business of who embeds it.
type Twin struct {
	Twin *state.Twin
	// From, if set, is asked for Identity, and for Connected and LastActivity,
	// when the first member needs them. Without it they are given.
	From     Records
	Identity *state.Identity
	// Connected and LastActivity are as of now; LastActivity is zero for an
	// identity that never connected.
	Connected    bool
	LastActivity time.Time

	asked bool // From, for the session
	err   error
}

// ID returns the identity whose twin t is.
func (t *Twin) ID() tvilling.Identity { return t.Twin.ID }

// Err returns what kept a member from being read.
func (t *Twin) Err() error { return t.err }

// LoadIdentity returns the identity's record, and asks for it if it is not
// there; nil if it cannot be read, which Err then tells.
func (t *Twin) LoadIdentity() *state.Identity {
	if t.Identity == nil && t.err == nil {
		identity, err := t.From.Identity(t.Twin.ID)
		t.Identity, t.err = identity, err
	}
	return t.Identity
}

// LoadSession returns the state of the connection, and asks for it if it is not
// there.
func (t *Twin) LoadSession() (connected bool, lastActivity time.Time) {
	if t.From != nil && !t.asked {
		var err error
		if t.Connected, t.LastActivity, err = t.From.Session(t.Twin.ID); err != nil && t.err == nil {
			t.err = err
		}
		t.asked = true
	}
	return t.Connected, t.LastActivity
}

// Member returns the member that m names.
func (t *Twin) Member(m *Member) Value {
	var s doc.Section
	switch m.section {
	case inTags:
		s = t.Twin.Tags
	case inDesired:
		s = t.Twin.Desired
	case inReported:
		s = t.Twin.Reported
	case inNone:
		return t.Field(m.Segments)
	}
	v, _ := s.Lookup(m.inside...)
	return DocumentValue(v)
}

// Field returns the member that path names: the first segments in the case of
// the service's documents (deviceId, properties, desired), the others as in
// the document.
func (t *Twin) Field(path []string) Value {
	switch path[0] {
	case "tags":
		return t.tags(path[1:])
	case "properties":
		return t.properties(path[1:])
	case "capabilities":
		return t.capabilities(path[1:])
	case "x509Thumbprint":
		return t.thumbprint(path[1:])
	}
	if len(path) == 1 {
		if v := t.root(path[0]); v.kind != Undefined {
			return v
		}
	}
	return t.owned(path)
}

// owned looks into the members that the hub keeps for a part of itself. They
// have neither version nor metadata. Their names are lower case, and like
// those of all root members are found in any case.
func (t *Twin) owned(path []string) Value {
	for i := range t.Twin.Owned {
		o := &t.Twin.Owned[i]
		switch {
		case !strings.EqualFold(o.Name, path[0]):
		case len(path) == 1:
			v, _ := o.Value.Lookup()
			return DocumentValue(v)
		case !strings.HasPrefix(path[1], "$"):
			return lookup(o.Value, path[1:], doc.Form{})
		}
	}
	return Value{}
}

// root returns a member of the root that has none inside.
func (t *Twin) root(name string) Value {
	switch name {
	case "deviceId":
		return StringValue(string(t.Twin.ID.Device))
	case "moduleId":
		return optional(string(t.Twin.ID.Module))
	case "connectionState":
		if connected, _ := t.LoadSession(); connected {
			return StringValue("Connected")
		}
		return StringValue("Disconnected")
	case "lastActivityTime":
		_, last := t.LoadSession()
		return TimeValue(last)
	case "cloudToDeviceMessageCount":
		return NumberValue(0)
	case "etag":
		return StringValue(string(t.Twin.ETag()))
	case "modelId":
		return StringValue(t.Twin.ModelID)
	case "version":
		return NumberValue(float64(t.Twin.Version))
	case "status", "statusReason", "statusUpdateTime", "authenticationType", "deviceEtag", "deviceScope", "parentScopes":
		if identity := t.LoadIdentity(); identity != nil {
			return t.identity(identity, name)
		}
	}
	return Value{}
}

// identity returns a member that comes from the identity's record.
func (t *Twin) identity(identity *state.Identity, name string) Value {
	switch name {
	case "status":
		if identity.Disabled {
			return StringValue("disabled")
		}
		return StringValue("enabled")
	case "statusReason":
		return optional(identity.StatusReason)
	case "statusUpdateTime":
		return TimeValue(identity.StatusUpdated)
	case "authenticationType":
		return StringValue(string(identity.Auth.Type))
	case "deviceEtag":
		return StringValue(string(identity.ETag()))
	}
	if t.Twin.ID.IsModule() {
		return Value{}
	}
	switch name {
	case "deviceScope":
		return optional(identity.DeviceScope)
	case "parentScopes":
		if len(identity.ParentScopes) > 0 {
			return ListValue((*scopes)(t))
		}
	}
	return Value{}
}

// optional returns a string member that is only there when it is set.
func optional(s string) Value {
	if s == "" {
		return Value{}
	}
	return StringValue(s)
}

// capabilities is a member of devices only.
func (t *Twin) capabilities(path []string) Value {
	if t.Twin.ID.IsModule() {
		return Value{}
	}
	identity := t.LoadIdentity()
	switch {
	case identity == nil:
	case len(path) == 0:
		return ObjectValue((*capabilities)(t))
	case len(path) == 1 && path[0] == "iotEdge":
		return BoolValue(identity.Edge)
	}
	return Value{}
}

func (t *Twin) thumbprint(path []string) Value {
	identity := t.LoadIdentity()
	switch {
	case identity == nil:
	case len(path) == 0:
		return ObjectValue((*thumbprints)(t))
	case len(path) == 1 && path[0] == "primaryThumbprint":
		return nullable(identity.Auth.PrimaryThumbprint)
	case len(path) == 1 && path[0] == "secondaryThumbprint":
		return nullable(identity.Auth.SecondaryThumbprint)
	}
	return Value{}
}

// nullable returns a string member that is null when it is not set.
func nullable(s string) Value {
	if s == "" {
		return NullValue()
	}
	return StringValue(s)
}

// tags looks into the tags, which have neither version nor metadata and are
// absent when empty.
func (t *Twin) tags(path []string) Value {
	switch {
	case len(path) == 0 && t.Twin.Tags.IsEmpty():
	case len(path) == 0:
		return ObjectValue((*tags)(t))
	case !strings.HasPrefix(path[0], "$"):
		return lookup(t.Twin.Tags, path, doc.Form{})
	}
	return Value{}
}

func (t *Twin) properties(path []string) Value {
	if len(path) == 0 {
		return ObjectValue((*properties)(t))
	}
	switch path[0] {
	case "desired":
		if len(path) == 1 {
			return ObjectValue((*desired)(t))
		}
		return lookup(t.Twin.Desired, path[1:], desiredForm)
	case "reported":
		if len(path) == 1 {
			return ObjectValue((*reported)(t))
		}
		return lookup(t.Twin.Reported, path[1:], reportedForm)
	}
	return Value{}
}

// lookup follows a path inside of a section. A level of $metadata is written as
// the service shows it; the times in it compare as times.
func lookup(s doc.Section, path []string, form doc.Form) Value {
	v, ok := s.Lookup(path...)
	switch {
	case !ok:
		return Value{}
	case path[0] != "$metadata":
		return DocumentValue(v)
	case v.Kind() == doc.Object:
		return ObjectValue(metadata{v, form})
	case path[len(path)-1] == "$lastUpdated":
		if t, ok := parseTime(v.Text()); ok {
			return TimeValue(t)
		}
	}
	return DocumentValue(v)
}
