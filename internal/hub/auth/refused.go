package auth

import (
	"context"
	"time"

	"github.com/tvilling/tvilling"
)

// Refused tells of a caller that was refused who claimed to be a registered
// device or module.
type Refused struct {
	// ID is who the caller claimed to be. It was not proven.
	ID     tvilling.Identity
	Reason Reason
	// Remote and Protocol are those of the [Credentials].
	Remote, Protocol string
	Time             time.Time
}

// tell passes a refusal on, if err is one. It costs the look at the record that
// a wrong key costs too, whether or not the identity exists, so that the time it
// takes tells a stranger nothing new.
func (a *Authenticator) tell(ctx context.Context, id tvilling.Identity, c Credentials, err error) {
	reason := ReasonOf(err)
	if reason == "" || reason == UnknownIdentity {
		return
	}
	r, err := a.records(ctx, id)
	if err != nil || r.own == nil {
		return // an error here is about a look at what was refused already
	}
	a.refused(Refused{ID: id, Reason: reason, Remote: c.Remote, Protocol: c.Protocol, Time: time.Now()})
}

// claimed returns which of the identities whose credentials would count for a
// request its caller claims to be. A policy's token claims to be none, and of a
// token that cannot be read nobody can say.
func claimed(candidates []tvilling.Identity, c Credentials) (tvilling.Identity, bool) {
	if len(candidates) == 0 {
		return tvilling.Identity{}, false
	}
	last := candidates[len(candidates)-1]
	if c.Token == "" {
		return last, len(c.Certificates) > 0
	}
	t, err := ParseToken(c.Token)
	if err != nil || t.Policy != "" {
		return tvilling.Identity{}, false
	}
	// {host}/devices/d/modules/m is a module's token, anything shorter its device's.
	if len(t.scope.path) < len(resourceOf(last)) {
		return candidates[0], true
	}
	return last, true
}
