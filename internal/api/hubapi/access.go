package hubapi

import (
	"slices"
	"strings"

	"github.com/tvilling/tvilling"
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
	// changesRead and messagesRead depend on what is asked for.
	changesRead
	messagesRead
	// owner is the whole of the four permissions of IoT Hub: who has them may
	// decide who has which.
	owner
)

const ownerPermissions = auth.RegistryRead | auth.RegistryWrite | auth.ServiceConnect | auth.DeviceConnect

// allow checks that the caller may use the route.
func (h *Handler) allow(c *call) error {
	switch c.route.need {
	case anyCaller:
		return nil
	case registryRead:
		return c.must(auth.RegistryRead)
	case registryWrite:
		return c.must(auth.RegistryWrite)
	case moduleRead:
		return h.allowModule(c, auth.RegistryRead)
	case moduleWrite:
		return h.allowModule(c, auth.RegistryWrite)
	case serviceConnect:
		return c.must(auth.ServiceConnect)
	case twinRead:
		if h.security(c.params["module"]) {
			return c.must(auth.ServiceConnect, auth.SecurityRead, auth.SecurityWrite)
		}
		return c.must(auth.ServiceConnect)
	case twinWrite:
		return h.allowTwinWrite(c)
	case changesRead:
		if h.security(c.query.Get("module")) {
			return c.must(auth.ServiceConnect, auth.SecurityRead)
		}
		return c.must(auth.ServiceConnect)
	case messagesRead:
		return h.allowMessages(c)
	case owner:
		return c.must(ownerPermissions)
	}
	return &tvilling.Error{Code: tvilling.Internal, Op: "authorise", Subject: c.route.pattern, Message: "route without a rule"}
}

// must passes a service that holds one of the sets of permissions. A device
// never does: it acts by its own name, not by a policy.
func (c *call) must(sets ...auth.Permission) error {
	if c.who.ID.Device == "" {
		if slices.ContainsFunc(sets, c.who.May) {
			return nil
		}
	}
	names := make([]string, len(sets))
	for i, set := range sets {
		names[i] = set.String()
	}
	return c.forbid("this needs a policy with " + strings.Join(names, " or "))
}

func (c *call) forbid(why string) error {
	return &tvilling.Error{
		Code: tvilling.Unauthorized, Op: "authorise", Subject: c.who.Actor(),
		Message: "Unauthorized: " + c.who.Actor() + " may not do this: " + why + ".",
	}
}

func (h *Handler) security(module string) bool {
	return h.SecurityModule != "" && tvilling.ModuleID(module) == h.SecurityModule
}

// allowModule passes a service with the permission, and a device that reaches
// for its own modules: security agents start by reading their module's key
// with the key of the device (wire §12).
func (h *Handler) allowModule(c *call, p auth.Permission) error {
	if c.who.ID.Device == "" {
		return c.must(p)
	}
	if c.who.ID != tvilling.Device(tvilling.DeviceID(c.params["device"])) {
		return c.forbid("a device reaches its own modules only, and a module none")
	}
	if h.Settings.Current().HideModuleKeys {
		// An answer without keys would leave an agent waiting with no reason to
		// show, and a device that may write a module may give it a key it knows.
		return c.forbid("the hub's setting hideModuleKeys keeps device credentials from module identities; give the agent the module's own key")
	}
	return nil
}

func (h *Handler) allowTwinWrite(c *call) error {
	if !h.security(c.params["module"]) {
		return c.must(auth.ServiceConnect)
	}
	if h.Settings.Current().GuardSecurityTwin {
		return c.must(auth.SecurityWrite)
	}
	return c.must(auth.ServiceConnect, auth.SecurityWrite)
}

func (h *Handler) allowMessages(c *call) error {
	kind, err := messageKind(c)
	if err != nil {
		return err
	}
	switch {
	case kind == telemetryKind:
		return c.must(auth.ServiceConnect)
	case h.Settings.Current().GuardSecurityTwin:
		return c.must(auth.SecurityRead)
	default:
		return c.must(auth.SecurityRead, auth.ServiceConnect)
	}
}
