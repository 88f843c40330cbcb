package auth

import (
	"context"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// records are the record of an identity and that of its device, which are the
// same for a device; own is nil when either is missing.
type records struct {
	own, device *state.Identity
}

func (a *Authenticator) records(ctx context.Context, id tvilling.Identity) (records, error) {
	device, err := a.directory.Identity(ctx, tvilling.Device(id.Device))
	if err != nil {
		return records{}, err
	}
	if !id.IsModule() {
		return records{own: device, device: device}, nil
	}
	module, err := a.directory.Identity(ctx, id)
	if err != nil {
		return records{}, err
	}
	if device == nil {
		module = nil
	}
	return records{own: module, device: device}, nil
}

// checkOpen refuses what is unknown or disabled. It comes after the proof of
// the credential, so that the log tells a wrong key from a disabled device.
func (r records) checkOpen(subject string) error {
	switch {
	case r.own == nil:
		return refuse(subject, UnknownIdentity, "no such identity is registered")
	case r.device.Disabled:
		return refuse(subject, DisabledIdentity, "the device %s is disabled%s", r.device.ID, because(r.device))
	case r.own.Disabled:
		return refuse(subject, DisabledIdentity, "the module %s is disabled%s", r.own.ID, because(r.own))
	default:
		return nil
	}
}

func because(rec *state.Identity) string {
	if reason := strings.TrimSpace(rec.StatusReason); reason != "" {
		return ": " + clip(reason)
	}
	return ""
}
