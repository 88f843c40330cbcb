package auth_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/auth"
)

func TestPoliciesRoundTrip(t *testing.T) {
	t.Parallel()
	s := newSealer(t)
	want, err := auth.DefaultPolicies(s)
	if err != nil {
		t.Fatal(err)
	}
	value, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := auth.ParsePolicies(value)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.All(), got.All()); diff != "" {
		t.Errorf("after a round trip (-want +got):\n%s", diff)
	}
	if err := got.Check(s); err != nil {
		t.Error(err)
	}
	for _, p := range want.All() {
		keys, err := p.Keys(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := keys.Check(); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		if strings.Contains(string(value), keys.Primary) {
			t.Errorf("the setting shows the key of %s", p.Name)
		}
	}
}

func TestPoliciesAreImmutable(t *testing.T) {
	t.Parallel()
	s := newSealer(t)
	set, err := auth.DefaultPolicies(s)
	if err != nil {
		t.Fatal(err)
	}
	before := set.All()
	set.All()[0].Name = "changed"
	p, err := auth.NewPolicy(s, "extra", auth.ServiceConnect, auth.Pair{})
	if err != nil {
		t.Fatal(err)
	}
	bigger, err := set.With(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bigger.Without("extra"); err != nil {
		t.Fatal(err)
	}
	if _, ok := bigger.Get("extra"); !ok {
		t.Error("Without has changed its receiver")
	}
	if diff := cmp.Diff(before, set.All()); diff != "" {
		t.Errorf("the set has changed (-before +after):\n%s", diff)
	}
}

func TestPoliciesLimits(t *testing.T) {
	t.Parallel()
	s := newSealer(t)
	policy := func(name string, p auth.Permission) auth.Policy {
		t.Helper()
		made, err := auth.NewPolicy(s, name, p, auth.Pair{})
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	set := &auth.Policies{}
	with := func(p auth.Policy) error {
		next, err := set.With(p)
		if err == nil {
			set = next
		}
		return err
	}
	for i := range auth.MaxServicePolicies {
		if err := with(policy(fmt.Sprintf("service%d", i), auth.ServiceConnect)); err != nil {
			t.Fatal(err)
		}
	}
	if err := with(policy("service", auth.ServiceConnect|auth.RegistryRead)); tvilling.CodeOf(err) != tvilling.InvalidArgument {
		t.Errorf("one too many with ServiceConnect: got %v", err)
	}
	for i := range auth.MaxPolicies - auth.MaxServicePolicies {
		if err := with(policy(fmt.Sprintf("device%d", i), auth.DeviceConnect)); err != nil {
			t.Fatal(err)
		}
	}
	if err := with(policy("device", auth.DeviceConnect)); tvilling.CodeOf(err) != tvilling.InvalidArgument {
		t.Errorf("one too many: got %v", err)
	}
	// Replacing is not adding, and a name is the same in any letter case.
	if err := with(policy("DEVICE0", auth.RegistryRead)); err != nil {
		t.Error(err)
	}
	p, ok := set.Get("Device0")
	if !ok || p.Name != "device0" || p.Permissions != auth.RegistryRead {
		t.Errorf("got %+v, want device0 replaced", p)
	}
	if _, err := p.Keys(s); err != nil {
		t.Errorf("the keys of a replaced policy: %v", err)
	}
	if _, err := set.Without("nobody"); tvilling.CodeOf(err) != tvilling.NotFound {
		t.Errorf("got %v, want NotFound", err)
	}
}

func TestNewPolicyRefuses(t *testing.T) {
	t.Parallel()
	s := newSealer(t)
	for _, name := range []string{"", "a b", "a/b", "ä", strings.Repeat("x", 65), "a&b"} {
		if _, err := auth.NewPolicy(s, name, auth.ServiceConnect, auth.Pair{}); tvilling.CodeOf(err) != tvilling.InvalidArgument {
			t.Errorf("name %q: got %v", name, err)
		}
	}
	for _, p := range []auth.Permission{0, 1 << 15, auth.ServiceConnect | 1<<10} {
		if _, err := auth.NewPolicy(s, "p", p, auth.Pair{}); tvilling.CodeOf(err) != tvilling.InvalidArgument {
			t.Errorf("permissions %b: got %v", p, err)
		}
	}
	if _, err := auth.NewPolicy(s, "p", auth.ServiceConnect, auth.Pair{Primary: "weak"}); tvilling.CodeOf(err) != tvilling.InvalidArgument {
		t.Errorf("weak key: got %v", err)
	}
	given := auth.NewPair()
	p, err := auth.NewPolicy(s, "p", auth.ServiceConnect, given)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := p.Keys(s); err != nil || got != given {
		t.Errorf("the keys given were not kept (%v)", err)
	}
}

func TestParsePoliciesRefuses(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		"", "null", "[]", "{}", `{"version":2,"policies":[]}`, `{"version":1,"policies":[],"more":1}`,
		`{"version":1,"policies":[{"name":"","permissions":"ServiceConnect"}]}`,
		`{"version":1,"policies":[{"name":"a","permissions":"Everything"}]}`,
		`{"version":1,"policies":[{"name":"a"}]}`,
		`{"version":1,"policies":[{"name":"a","permissions":"ServiceConnect"},{"name":"A","permissions":"ServiceConnect"}]}`,
	} {
		if _, err := auth.ParsePolicies([]byte(value)); tvilling.CodeOf(err) != tvilling.Corrupt {
			t.Errorf("%s: got %v, want an error of code Corrupt", value, err)
		}
	}
}

func TestPermissionText(t *testing.T) {
	t.Parallel()
	for p := auth.Permission(1); p < 1<<6; p++ {
		got, err := auth.ParsePermission(p.String())
		if err != nil || got != p {
			t.Errorf("%q: got %b, %v, want %b", p, got, err, p)
		}
	}
	got, err := auth.ParsePermission(" serviceconnect,RegistryRead ")
	if err != nil || got != auth.ServiceConnect|auth.RegistryRead {
		t.Errorf("got %v, %v", got, err)
	}
	if got, want := got.String(), "RegistryRead, ServiceConnect"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, bad := range []string{"", ",", "ServiceConnect,", "Owner"} {
		if _, err := auth.ParsePermission(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func FuzzParsePolicies(f *testing.F) {
	s := newSealer(f)
	set, err := auth.DefaultPolicies(s)
	if err != nil {
		f.Fatal(err)
	}
	value, err := json.Marshal(set)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value)
	f.Add([]byte(`{"version":1,"policies":[{"name":"a","permissions":"ServiceConnect"}]}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		set, err := auth.ParsePolicies(value)
		if err != nil {
			return
		}
		again, err := json.Marshal(set)
		if err != nil {
			t.Fatal(err)
		}
		back, err := auth.ParsePolicies(again)
		if err != nil {
			t.Fatalf("%s does not parse: %v", again, err)
		}
		if diff := cmp.Diff(set.All(), back.All()); diff != "" {
			t.Error(diff)
		}
	})
}
