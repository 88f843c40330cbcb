package twin

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

const (
	// maxOwnedName bounds the name of an owned member.
	maxOwnedName = 32
	// maxOwned bounds the owned members of one twin.
	maxOwned = 8
)

// Own sets a root member of the document of id that the hub keeps for a part
// of itself: services read it and query it, nobody else writes it. value is a
// JSON object by the rules of a twin's properties, of at most 16 KiB; its nulls
// are left out; nil removes the member. Own changes no tags, etag, version or
// $version, and is told to no device.
//
// When the member is that already, nothing is written and done gets nil. Own
// waits while the hub's queue is full; done is called once the change is
// durable, or with the refusal, from the committer's goroutine (or at once, for
// a malformed value) and must not block.
func (s *Service) Own(id tvilling.Identity, member string, value []byte, actor string, done func(error)) {
	const op = "write owned member"
	patch, err := parseOwned(member, value)
	if err != nil {
		done(refuseOwned(op, id, member, err))
		return
	}
	s.commit.Submit(func(tx *commit.Tx) error {
		t, err := tx.Twin(id)
		if err != nil {
			return err
		}
		if t == nil {
			return notFound(op, id)
		}
		members, changed, err := own(t.Owned, member, patch, doc.Stamp{Time: tx.Time(), Actor: actor})
		if err != nil {
			return refuseOwned(op, id, member, err)
		}
		if !changed {
			return nil
		}
		next := *t
		next.Owned = members
		tx.PutTwin(&next)
		tx.Record(state.Change{Op: state.UpdateOwned, ID: id, Actor: actor, Body: ownedBody(next.Member(member), member)})
		return nil
	}, done)
}

// parseOwned checks what does not depend on the twin. A nil patch removes.
func parseOwned(member string, value []byte) (*doc.Patch, error) {
	if !isOwnedName(member) {
		return nil, tvilling.Errorf(tvilling.InvalidArgument,
			"The name of an owned member has 1 to %d lower-case letters or digits, begins with a letter and is none of the twin's own members; %.40q is not such a name.", maxOwnedName, member)
	}
	if value == nil {
		return nil, nil
	}
	return doc.Parse(value, doc.Owned)
}

// refuseOwned completes a refusal with what it was about: the path of a
// document's fault begins with the name of the member.
func refuseOwned(op string, id tvilling.Identity, member string, err error) error {
	e, ok := errors.AsType[*tvilling.Error](err)
	if !ok {
		return err
	}
	out := *e
	out.Op, out.Subject = op, id.String()
	if rest, ok := strings.CutPrefix(e.Path, doc.Owned.String()); ok {
		out.Path = member + rest
	}
	return &out
}

// isOwnedName keeps the names of owned members apart from those that a twin's
// document has, or a query gives a meaning to.
func isOwnedName(s string) bool {
	if s == "" || len(s) > maxOwnedName || s[0] < 'a' || s == "id" || s == "devices" {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return !slices.ContainsFunc(state.RootMembers(), func(name string) bool { return strings.EqualFold(name, s) })
}

// own returns the members with one set or removed, and whether that changes
// anything. The slice given stays as it is.
func own(members []state.Owned, name string, patch *doc.Patch, stamp doc.Stamp) (next []state.Owned, changed bool, err error) {
	at, found := slices.BinarySearchFunc(members, name, func(m state.Owned, name string) int { return strings.Compare(m.Name, name) })
	if patch == nil {
		if !found {
			return members, false, nil
		}
		if len(members) == 1 {
			return nil, true, nil
		}
		return slices.Delete(slices.Clone(members), at, at+1), true, nil
	}
	var old doc.Section
	if found {
		old = members[at].Value
	}
	value, err := old.Replace(patch, doc.Owned, stamp)
	if err != nil {
		return nil, false, err
	}
	if found {
		if bytes.Equal(old.AppendJSON(nil, doc.Form{}), value.AppendJSON(nil, doc.Form{})) {
			return members, false, nil
		}
		next = slices.Clone(members)
		next[at].Value = value
		return next, true, nil
	}
	if len(members) >= maxOwned {
		return nil, false, tvilling.Errorf(tvilling.InvalidArgument, "A twin has at most %d owned members.", maxOwned)
	}
	return slices.Insert(slices.Clone(members), at, state.Owned{Name: name, Value: value}), true, nil
}

// ownedBody is the journal body of a change of an owned member.
func ownedBody(value doc.Section, member string) []byte {
	b := append(make([]byte, 0, 64+2*len(value)), `{"`...)
	b = append(b, member...)
	b = append(b, `":`...)
	if value == nil {
		b = append(b, "null"...)
	} else {
		b = value.AppendJSON(b, doc.Form{})
	}
	return append(b, '}')
}
