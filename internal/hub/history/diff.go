package history

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// Part is a part of a twin's document that has edits of its own.
type Part string

// The parts. Identity are the members that mirror the identity, Hub those that
// the hub keeps for a part of itself.
const (
	Tags     Part = "tags"
	Desired  Part = "desired"
	Reported Part = "reported"
	Identity Part = "identity"
	Hub      Part = "hub"
)

// Parts returns all parts.
func Parts() []Part { return []Part{Tags, Desired, Reported, Identity, Hub} }

// Edit is one member in which two states of a twin differ.
type Edit struct {
	Part Part
	// Path leads to the member, one key an element, from the section, or from
	// the document for the identity and the hub's members.
	Path []string
	// Old and New are its values as JSON, nil where it is not there. Where an
	// object came, went, or stands in the place of something else it is one
	// edit with all that is in it; else edits are about leaves.
	Old, New json.RawMessage
}

// Name is the way to the member as people and queries write it, from the root
// of the document: "properties.desired.fps". A key that is not of letters,
// digits and _ stands in double brackets.
func (e *Edit) Name() string {
	var b strings.Builder
	switch e.Part {
	case Tags:
		b.WriteString("tags")
	case Desired, Reported:
		b.WriteString("properties." + string(e.Part))
	case Identity, Hub:
	}
	for _, key := range e.Path {
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		if isPlain(key) {
			b.WriteString(key)
		} else {
			b.WriteString("[[" + key + "]]")
		}
	}
	return b.String()
}

func isPlain(key string) bool {
	for i := range len(key) {
		if c := key[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9' || i == 0) && c != '_' {
			return false
		}
	}
	return key != ""
}

// Diff returns in what two sections differ, whatever their stamps and versions,
// in the order of the members, those that came last. Merged into before as a
// patch, null for what is gone, the edits give after.
func Diff(part Part, before, after doc.Section) []Edit {
	if len(before) == len(after) && bytes.Equal(before, after) {
		return nil
	}
	d := differ{part: part}
	old, _ := before.Lookup()
	now, _ := after.Lookup()
	d.objects(nil, old, now)
	return d.edits
}

// differ is the state of one Diff.
type differ struct {
	part  Part
	edits []Edit
}

func (d *differ) objects(path []string, old, now doc.Value) {
	came := make(map[string]doc.Value)
	var order []string
	for key, v := range now.Members() {
		came[key] = v
		order = append(order, key)
	}
	for key, o := range old.Members() {
		n, there := came[key]
		delete(came, key)
		at := append(slices.Clip(path), key)
		switch {
		case !there:
			d.edit(at, o.AppendJSON(nil), nil)
		case o.Kind() == doc.Object && n.Kind() == doc.Object:
			d.objects(at, o, n)
		case !same(o, n):
			d.edit(at, o.AppendJSON(nil), n.AppendJSON(nil))
		}
	}
	for _, key := range order {
		if n, there := came[key]; there {
			d.edit(append(slices.Clip(path), key), nil, n.AppendJSON(nil))
		}
	}
}

func (d *differ) edit(path []string, old, now []byte) {
	d.edits = append(d.edits, Edit{Part: d.part, Path: path, Old: old, New: now})
}

// same compares two leaves as they are written; texts as they read.
func same(a, b doc.Value) bool {
	if a.Kind() != b.Kind() {
		return false
	}
	if a.Kind() == doc.String {
		return a.Text() == b.Text()
	}
	return bytes.Equal(a.AppendJSON(nil), b.AppendJSON(nil))
}

// DiffTwins returns in what two twins differ; nil is a twin that is not there.
func DiffTwins(before, after *state.Twin) []Edit {
	none := &state.Twin{}
	if before == nil {
		before = none
	}
	if after == nil {
		after = none
	}
	edits := Diff(Tags, before.Tags, after.Tags)
	edits = append(edits, Diff(Desired, before.Desired, after.Desired)...)
	edits = append(edits, Diff(Reported, before.Reported, after.Reported)...)
	for _, name := range ownedNames(before, after) {
		old, now := before.Member(name), after.Member(name)
		if old != nil && now != nil {
			for _, e := range Diff(Hub, old, now) {
				e.Path = slices.Insert(e.Path, 0, name)
				edits = append(edits, e)
			}
			continue
		}
		edits = append(edits, Edit{Part: Hub, Path: []string{name}, Old: sectionJSON(old), New: sectionJSON(now)})
	}
	return edits
}

func ownedNames(twins ...*state.Twin) (names []string) {
	for _, t := range twins {
		for _, m := range t.Owned {
			names = append(names, m.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func sectionJSON(s doc.Section) json.RawMessage {
	if s == nil {
		return nil
	}
	return s.AppendJSON(nil, doc.Form{})
}

// DiffIdentities returns in what two identities differ, as far as a twin's
// document shows it: never a key. nil is an identity that is not there.
func DiffIdentities(before, after *state.Identity) (edits []Edit) {
	old, now := identityMembers(before), identityMembers(after)
	for i, name := range identityNames {
		if !bytes.Equal(old[i], now[i]) {
			edits = append(edits, Edit{Part: Identity, Path: strings.Split(name, "."), Old: old[i], New: now[i]})
		}
	}
	return edits
}

// identityNames are the members of a twin's document that DiffIdentities
// compares, each with its place in identityMembers.
var identityNames = [...]string{
	"status", "statusReason", "authenticationType", "x509Thumbprint.primaryThumbprint", "x509Thumbprint.secondaryThumbprint",
	"capabilities.iotEdge", "deviceScope", "parentScopes", "managedBy",
}

func identityMembers(r *state.Identity) (list [len(identityNames)]json.RawMessage) {
	if r == nil {
		return list
	}
	text := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	status := "enabled"
	if r.Disabled {
		status = "disabled"
	}
	var scopes any
	if len(r.ParentScopes) > 0 {
		scopes = r.ParentScopes
	}
	for i, v := range [...]any{
		status, text(r.StatusReason), string(r.Auth.Type), text(r.Auth.PrimaryThumbprint), text(r.Auth.SecondaryThumbprint),
		r.Edge, text(r.DeviceScope), scopes, text(r.ManagedBy),
	} {
		if v != nil {
			// Texts, lists of texts and booleans are always JSON.
			list[i], _ = json.Marshal(v)
		}
	}
	return list
}
