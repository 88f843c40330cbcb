package hubapi

import (
	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/hub/auth"
)

// need is what a route demands of its caller (wire §3.3).
type need uint8

const (
	// nothing beyond a valid credential: routes that answer with a refusal.
	anyCaller need = iota
	registryRead
	registryWrite
	// moduleRead and moduleWrite are registryRead and registryWrite, or the
	// credential of the device whose modules they are (wire §5).
	moduleRead
	moduleWrite
	serviceConnect
	// twinRead and twinWrite are ServiceConnect; for the twin of a security
	// module SecurityRead and SecurityWrite do as well, and with the guard on
	// only SecurityWrite writes it.
	twinRead
	twinWrite
	// configurationRead, configurationWrite and configurationPlan let in whoever
	// may read, write or try some configurations; which ones depends on the twins
	// that they can reach, and is asked of each.
	configurationRead
	configurationWrite
	configurationPlan
	// changesRead and messagesRead depend on what is asked for.
	changesRead
	messagesRead
	// owner is the whole of the four permissions of IoT Hub: who has them may
	// decide who has which.
	owner
)

const ownerPermissions = auth.RegistryRead | auth.RegistryWrite | auth.ServiceConnect | auth.DeviceConnect

// allow checks that the caller may use the route.
func (h *Handler) allow(c *rest.Call, n need) error {
	switch n {
	case anyCaller:
		return nil
	case registryRead:
		return c.Must(auth.RegistryRead)
	case registryWrite:
		return c.Must(auth.RegistryWrite)
	case moduleRead:
		return h.allowModule(c, auth.RegistryRead)
	case moduleWrite:
		return h.allowModule(c, auth.RegistryWrite)
	case serviceConnect:
		return c.Must(auth.ServiceConnect)
	case twinRead:
		if h.security(c.Params["module"]) {
			return c.Must(auth.ServiceConnect, auth.SecurityRead, auth.SecurityWrite)
		}
		return c.Must(auth.ServiceConnect)
	case twinWrite:
		return h.allowTwinWrite(c)
	case configurationRead:
		return c.Must(auth.RegistryRead, auth.ServiceConnect, auth.SecurityRead, auth.SecurityWrite)
	case configurationWrite:
		return c.Must(auth.RegistryWrite, auth.ServiceConnect, auth.SecurityWrite)
	case configurationPlan:
		return c.Must(auth.ServiceConnect, auth.SecurityRead, auth.SecurityWrite)
	case changesRead:
		if h.security(c.Query.Get("module")) {
			return c.Must(auth.ServiceConnect, auth.SecurityRead)
		}
		return c.Must(auth.ServiceConnect)
	case messagesRead:
		return h.allowMessages(c)
	case owner:
		return c.Must(ownerPermissions)
	}
	return &tvilling.Error{Code: tvilling.Internal, Op: "authorise", Subject: c.Route.Pattern, Message: "route without a rule"}
}

func (h *Handler) security(module string) bool {
	return h.SecurityModule != "" && tvilling.ModuleID(module) == h.SecurityModule
}

// allowModule passes a service with the permission, and a device that reaches
// for its own modules: security agents start by reading their module's key
// with the key of the device (wire §12).
func (h *Handler) allowModule(c *rest.Call, p auth.Permission) error {
	if c.Who.ID.Device == "" {
		return c.Must(p)
	}
	if c.Who.ID != tvilling.Device(tvilling.DeviceID(c.Params["device"])) {
		return c.Forbid("a device reaches its own modules only, and a module none")
	}
	if h.Settings.Current().HideModuleKeys {
		// An answer without keys would leave an agent waiting with no reason to
		// show, and a device that may write a module may give it a key it knows.
		return c.Forbid("the hub's setting hideModuleKeys keeps device credentials from module identities; give the agent the module's own key")
	}
	return nil
}

func (h *Handler) allowTwinWrite(c *rest.Call) error {
	if !h.security(c.Params["module"]) {
		return c.Must(auth.ServiceConnect)
	}
	if h.Settings.Current().GuardSecurityTwin {
		return c.Must(auth.SecurityWrite)
	}
	return c.Must(auth.ServiceConnect, auth.SecurityWrite)
}

func (h *Handler) allowMessages(c *rest.Call) error {
	kind, err := messageKind(c)
	if err != nil {
		return err
	}
	switch {
	case kind == telemetryKind:
		return c.Must(auth.ServiceConnect)
	case h.Settings.Current().GuardSecurityTwin:
		return c.Must(auth.SecurityRead)
	default:
		return c.Must(auth.SecurityRead, auth.ServiceConnect)
	}
}
