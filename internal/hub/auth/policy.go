package auth

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tvilling/tvilling"
)

// PoliciesSetting is the name of the setting that holds the policies of a hub.
const PoliciesSetting = "policies"

// The most policies of a hub, and how many of them may hold ServiceConnect
// (wire §3.3).
const (
	MaxPolicies        = 16
	MaxServicePolicies = 10
	maxPolicyName      = 64
)

// Policy is a named set of rights that two symmetric keys give.
type Policy struct {
	Name            string
	Permissions     Permission
	SealedPrimary   []byte
	SealedSecondary []byte
}

// NewPolicy returns a policy with its keys sealed. Empty keys are generated.
func NewPolicy(s *Sealer, name string, permissions Permission, keys Pair) (Policy, error) {
	if keys.Primary == "" {
		keys.Primary = NewKey()
	}
	if keys.Secondary == "" {
		keys.Secondary = NewKey()
	}
	if err := keys.Check(); err != nil {
		return Policy{}, err
	}
	p := Policy{Name: name, Permissions: permissions}
	if err := p.check(); err != nil {
		return Policy{}, err
	}
	return p.seal(s, keys), nil
}

// Keys opens the keys of the policy.
func (p Policy) Keys(s *Sealer) (Pair, error) {
	return s.OpenPair(policyOwner(p.Name), p.SealedPrimary, p.SealedSecondary)
}

// Regenerate returns the policy with one key fresh or both exchanged, as
// [Pair.Regenerate] has it.
func (p Policy) Regenerate(s *Sealer, which string) (Policy, error) {
	keys, err := p.Keys(s)
	if err != nil {
		return Policy{}, err
	}
	if keys, err = keys.Regenerate(which); err != nil {
		return Policy{}, err
	}
	return p.seal(s, keys), nil
}

func (p Policy) seal(s *Sealer, keys Pair) Policy {
	p.SealedPrimary, p.SealedSecondary = s.SealPair(policyOwner(p.Name), keys)
	return p
}

func (p Policy) check() error {
	if len(p.Name) > maxPolicyName || !isWord(p.Name, "-._") {
		return tvilling.Errorf(tvilling.InvalidArgument,
			"The name of a policy must have 1 to %d ASCII letters, digits or - . _ characters.", maxPolicyName)
	}
	if p.Permissions == 0 || !allPermissions.Has(p.Permissions) {
		return tvilling.Errorf(tvilling.InvalidArgument,
			"The policy %s must have at least one permission of %s.", p.Name, allPermissions)
	}
	return nil
}

// Policies is an immutable set of policies. To change what a hub uses, make a
// changed set, store it, then hand it to [Authenticator.SetPolicies].
type Policies struct {
	list []Policy // ordered by name
}

// DefaultPolicies returns the policies of a new hub with fresh keys: those of
// an IoT Hub (wire §3.3), and "security" for the security plane.
func DefaultPolicies(s *Sealer) (*Policies, error) {
	set := &Policies{}
	for _, d := range []struct {
		name        string
		permissions Permission
	}{
		{"iothubowner", RegistryRead | RegistryWrite | ServiceConnect | DeviceConnect},
		{"service", ServiceConnect},
		{"device", DeviceConnect},
		{"registryRead", RegistryRead},
		{"registryReadWrite", RegistryRead | RegistryWrite},
		{"security", SecurityRead | SecurityWrite},
	} {
		p, err := NewPolicy(s, d.name, d.permissions, Pair{})
		if err != nil {
			return nil, err
		}
		if set, err = set.With(p); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// All returns the policies in the order of their names.
func (ps *Policies) All() []Policy {
	if ps == nil {
		return nil
	}
	return slices.Clone(ps.list)
}

// Get finds a policy by its name, in any letter case.
func (ps *Policies) Get(name string) (Policy, bool) {
	if ps == nil {
		return Policy{}, false
	}
	i := ps.index(name)
	if i < 0 {
		return Policy{}, false
	}
	return ps.list[i], true
}

func (ps *Policies) index(name string) int {
	return slices.IndexFunc(ps.list, func(p Policy) bool { return strings.EqualFold(p.Name, name) })
}

// With returns the set with p in it, in place of the policy of that name if
// there is one. A replaced policy keeps the letter case of its name.
func (ps *Policies) With(p Policy) (*Policies, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	list := ps.All()
	if i := slices.IndexFunc(list, func(q Policy) bool { return strings.EqualFold(q.Name, p.Name) }); i >= 0 {
		p.Name = list[i].Name
		list[i] = p
	} else {
		list = append(list, p)
	}
	return newPolicies(list)
}

// Without returns the set without a policy; NotFound when it has none of that name.
func (ps *Policies) Without(name string) (*Policies, error) {
	if _, ok := ps.Get(name); !ok {
		return nil, tvilling.Errorf(tvilling.NotFound, "There is no shared access policy %q.", clip(name))
	}
	list := slices.DeleteFunc(ps.All(), func(p Policy) bool { return strings.EqualFold(p.Name, name) })
	return newPolicies(list)
}

func newPolicies(list []Policy) (*Policies, error) {
	if len(list) > MaxPolicies {
		return nil, tvilling.Errorf(tvilling.InvalidArgument,
			"A hub may have at most %d shared access policies; delete one first.", MaxPolicies)
	}
	service := 0
	names := make(map[string]bool, len(list))
	for _, p := range list {
		if err := p.check(); err != nil {
			return nil, err
		}
		name := strings.ToLower(p.Name)
		if names[name] {
			return nil, tvilling.Errorf(tvilling.InvalidArgument, "The shared access policy %s is there twice.", p.Name)
		}
		names[name] = true
		if p.Permissions.Has(ServiceConnect) {
			service++
		}
	}
	if service > MaxServicePolicies {
		return nil, tvilling.Errorf(tvilling.InvalidArgument,
			"At most %d shared access policies may have ServiceConnect; take it from one first.", MaxServicePolicies)
	}
	slices.SortFunc(list, func(a, b Policy) int { return strings.Compare(a.Name, b.Name) })
	return &Policies{list: list}, nil
}

// Check reports whether every key of the set opens with s: a hub that starts
// with another key than its data was written with must find out at once.
func (ps *Policies) Check(s *Sealer) error {
	for _, p := range ps.All() {
		if _, err := p.Keys(s); err != nil {
			return fmt.Errorf("shared access policy %s: %w", p.Name, err)
		}
	}
	return nil
}

type policiesJSON struct {
	Version  int          `json:"version"`
	Policies []policyJSON `json:"policies"`
}

type policyJSON struct {
	Name        string     `json:"name"`
	Permissions Permission `json:"permissions"`
	Primary     []byte     `json:"sealedPrimary"`
	Secondary   []byte     `json:"sealedSecondary"`
}

const policiesVersion = 1

// MarshalJSON returns the value of the setting [PoliciesSetting].
func (ps *Policies) MarshalJSON() ([]byte, error) {
	doc := policiesJSON{Version: policiesVersion, Policies: []policyJSON{}}
	for _, p := range ps.All() {
		doc.Policies = append(doc.Policies, policyJSON{p.Name, p.Permissions, p.SealedPrimary, p.SealedSecondary})
	}
	return json.Marshal(doc)
}

// ParsePolicies reads what MarshalJSON wrote. The error is Corrupt: nobody but
// the hub writes the setting.
func ParsePolicies(value []byte) (*Policies, error) {
	corrupt := func(err error) error {
		return &tvilling.Error{
			Code: tvilling.Corrupt, Op: "read setting", Subject: PoliciesSetting, Err: err,
			Message: "The stored shared access policies cannot be read; they are damaged or were written by a newer version.",
		}
	}
	var doc policiesJSON
	d := json.NewDecoder(bytes.NewReader(value))
	d.DisallowUnknownFields()
	if err := d.Decode(&doc); err != nil {
		return nil, corrupt(err)
	}
	if doc.Version != policiesVersion {
		return nil, corrupt(fmt.Errorf("version %d, not %d", doc.Version, policiesVersion))
	}
	var list []Policy
	for _, p := range doc.Policies {
		list = append(list, Policy{p.Name, p.Permissions, p.Primary, p.Secondary})
	}
	set, err := newPolicies(list)
	if err != nil {
		return nil, corrupt(err)
	}
	return set, nil
}
