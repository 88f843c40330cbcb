package twin

import (
	"context"
	"strconv"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// Update is a service's change of a twin. A nil section is absent from the
// request; Clear empties it.
type Update struct {
	Tags, Desired           *doc.Patch
	ClearTags, ClearDesired bool
	// Cause says why, for the journal, where the operation does not.
	Cause string
}

// Patch merges u into the twin of id (wire §2.4) if match allows it, and
// returns the twin as it is then. A device that is connected and subscribed is
// told of changed desired properties after they are durable.
func (s *Service) Patch(ctx context.Context, id tvilling.Identity, u Update, match tvilling.Match, actor string) (View, error) {
	return s.update(ctx, id, match, "patch twin", func(tx *commit.Tx, t, next *state.Twin) (err error) {
		stamp := doc.Stamp{Time: tx.Time(), Actor: actor}
		switch {
		case u.ClearTags:
			next.Tags, err = t.Tags.Replace(nil, doc.Tags, stamp)
		case u.Tags != nil:
			next.Tags, err = t.Tags.Merge(u.Tags, doc.Tags, stamp)
		}
		if err != nil {
			return err
		}
		switch {
		case u.ClearDesired:
			next.Desired, err = t.Desired.Replace(nil, doc.Desired, stamp)
		case u.Desired != nil:
			next.Desired, err = t.Desired.Merge(u.Desired, doc.Desired, stamp)
		}
		if err != nil {
			return err
		}
		s.finish(tx, state.UpdateTwin, actor, u, t, next)
		return nil
	})
}

// Replace sets tags and desired properties to those of u wholly; an absent
// section is cleared (wire §2.4). Reported properties stay.
func (s *Service) Replace(ctx context.Context, id tvilling.Identity, u Update, match tvilling.Match, actor string) (View, error) {
	return s.update(ctx, id, match, "replace twin", func(tx *commit.Tx, t, next *state.Twin) (err error) {
		stamp := doc.Stamp{Time: tx.Time(), Actor: actor}
		if next.Tags, err = t.Tags.Replace(u.Tags, doc.Tags, stamp); err != nil {
			return err
		}
		if next.Desired, err = t.Desired.Replace(u.Desired, doc.Desired, stamp); err != nil {
			return err
		}
		s.finish(tx, state.ReplaceTwin, actor, u, t, next)
		return nil
	})
}

// update runs one service change of a twin: finds it, checks the etag, lets
// change fill in next, and returns what became of it.
func (s *Service) update(ctx context.Context, id tvilling.Identity, match tvilling.Match, op string, change func(tx *commit.Tx, t, next *state.Twin) error) (View, error) {
	var rec *state.Identity
	var next state.Twin
	err := s.commit.Do(ctx, func(tx *commit.Tx) error {
		var err error
		if rec, err = tx.Identity(id); err != nil {
			return err
		}
		t, err := tx.Twin(id)
		if err != nil {
			return err
		}
		if rec == nil || t == nil {
			return notFound(op, id)
		}
		if !match.Allows(t.ETag()) {
			return stale(op, id, "The etag given is not the twin's current etag")
		}
		next = *t
		if err := change(tx, t, &next); err != nil {
			return err
		}
		tx.PutTwin(&next)
		return s.touched(tx, rec)
	})
	if err != nil {
		return View{}, err
	}
	return s.view(ctx, rec, &next)
}

// touched notes that somebody other than the hub has written an identity that
// the companion rule made.
func (s *Service) touched(tx *commit.Tx, rec *state.Identity) error {
	if rec.Pristine {
		next := *rec
		next.Pristine = false
		tx.PutIdentity(&next)
	}
	return nil
}

// finish counts versions up, writes the journal, and sets off the notification.
func (s *Service) finish(tx *commit.Tx, op state.Op, actor string, u Update, t, next *state.Twin) {
	next.Version, next.Revision = t.Version+1, t.Revision+1
	c := state.Change{Op: op, ID: t.ID, Actor: actor, Version: next.Version, Cause: u.Cause}
	desired := next.Desired.Version() != t.Desired.Version()
	if desired {
		c.Desired = next.Desired.Version()
	}
	c.Body = updateBody(op, u, next, desired)
	tx.Record(c)
	if !desired {
		return
	}
	// After a merge the device gets the patch, after a replacement the whole
	// section, each with the new version (wire §1.6).
	id, version := t.ID, next.Desired.Version()
	var body []byte
	if op == state.UpdateTwin && !u.ClearDesired {
		body = u.Desired.AppendJSON(nil, version)
	} else {
		body = next.Desired.AppendJSON(nil, doc.Form{Version: true})
	}
	tx.Effect(func() { s.sessions.Desired(id, version, body) })
}

// updateBody is the journal body of a service's change: the sections it
// touched, as patches or whole, null for one that a patch cleared.
func updateBody(op state.Op, u Update, next *state.Twin, desired bool) []byte {
	b := append(make([]byte, 0, 256), `{"version":`...)
	b = strconv.AppendInt(b, next.Version, 10)
	switch {
	case op == state.UpdateTwin && u.Tags != nil && !u.ClearTags:
		b = u.Tags.AppendJSON(append(b, `,"tags":`...), 0)
	case u.ClearTags && op == state.UpdateTwin:
		b = append(b, `,"tags":null`...)
	case op == state.ReplaceTwin:
		b = next.Tags.AppendJSON(append(b, `,"tags":`...), doc.Form{})
	}
	if desired {
		b = append(b, `,"properties":{"desired":`...)
		switch {
		case op == state.UpdateTwin && u.ClearDesired:
			b = append(b, "null"...)
		case op == state.UpdateTwin:
			b = u.Desired.AppendJSON(b, next.Desired.Version())
		default:
			b = next.Desired.AppendJSON(b, doc.Form{Version: true})
		}
		b = append(b, '}')
	}
	return append(b, '}')
}
