package hubapi

import (
	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// row is a twin as queries see it: the members of the document that appendTwin
// writes, without writing it.
type row struct {
	twin.View
}

// ID returns the identity whose twin it is.
func (r *row) ID() tvilling.Identity { return r.View.ID }

// AppendJSON appends the whole twin.
func (r *row) AppendJSON(dst []byte) []byte { return appendTwin(dst, r.View, false) }

// Field returns the member at path; [query.Undefined] where the document has none.
func (r *row) Field(path []string) query.Value {
	switch path[0] {
	case "tags":
		if r.Tags.IsEmpty() {
			return query.Value{}
		}
		return within(r.Tags, tagsForm, path[1:])
	case "properties":
		return r.properties(path[1:])
	case "x509Thumbprint":
		return thumbprint(r.Identity.Auth, path[1:])
	case "capabilities":
		return r.capability(path[1:])
	}
	if len(path) > 1 {
		return query.Value{} // the others have no members
	}
	return r.scalar(path[0])
}

func (r *row) scalar(name string) query.Value {
	rec := r.Identity
	switch name {
	case "deviceId":
		return query.StringValue(string(rec.ID.Device))
	case "moduleId":
		return given(string(rec.ID.Module))
	case "etag":
		return query.StringValue(string(r.ETag()))
	case "deviceEtag":
		return query.StringValue(string(rec.ETag()))
	case "status":
		if rec.Disabled {
			return query.StringValue("disabled")
		}
		return query.StringValue("enabled")
	case "statusReason":
		return given(rec.StatusReason)
	case "statusUpdateTime":
		return query.TimeValue(rec.StatusUpdated)
	case "connectionState":
		if r.Connected {
			return query.StringValue("Connected")
		}
		return query.StringValue("Disconnected")
	case "lastActivityTime":
		return query.TimeValue(r.LastActivity)
	case "cloudToDeviceMessageCount":
		return query.NumberValue(0)
	case "authenticationType":
		return query.StringValue(string(rec.Auth.Type))
	case "modelId":
		return query.StringValue(r.ModelID)
	case "version":
		return query.NumberValue(float64(r.Version))
	case "deviceScope":
		return given(rec.DeviceScope)
	case "parentScopes":
		if len(rec.ParentScopes) > 0 && !rec.ID.IsModule() {
			return query.ListValue(texts(rec.ParentScopes))
		}
	}
	return query.Value{}
}

func (r *row) properties(path []string) query.Value {
	if len(path) == 0 {
		return query.ObjectValue(sections{r})
	}
	switch path[0] {
	case "desired":
		return within(r.Desired, desiredForm, path[1:])
	case "reported":
		return within(r.Reported, reportedForm, path[1:])
	default:
		return query.Value{}
	}
}

func (r *row) capability(path []string) query.Value {
	switch {
	case r.Identity.ID.IsModule():
		return query.Value{}
	case len(path) == 0:
		return query.ObjectValue(capabilities(r.Identity.Edge))
	case len(path) == 1 && path[0] == "iotEdge":
		return query.BoolValue(r.Identity.Edge)
	default:
		return query.Value{}
	}
}

// within returns what is at a path inside a section.
func within(s doc.Section, f doc.Form, path []string) query.Value {
	if len(path) == 0 {
		return query.ObjectValue(wholeSection{s, f})
	}
	v, ok := s.Lookup(path...)
	if !ok {
		return query.Value{}
	}
	return query.DocumentValue(v)
}

func thumbprint(a state.Authentication, path []string) query.Value {
	if len(path) == 0 {
		return query.ObjectValue(thumbprints(a))
	}
	var v string
	switch {
	case len(path) == 1 && path[0] == "primaryThumbprint":
		v = a.PrimaryThumbprint
	case len(path) == 1 && path[0] == "secondaryThumbprint":
		v = a.SecondaryThumbprint
	default:
		return query.Value{}
	}
	if v == "" {
		return query.NullValue()
	}
	return query.StringValue(v)
}

func given(s string) query.Value {
	if s == "" {
		return query.Value{}
	}
	return query.StringValue(s)
}

// wholeSection writes a section as it stands in a twin.
type wholeSection struct {
	section doc.Section
	form    doc.Form
}

// AppendJSON appends the section.
func (s wholeSection) AppendJSON(dst []byte) []byte { return s.section.AppendJSON(dst, s.form) }

// sections writes both sections of properties.
type sections struct{ r *row }

// AppendJSON appends the object "properties".
func (s sections) AppendJSON(dst []byte) []byte {
	dst = s.r.Desired.AppendJSON(append(dst, `{"desired":`...), desiredForm)
	dst = s.r.Reported.AppendJSON(append(dst, `,"reported":`...), reportedForm)
	return append(dst, '}')
}

type thumbprints state.Authentication

// AppendJSON appends the object "x509Thumbprint".
func (t thumbprints) AppendJSON(dst []byte) []byte {
	return appendThumbprints(dst, state.Authentication(t))
}

type capabilities bool

// AppendJSON appends the object "capabilities".
func (c capabilities) AppendJSON(dst []byte) []byte {
	return append(appendBool(append(dst, `{"iotEdge":`...), bool(c)), '}')
}

// texts is a list of strings.
type texts []string

// AppendJSON appends the list.
func (t texts) AppendJSON(dst []byte) []byte { return appendStrings(dst, t) }

// Elements yields the strings.
func (t texts) Elements(yield func(query.Value) bool) {
	for _, s := range t {
		if !yield(query.StringValue(s)) {
			return
		}
	}
}
