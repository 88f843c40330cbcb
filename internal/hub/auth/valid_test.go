package auth_test

import (
	"testing"
	"testing/synctest"

	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// TestRotation replaces one key after the other, as an operator does who moves
// clients from key to key without an outage.
func TestRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		keys := h.add("d")
		connect := func(key string) auth.Principal {
			t.Helper()
			p, err := h.Connect(t.Context(), identity("d"), h.sign("hub.example", key, ""))
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		byPrimary, bySecondary := connect(keys.Primary), connect(keys.Secondary)
		if byPrimary.Credential == bySecondary.Credential {
			t.Error("two keys have one credential")
		}
		if again := connect(keys.Primary); again.Credential != byPrimary.Credential {
			t.Error("one key has two credentials")
		}
		check := func(when string, primary, secondary bool) {
			t.Helper()
			rec := h.records[identity("d")]
			if got := h.StillValid(byPrimary, rec); got != primary {
				t.Errorf("%s: the session of the primary key is valid: %v, want %v", when, got, primary)
			}
			if got := h.StillValid(bySecondary, rec); got != secondary {
				t.Errorf("%s: the session of the secondary key is valid: %v, want %v", when, got, secondary)
			}
		}
		check("at first", true, true)
		var err error
		for _, step := range []struct {
			which              string
			primary, secondary bool
		}{{"swap", true, true}, {"primary", true, false}, {"swap", true, false}, {"primary", false, false}} {
			if keys, err = keys.Regenerate(step.which); err != nil {
				t.Fatal(err)
			}
			h.addWith("d", keys)
			check("after "+step.which, step.primary, step.secondary)
		}
		connect(keys.Primary)
		connect(keys.Secondary)
		if _, err := keys.Regenerate("both"); err == nil {
			t.Error("Regenerate took \"both\"")
		}
	})
}

func TestStillValid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		key := h.add("d").Primary
		moduleKey := h.add("d/m").Primary
		connect := func(name string, c auth.Credentials) auth.Principal {
			t.Helper()
			p, err := h.Connect(t.Context(), identity(name), c)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		device := connect("d", h.sign("hub.example", key, ""))
		module := connect("d/m", h.sign("hub.example", moduleKey, ""))
		byPolicy := connect("d", h.sign("hub.example", h.policyKeys("device").Primary, "device"))
		deviceRec, moduleRec := h.records[identity("d")], h.records[identity("d/m")]
		changed := func(rec *state.Identity, f func(*state.Identity)) *state.Identity {
			next := *rec
			f(&next)
			return &next
		}
		disable := func(r *state.Identity) { r.Disabled = true }
		noAuth := func(r *state.Identity) { r.Auth.Type = state.None }
		selfSigned := func(r *state.Identity) { r.Auth = state.Authentication{Type: state.SelfSigned} }
		otherKeys := func(r *state.Identity) {
			r.Auth.SealedPrimary, r.Auth.SealedSecondary = h.sealer.SealPair(auth.IdentityOwner(r.ID), auth.NewPair())
		}
		damaged := func(r *state.Identity) { r.Auth.SealedPrimary = []byte("rubbish") }
		tests := []struct {
			name string
			p    auth.Principal
			rec  *state.Identity
			want bool
		}{
			{"device, unchanged", device, deviceRec, true},
			{"device, deleted", device, nil, false},
			{"device, disabled", device, changed(deviceRec, disable), false},
			{"device, type none", device, changed(deviceRec, noAuth), false},
			{"device, certificates now", device, changed(deviceRec, selfSigned), false},
			{"device, other keys", device, changed(deviceRec, otherKeys), false},
			{"device, damaged key", device, changed(deviceRec, damaged), false},
			{"device, record of its module", device, moduleRec, false},
			{"module, unchanged", module, moduleRec, true},
			{"module, device's record", module, deviceRec, true},
			{"module, device with other keys", module, changed(deviceRec, otherKeys), true},
			{"module, device disabled", module, changed(deviceRec, disable), false},
			{"module, deleted", module, nil, false},
			{"module, other device", module, changed(deviceRec, func(r *state.Identity) { r.ID = identity("other") }), false},
			{"policy, unchanged", byPolicy, deviceRec, true},
			{"policy, other keys of the device", byPolicy, changed(deviceRec, otherKeys), true},
			{"policy, device disabled", byPolicy, changed(deviceRec, disable), false},
			{"policy, device deleted", byPolicy, nil, false},
			{"policy, device may not connect", byPolicy, changed(deviceRec, noAuth), false},
			{"nobody", auth.Principal{}, nil, false},
			{"nobody with a record", auth.Principal{}, deviceRec, false},
		}
		for _, test := range tests {
			if got := h.StillValid(test.p, test.rec); got != test.want {
				t.Errorf("%s: got %v, want %v", test.name, got, test.want)
			}
		}
	})
}

func TestStillValidFollowsThePolicy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		service, err := h.Request(t.Context(), "/twins/d", h.sign("hub.example", h.policyKeys("service").Primary, "service"))
		if err != nil {
			t.Fatal(err)
		}
		original := h.Policies()
		policy, _ := original.Get("service")
		regenerated := func(which string) auth.Policy {
			p, err := policy.Regenerate(h.sealer, which)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		less, more := policy, policy
		less.Permissions = auth.RegistryRead
		more.Permissions |= auth.RegistryRead
		for _, test := range []struct {
			name   string
			policy auth.Policy
			want   bool
		}{
			{"unchanged", policy, true},
			{"the other key is fresh", regenerated("secondary"), true},
			{"its key is fresh", regenerated("primary"), false},
			{"keys swapped", regenerated("swap"), true},
			{"fewer permissions", less, false},
			{"more permissions", more, true},
		} {
			set, err := original.With(test.policy)
			if err != nil {
				t.Fatal(err)
			}
			h.SetPolicies(set)
			if got := h.StillValid(service, nil); got != test.want {
				t.Errorf("%s: got %v, want %v", test.name, got, test.want)
			}
		}
		gone, err := original.Without("service")
		if err != nil {
			t.Fatal(err)
		}
		h.SetPolicies(gone)
		if h.StillValid(service, nil) {
			t.Error("the policy is gone, but its session is still valid")
		}
	})
}
