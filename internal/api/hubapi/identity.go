package hubapi

import (
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// identityBody is what a client sends of a device or module (wire §4.3).
// Members that are not listed are ignored: clients send back whole identities,
// with their state and more.
type identityBody struct {
	DeviceID       *string         `json:"deviceId"`
	ModuleID       *string         `json:"moduleId"`
	Status         *string         `json:"status"`
	StatusReason   *string         `json:"statusReason"`
	Authentication *authentication `json:"authentication"`
	Capabilities   *struct {
		IotEdge bool `json:"iotEdge"`
	} `json:"capabilities"`
	DeviceScope  *string  `json:"deviceScope"`
	ParentScopes []string `json:"parentScopes"`
	ManagedBy    *string  `json:"managedBy"`
}

type authentication struct {
	Type         *string `json:"type"`
	SymmetricKey *struct {
		PrimaryKey   *string `json:"primaryKey"`
		SecondaryKey *string `json:"secondaryKey"`
	} `json:"symmetricKey"`
	X509Thumbprint *struct {
		PrimaryThumbprint   *string `json:"primaryThumbprint"`
		SecondaryThumbprint *string `json:"secondaryThumbprint"`
	} `json:"x509Thumbprint"`
}

// parseIdentity reads the body of a PUT of id. What remains to be checked
// (keys, thumbprints, lengths) is the registry's.
func parseIdentity(b []byte, id tvilling.Identity) (registry.Spec, error) {
	if err := checkObject(b); err != nil {
		return registry.Spec{}, err
	}
	var in identityBody
	if err := decode(b, &in); err != nil {
		return registry.Spec{}, err
	}
	if in.DeviceID != nil && *in.DeviceID != string(id.Device) {
		return registry.Spec{}, badMember("deviceId", "The id in the body is not the one in the path.")
	}
	spec := registry.Spec{ID: id}
	if id.IsModule() {
		if in.ModuleID != nil && *in.ModuleID != string(id.Module) {
			return registry.Spec{}, badMember("moduleId", "The id in the body is not the one in the path.")
		}
		spec.ManagedBy = text(in.ManagedBy)
	} else if err := in.device(&spec); err != nil {
		return registry.Spec{}, err
	}
	var err error
	spec.Auth, err = in.Authentication.spec()
	return spec, err
}

// device reads the members that devices alone have.
func (in *identityBody) device(spec *registry.Spec) error {
	switch status := text(in.Status); {
	case status == "" || strings.EqualFold(status, "enabled"):
	case strings.EqualFold(status, "disabled"):
		spec.Disabled = true
	default:
		return badMember("status", `The status is "enabled" or "disabled".`)
	}
	spec.StatusReason = text(in.StatusReason)
	spec.Edge = in.Capabilities != nil && in.Capabilities.IotEdge
	spec.DeviceScope = text(in.DeviceScope)
	spec.ParentScopes = in.ParentScopes
	return nil
}

// spec reads a credential; nil, or one of nothing but nulls, asks for none.
func (a *authentication) spec() (*registry.AuthSpec, error) {
	if a == nil {
		return nil, nil
	}
	var s registry.AuthSpec
	if k := a.SymmetricKey; k != nil {
		s.PrimaryKey, s.SecondaryKey = text(k.PrimaryKey), text(k.SecondaryKey)
	}
	if t := a.X509Thumbprint; t != nil {
		s.PrimaryThumbprint, s.SecondaryThumbprint = text(t.PrimaryThumbprint), text(t.SecondaryThumbprint)
	}
	keys := s.PrimaryKey != "" || s.SecondaryKey != ""
	thumbprints := s.PrimaryThumbprint != "" || s.SecondaryThumbprint != ""
	name := text(a.Type)
	if name == "" {
		switch {
		case keys && thumbprints:
			return nil, badMember("authentication.type", "With keys and thumbprints both, the type must say which count: sas or selfSigned.")
		case thumbprints:
			s.Type = state.SelfSigned
		case keys || a.SymmetricKey != nil:
			s.Type = state.SAS
		default:
			return nil, nil
		}
		return &s, nil
	}
	for _, t := range []state.AuthType{state.SAS, state.SelfSigned, state.CertificateAuthority, state.None} {
		if strings.EqualFold(name, string(t)) {
			s.Type = t
		}
	}
	switch {
	case s.Type == "":
		return nil, badMember("authentication.type", "The type is sas, selfSigned, certificateAuthority or none.")
	case keys && s.Type != state.SAS:
		return nil, badMember("authentication.symmetricKey", "Keys belong to type sas; leave them out or null with type "+string(s.Type)+".")
	case thumbprints && s.Type != state.SelfSigned:
		return nil, badMember("authentication.x509Thumbprint", "Thumbprints belong to type selfSigned; leave them out or null with type "+string(s.Type)+".")
	}
	return &s, nil
}

func badMember(path, message string) error {
	return &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read body", Path: path, Message: message}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// appendIdentity appends a device or module as clients read it (wire §4.3).
func (h *Handler) appendIdentity(dst []byte, v registry.View) ([]byte, error) {
	primary, secondary, err := h.Registry.Keys(v.Identity)
	if err != nil {
		return nil, err
	}
	if v.ID.IsModule() {
		dst = append(dst, `{"moduleId":`...)
		dst = appendString(dst, string(v.ID.Module))
		dst = append(dst, `,"managedBy":`...)
		dst = appendNullable(dst, v.ManagedBy)
		dst = append(dst, `,"deviceId":`...)
	} else {
		dst = append(dst, `{"deviceId":`...)
	}
	dst = appendString(dst, string(v.ID.Device))
	dst = append(dst, `,"generationId":`...)
	dst = appendString(dst, v.Generation)
	dst = append(dst, `,"etag":`...)
	dst = appendString(dst, string(v.ETag()))
	dst = append(dst, `,"connectionState":`...)
	dst = appendConnection(dst, v.Connected)
	if !v.ID.IsModule() {
		dst = append(dst, `,"status":`...)
		dst = appendStatus(dst, v.Disabled)
		dst = append(dst, `,"statusReason":`...)
		dst = appendNullable(dst, v.StatusReason)
	}
	dst = append(dst, `,"connectionStateUpdatedTime":`...)
	dst = appendTime(dst, v.StateUpdated)
	if !v.ID.IsModule() {
		dst = append(dst, `,"statusUpdatedTime":`...)
		dst = appendTime(dst, v.StatusUpdated)
	}
	dst = append(dst, `,"lastActivityTime":`...)
	dst = appendTime(dst, v.LastActivity)
	dst = append(dst, `,"cloudToDeviceMessageCount":0,"authentication":{"symmetricKey":{"primaryKey":`...)
	dst = appendNullable(dst, primary)
	dst = append(dst, `,"secondaryKey":`...)
	dst = appendNullable(dst, secondary)
	dst = append(dst, `},"x509Thumbprint":`...)
	dst = appendThumbprints(dst, v.Auth)
	dst = append(dst, `,"type":`...)
	dst = appendString(dst, string(v.Auth.Type))
	dst = append(dst, '}')
	if !v.ID.IsModule() {
		dst = appendDeviceTail(dst, v.Identity)
	}
	return append(dst, '}'), nil
}

// appendDeviceTail appends the members that end a device identity and a
// device twin alike.
func appendDeviceTail(dst []byte, rec *state.Identity) []byte {
	dst = append(dst, `,"capabilities":{"iotEdge":`...)
	dst = append(appendBool(dst, rec.Edge), '}')
	if rec.DeviceScope != "" {
		dst = append(dst, `,"deviceScope":`...)
		dst = appendString(dst, rec.DeviceScope)
	}
	if len(rec.ParentScopes) > 0 {
		dst = append(dst, `,"parentScopes":`...)
		dst = appendStrings(dst, rec.ParentScopes)
	}
	return dst
}

func appendThumbprints(dst []byte, a state.Authentication) []byte {
	dst = append(dst, `{"primaryThumbprint":`...)
	dst = appendNullable(dst, a.PrimaryThumbprint)
	dst = append(dst, `,"secondaryThumbprint":`...)
	dst = appendNullable(dst, a.SecondaryThumbprint)
	return append(dst, '}')
}

func appendConnection(dst []byte, connected bool) []byte {
	if connected {
		return append(dst, `"Connected"`...)
	}
	return append(dst, `"Disconnected"`...)
}

func appendStatus(dst []byte, disabled bool) []byte {
	if disabled {
		return append(dst, `"disabled"`...)
	}
	return append(dst, `"enabled"`...)
}

// identities answers with an array of identities.
func (h *Handler) identities(c *call, list []registry.View) error {
	b := append(make([]byte, 0, 2+700*len(list)), '[')
	var err error
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = h.appendIdentity(b, v); err != nil {
			return err
		}
	}
	return c.json(append(b, ']'), "")
}

// identity answers with one identity.
func (h *Handler) identity(c *call, v registry.View) error {
	b, err := h.appendIdentity(make([]byte, 0, 1024), v)
	if err != nil {
		return err
	}
	return c.json(b, v.ETag())
}
