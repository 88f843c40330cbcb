package auth

import (
	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// The kinds of credential, which keep their fingerprints apart.
const (
	kindKey         = "key"
	kindPolicy      = "policy"
	kindCertificate = "certificate"
)

// StillServes reports whether the credential of a service still opens what it
// opened: its policy has the key and the permissions. Time is not looked at.
func (a *Authenticator) StillServes(p Principal) bool { return a.StillValid(p, nil) }

// StillValid reports whether the credential that p was made with still opens
// what it opened, given the record of p.ID as it is now; nil means that the
// identity is gone. It is false for a disabled identity, for a key or
// thumbprint that is no longer one of the two, for another way to authenticate,
// and for a policy that is gone, lost its key or can no longer do what p may.
//
// For a module rec may instead be the record of its device: then only that
// decides, as a disabled or deleted device closes its modules. For a service
// (no ID) rec is not looked at. Time is not, either: that is Expires.
func (a *Authenticator) StillValid(p Principal, rec *state.Identity) bool {
	if p.ID.Device != "" {
		switch {
		case rec == nil || rec.Disabled:
			return false
		case rec.ID != p.ID:
			return p.ID.IsModule() && rec.ID == tvilling.Device(p.ID.Device)
		}
	}
	if p.Policy != "" {
		policy, ok := a.Policies().Get(p.Policy)
		if !ok || !policy.Permissions.Has(p.Permissions) || p.ID.Device != "" && rec.Auth.Type == state.None {
			return false
		}
		keys, err := policy.Keys(a.sealer)
		return err == nil && a.isOneOf(p.Credential, kindPolicy, []byte(keys.Primary), []byte(keys.Secondary))
	}
	if rec == nil {
		return false // neither a policy nor an identity: nobody
	}
	switch rec.Auth.Type {
	case state.SAS:
		keys, err := a.sealer.OpenPair(IdentityOwner(rec.ID), rec.Auth.SealedPrimary, rec.Auth.SealedSecondary)
		return err == nil && a.isOneOf(p.Credential, kindKey, []byte(keys.Primary), []byte(keys.Secondary))
	case state.SelfSigned:
		return a.isOneOf(p.Credential, kindCertificate,
			parseThumbprint(rec.Auth.PrimaryThumbprint), parseThumbprint(rec.Auth.SecondaryThumbprint))
	default:
		return false
	}
}

func (a *Authenticator) isOneOf(credential, kind string, secrets ...[]byte) bool {
	for _, secret := range secrets {
		if len(secret) > 0 && a.sealer.Fingerprint(kind, secret) == credential {
			return true
		}
	}
	return false
}
