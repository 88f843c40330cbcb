package commit

import (
	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// Touched is what a round left of the records of one identity.
type Touched struct {
	ID tvilling.Identity
	// HasIdentity, HasTwin and HasSession say which records the round wrote;
	// one that was written and is nil was removed.
	HasIdentity, HasTwin, HasSession bool

	Identity *state.Identity
	Twin     *state.Twin
	Session  *state.Session

	// Before is the twin as it was before the round; nil if there was none, or
	// if no change of the round has read it.
	Before *state.Twin
}

// touched returns what a round left, each identity once, in no order.
func (r *work) touched() []Touched {
	list := make([]Touched, 0, len(r.staged))
	for id, s := range r.staged {
		list = append(list, Touched{
			ID: id, HasIdentity: s.identity, HasTwin: s.twin, HasSession: s.session,
			Identity: s.Identity, Twin: s.Twin, Session: s.Session, Before: r.before[id],
		})
	}
	return list
}
