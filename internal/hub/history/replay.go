package history

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// touchesTwin reports whether an operation changes a twin.
func touchesTwin(op state.Op) bool {
	switch op {
	case state.CreateDevice, state.CreateModule, state.DeleteDevice, state.DeleteModule,
		state.UpdateTwin, state.ReplaceTwin, state.ReportTwin, state.UpdateOwned:
		return true
	case state.UpdateDevice, state.UpdateModule, state.ChangePolicy, state.ChangeSetting, state.Connected, state.Disconnected,
		state.ChangeUser, state.SignedIn, state.SignedOut, state.SignInRefused, state.Acted:
	}
	return false
}

// touchesIdentity reports whether an operation changes an identity.
func touchesIdentity(op state.Op) bool {
	switch op {
	case state.CreateDevice, state.CreateModule, state.DeleteDevice, state.DeleteModule, state.UpdateDevice, state.UpdateModule:
		return true
	case state.UpdateTwin, state.ReplaceTwin, state.ReportTwin, state.UpdateOwned, state.ChangePolicy, state.ChangeSetting, state.Connected, state.Disconnected,
		state.ChangeUser, state.SignedIn, state.SignedOut, state.SignInRefused, state.Acted:
	}
	return false
}

func isCreate(op state.Op) bool { return op == state.CreateDevice || op == state.CreateModule }
func isDelete(op state.Op) bool { return op == state.DeleteDevice || op == state.DeleteModule }
func isConnection(op state.Op) bool {
	return op == state.Connected || op == state.Disconnected
}

// changeBody is the journal's body of a change of a twin.
type changeBody struct {
	tags, desired, reported json.RawMessage
	// owned are the hub's members, by their names.
	owned map[string]json.RawMessage
}

func readBody(c *state.Change) (b changeBody, err error) {
	var members map[string]json.RawMessage
	if len(c.Body) == 0 {
		return b, nil
	}
	if err := json.Unmarshal(c.Body, &members); err != nil {
		return b, err
	}
	for name, raw := range members {
		switch name {
		case "version":
		case "tags":
			b.tags = raw
		case "properties":
			var p struct{ Desired, Reported json.RawMessage }
			if err := json.Unmarshal(raw, &p); err != nil {
				return b, err
			}
			b.desired, b.reported = p.Desired, p.Reported
		default:
			if b.owned == nil {
				b.owned = make(map[string]json.RawMessage)
			}
			b.owned[name] = raw
		}
	}
	return b, nil
}

// replay returns the twin after a change, given the one before, which stays as
// it is; false if that cannot be worked out.
func replay(t *state.Twin, c *state.Change) (*state.Twin, bool) {
	switch {
	case isDelete(c.Op):
		return nil, true
	case isCreate(c.Op):
		return newTwin(c)
	case t == nil:
		return nil, false
	case !touchesTwin(c.Op):
		return t, true
	}
	b, err := readBody(c)
	if err != nil {
		return nil, false
	}
	next := *t
	stamp := doc.Stamp{Time: c.Time, Actor: c.Actor}
	whole := c.Op == state.ReplaceTwin
	ok := change(&next.Tags, b.tags, doc.Tags, whole, stamp) &&
		change(&next.Desired, b.desired, doc.Desired, whole, stamp) &&
		change(&next.Reported, b.reported, doc.Reported, false, stamp)
	for name, raw := range b.owned {
		ok = ok && setOwned(&next, name, raw, stamp)
	}
	if c.Op == state.UpdateTwin || whole {
		next.Version, next.Revision = t.Version+1, t.Revision+1
	}
	return &next, ok
}

// newTwin returns the twin that an identity was made with. What it begins with
// is the companion rule's, and belongs to its first version.
func newTwin(c *state.Change) (*state.Twin, bool) {
	t := state.NewTwin(c.ID)
	b, err := readBody(c)
	if err != nil {
		return nil, false
	}
	stamp := doc.Stamp{Time: c.Time, Actor: registry.CompanionActor}
	if isObject(b.desired) {
		t.Desired = doc.New(0)
	}
	ok := change(&t.Desired, b.desired, doc.Desired, true, stamp)
	if isObject(b.tags) {
		ok = ok && change(&t.Tags, b.tags, doc.Tags, true, stamp)
	}
	return t, ok
}

// isObject reports whether raw is an object with members.
func isObject(raw json.RawMessage) bool { return len(raw) > len("{}") && raw[0] == '{' }

// change applies what a body says of a section; null clears it.
func change(s *doc.Section, raw json.RawMessage, part doc.Part, whole bool, stamp doc.Stamp) bool {
	if raw == nil {
		return true
	}
	next, err := s.Replace(nil, part, stamp)
	if string(raw) != "null" {
		var p *doc.Patch
		if p, err = doc.Parse(raw, part); err != nil {
			return false
		}
		if whole {
			next, err = s.Replace(p, part, stamp)
		} else {
			next, err = s.Merge(p, part, stamp)
		}
	}
	if err != nil {
		return false
	}
	*s = next
	return true
}

// setOwned sets or removes one of the hub's members.
func setOwned(t *state.Twin, name string, raw json.RawMessage, stamp doc.Stamp) bool {
	at, found := slices.BinarySearchFunc(t.Owned, name, func(m state.Owned, name string) int { return strings.Compare(m.Name, name) })
	if string(raw) == "null" {
		if found {
			t.Owned = slices.Delete(slices.Clone(t.Owned), at, at+1)
		}
		return true
	}
	value := t.Member(name)
	if !change(&value, raw, doc.Owned, true, stamp) {
		return false
	}
	t.Owned = slices.Clone(t.Owned)
	if found {
		t.Owned[at].Value = value
	} else {
		t.Owned = slices.Insert(t.Owned, at, state.Owned{Name: name, Value: value})
	}
	return true
}

// alike reports whether two twins say the same, whatever their stamps.
func alike(a, b *state.Twin) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Version == b.Version && a.Revision == b.Revision && a.Desired.Version() == b.Desired.Version() &&
		a.Reported.Version() == b.Reported.Version() && len(DiffTwins(a, b)) == 0
}
