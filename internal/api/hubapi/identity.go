package hubapi

import (
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
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
	if err := rest.CheckObject(b); err != nil {
		return registry.Spec{}, err
	}
	var in identityBody
	if err := rest.Decode(b, &in); err != nil {
		return registry.Spec{}, err
	}
	if in.DeviceID != nil && *in.DeviceID != string(id.Device) {
		return registry.Spec{}, rest.BadMember("deviceId", "The id in the body is not the one in the path.")
	}
	spec := registry.Spec{ID: id}
	if id.IsModule() {
		if in.ModuleID != nil && *in.ModuleID != string(id.Module) {
			return registry.Spec{}, rest.BadMember("moduleId", "The id in the body is not the one in the path.")
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
		return rest.BadMember("status", `The status is "enabled" or "disabled".`)
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
			return nil, rest.BadMember("authentication.type", "With keys and thumbprints both, the type must say which count: sas or selfSigned.")
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
		return nil, rest.BadMember("authentication.type", "The type is sas, selfSigned, certificateAuthority or none.")
	case keys && s.Type != state.SAS:
		return nil, rest.BadMember("authentication.symmetricKey", "Keys belong to type sas; leave them out or null with type "+string(s.Type)+".")
	case thumbprints && s.Type != state.SelfSigned:
		return nil, rest.BadMember("authentication.x509Thumbprint", "Thumbprints belong to type selfSigned; leave them out or null with type "+string(s.Type)+".")
	}
	return &s, nil
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
		dst = rest.AppendString(dst, string(v.ID.Module))
		dst = append(dst, `,"managedBy":`...)
		dst = rest.AppendNullable(dst, v.ManagedBy)
		dst = append(dst, `,"deviceId":`...)
	} else {
		dst = append(dst, `{"deviceId":`...)
	}
	dst = rest.AppendString(dst, string(v.ID.Device))
	dst = append(dst, `,"generationId":`...)
	dst = rest.AppendString(dst, v.Generation)
	dst = append(dst, `,"etag":`...)
	dst = rest.AppendString(dst, string(v.ETag()))
	dst = append(dst, `,"connectionState":`...)
	dst = appendConnection(dst, v.Connected)
	if !v.ID.IsModule() {
		dst = append(dst, `,"status":`...)
		dst = appendStatus(dst, v.Disabled)
		dst = append(dst, `,"statusReason":`...)
		dst = rest.AppendNullable(dst, v.StatusReason)
	}
	dst = append(dst, `,"connectionStateUpdatedTime":`...)
	dst = rest.AppendTime(dst, v.StateUpdated)
	if !v.ID.IsModule() {
		dst = append(dst, `,"statusUpdatedTime":`...)
		dst = rest.AppendTime(dst, v.StatusUpdated)
	}
	dst = append(dst, `,"lastActivityTime":`...)
	dst = rest.AppendTime(dst, v.LastActivity)
	dst = append(dst, `,"cloudToDeviceMessageCount":0,"authentication":{"symmetricKey":{"primaryKey":`...)
	dst = rest.AppendNullable(dst, primary)
	dst = append(dst, `,"secondaryKey":`...)
	dst = rest.AppendNullable(dst, secondary)
	dst = append(dst, `},"x509Thumbprint":`...)
	dst = appendThumbprints(dst, v.Auth)
	dst = append(dst, `,"type":`...)
	dst = rest.AppendString(dst, string(v.Auth.Type))
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
	dst = append(rest.AppendBool(dst, rec.Edge), '}')
	if rec.DeviceScope != "" {
		dst = append(dst, `,"deviceScope":`...)
		dst = rest.AppendString(dst, rec.DeviceScope)
	}
	if len(rec.ParentScopes) > 0 {
		dst = append(dst, `,"parentScopes":`...)
		dst = rest.AppendStrings(dst, rec.ParentScopes)
	}
	return dst
}

func appendThumbprints(dst []byte, a state.Authentication) []byte {
	dst = append(dst, `{"primaryThumbprint":`...)
	dst = rest.AppendNullable(dst, a.PrimaryThumbprint)
	dst = append(dst, `,"secondaryThumbprint":`...)
	dst = rest.AppendNullable(dst, a.SecondaryThumbprint)
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
func (h *Handler) identities(c *rest.Call, list []registry.View) error {
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
	return c.JSON(append(b, ']'), "")
}

// identity answers with one identity.
func (h *Handler) identity(c *rest.Call, v registry.View) error {
	b, err := h.appendIdentity(make([]byte, 0, 1024), v)
	if err != nil {
		return err
	}
	return c.JSON(b, v.ETag())
}
