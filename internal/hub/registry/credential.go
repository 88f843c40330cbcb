package registry

import (
	"context"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// checkAuth refuses a credential that is malformed, and normalises it.
func (s *Service) checkAuth(op string, id tvilling.Identity, a *AuthSpec) error {
	if a.Type == "" {
		a.Type = state.SAS
		if a.PrimaryThumbprint != "" || a.SecondaryThumbprint != "" {
			a.Type = state.SelfSigned
		}
	}
	switch a.Type {
	case state.SAS:
		if (a.PrimaryKey == "") != (a.SecondaryKey == "") {
			return refuse(tvilling.InvalidArgument, op, id, "Give both symmetric keys, or neither to have the hub make them.")
		}
		for _, key := range []string{a.PrimaryKey, a.SecondaryKey} {
			if key == "" {
				continue
			}
			if err := auth.CheckKey(key); err != nil {
				return refuse(tvilling.InvalidArgument, op, id, "%s", tvilling.MessageOf(err))
			}
		}
	case state.SelfSigned:
		if a.PrimaryThumbprint == "" && a.SecondaryThumbprint == "" {
			return refuse(tvilling.InvalidArgument, op, id, "Authentication of type selfSigned needs a thumbprint.")
		}
		for _, t := range []*string{&a.PrimaryThumbprint, &a.SecondaryThumbprint} {
			*t = strings.ToUpper(*t)
			if !isThumbprint(*t) {
				return refuse(tvilling.InvalidArgument, op, id, "A thumbprint is the SHA-1 or SHA-256 hash of a certificate: 40 or 64 hexadecimal digits without separators.")
			}
		}
	case state.CertificateAuthority, state.None:
	default:
		return refuse(tvilling.InvalidArgument, op, id, "Unknown authentication type %q; use sas, selfSigned, certificateAuthority or none.", a.Type)
	}
	return nil
}

// isThumbprint reports whether s is empty or an upper-case SHA-1 or SHA-256.
func isThumbprint(s string) bool {
	if s == "" {
		return true
	}
	if len(s) != 40 && len(s) != 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}

// authenticate makes the stored credential of a: it generates keys where none
// are given and old has none, and seals them.
func (s *Service) authenticate(id tvilling.Identity, a *AuthSpec, old state.Authentication) state.Authentication {
	if a == nil {
		a = &AuthSpec{Type: state.SAS}
	}
	next := state.Authentication{Type: a.Type}
	switch a.Type {
	case state.SAS:
		if a.PrimaryKey == "" && old.Type == state.SAS {
			return old
		}
		pair := auth.Pair{Primary: a.PrimaryKey, Secondary: a.SecondaryKey}
		if pair.Primary == "" {
			pair = auth.NewPair()
		}
		s.seal(id, pair, &next)
	case state.SelfSigned:
		next.PrimaryThumbprint, next.SecondaryThumbprint = a.PrimaryThumbprint, a.SecondaryThumbprint
	case state.CertificateAuthority, state.None:
	}
	return next
}

func (s *Service) seal(id tvilling.Identity, pair auth.Pair, a *state.Authentication) {
	a.SealedPrimary, a.SealedSecondary = s.sealer.SealPair(auth.IdentityOwner(id), pair)
}

// Regenerate gives an identity a new "primary" or "secondary" key, or swaps
// the two ("swap"). Connections made with a key that is gone are closed.
func (s *Service) Regenerate(ctx context.Context, id tvilling.Identity, which, actor string) (View, error) {
	const op = "regenerate key"
	var next state.Identity
	err := s.commit.Do(ctx, func(tx *commit.Tx) error {
		rec, err := tx.Identity(id)
		if err != nil {
			return err
		}
		if rec == nil {
			return s.absent(tx, op, id)
		}
		if rec.Auth.Type != state.SAS {
			return refuse(tvilling.InvalidArgument, op, id, "%s authenticates by %s and has no symmetric keys.", id, rec.Auth.Type)
		}
		pair, err := s.keys(rec)
		if err != nil {
			return err
		}
		if pair, err = pair.Regenerate(which); err != nil {
			return err
		}
		next = *rec
		next.Version++
		next.Pristine = false
		s.seal(id, pair, &next.Auth)
		s.change(tx, &next, actor)
		return nil
	})
	if err != nil {
		return View{}, err
	}
	return s.view(ctx, &next)
}
