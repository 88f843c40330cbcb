package twin

import (
	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// ConfigurationsMember is the owned member that says which automatic
// configurations a twin has: {"<id>":{"status":"Applied"}} (wire §2.1).
const ConfigurationsMember = "configurations"

// Arrangement is what automatic configurations make of a twin.
type Arrangement struct {
	// Writes follow each other, each with a version of its own.
	Writes []Write
	// Marks replaces the member "configurations", and removes it if it is
	// empty; nil leaves the member as it is.
	Marks *doc.Patch
	// Actor and Cause are those of the marks, where nothing else is written.
	Actor, Cause string
}

// Write is one change of desired properties by an automatic configuration.
type Write struct {
	// Actor stamps what is written, Cause says why in the journal.
	Actor, Cause string
	Desired      *doc.Patch
}

// Configure has decide say what automatic configurations make of the twin of
// id as it is then, and does that, all of it or nothing. A device that is
// connected and subscribed is told of each write, once all is durable; of a
// member that whole names it is told the whole object, with a null for each key
// that is gone, since some readers take what they get for all there is.
//
// decide runs in the committer and must not block. Configure waits while the
// hub's queue is full; done is called once the change is durable, or with the
// refusal, from the committer's goroutine, and must not block.
func (s *Service) Configure(id tvilling.Identity, whole []string, decide func(*state.Twin) (Arrangement, error), done func(error)) {
	s.commit.Submit(func(tx *commit.Tx) error {
		t, err := tx.Twin(id)
		if err != nil {
			return err
		}
		if t == nil {
			return notFound("configure twin", id)
		}
		a, err := decide(t)
		if err != nil || len(a.Writes) == 0 && a.Marks == nil {
			return err
		}
		return s.arrange(tx, t, &a, whole)
	}, done)
}

func (s *Service) arrange(tx *commit.Tx, t *state.Twin, a *Arrangement, whole []string) error {
	next := *t
	var marks []byte
	if a.Marks != nil {
		var err error
		if marks, err = mark(tx, &next, a); err != nil {
			return err
		}
	}
	for i, w := range a.Writes {
		desired, err := next.Desired.Merge(w.Desired, doc.Desired, doc.Stamp{Time: tx.Time(), Actor: w.Actor})
		if err != nil {
			return err
		}
		next.Desired = desired
		next.Version++
		next.Revision++
		u := Update{Desired: w.Desired}
		c := state.Change{
			Op: state.UpdateTwin, ID: t.ID, Actor: w.Actor, Cause: w.Cause, Version: next.Version, Desired: desired.Version(),
			Body: updateBody(state.UpdateTwin, u, &next, true),
		}
		if marks != nil && i == len(a.Writes)-1 {
			c.Body = append(append(append(c.Body[:len(c.Body)-1], ','), marks[1:len(marks)-1]...), '}')
		}
		tx.Record(c)
		// Most twins are not connected, and nobody needs to be told.
		tx.Effect(func() {
			if connected, _, _ := s.sessions.Live(t.ID); connected {
				s.sessions.Desired(t.ID, desired.Version(), w.Desired.AppendWhole(nil, desired, whole))
			}
		})
	}
	tx.PutTwin(&next)
	if marks != nil && len(a.Writes) == 0 {
		tx.Record(state.Change{Op: state.UpdateOwned, ID: t.ID, Actor: a.Actor, Cause: a.Cause, Body: marks})
	}
	return nil
}

// mark replaces the member "configurations" of next and returns the journal's
// body for it, nil if it is that already.
func mark(tx *commit.Tx, next *state.Twin, a *Arrangement) ([]byte, error) {
	patch := a.Marks
	if patch.Empty() {
		patch = nil
	}
	members, changed, err := own(next.Owned, ConfigurationsMember, patch, doc.Stamp{Time: tx.Time(), Actor: a.Actor})
	if err != nil || !changed {
		return nil, err
	}
	next.Owned = members
	return ownedBody(next.Member(ConfigurationsMember), ConfigurationsMember), nil
}
