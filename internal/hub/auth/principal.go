package auth

import (
	"time"

	"github.com/tvilling/tvilling"
)

// Principal is a caller that has proved itself.
type Principal struct {
	// Policy is the shared access policy whose key was used; empty when the
	// caller used a credential of its own identity.
	Policy string
	// ID is the identity that the caller is; zero for a service, which acts by
	// its policy alone.
	ID tvilling.Identity
	// Permissions is what the caller may do. With ID set it is DeviceConnect.
	Permissions Permission
	// Expires is when the credential ends and with it whatever it opened.
	Expires time.Time
	// Credential tells one key or certificate from another without giving it
	// away. It means something to [Authenticator.StillValid] only.
	Credential string
}

// Actor names the caller in journals and logs: "device:d", "module:d/m", or
// "policy:name" for a service.
func (p Principal) Actor() string {
	switch {
	case p.ID.IsModule():
		return "module:" + p.ID.String()
	case p.ID.Device != "":
		return "device:" + p.ID.String()
	default:
		return "policy:" + p.Policy
	}
}

// May reports whether the caller holds every right of perm.
func (p Principal) May(perm Permission) bool { return p.Permissions.Has(perm) }
