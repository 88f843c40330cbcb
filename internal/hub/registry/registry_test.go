package registry_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

var (
	none     = tvilling.Match{}
	anything = tvilling.Match{Given: true, Any: true}
)

func device(id string) tvilling.Identity { return tvilling.Device(tvilling.DeviceID(id)) }

func module(d, m string) tvilling.Identity {
	return tvilling.Identity{Device: tvilling.DeviceID(d), Module: tvilling.ModuleID(m)}
}

func securityOf(d string) tvilling.Identity { return module(d, string(tvilling.SecurityModule)) }

func wantCode(t *testing.T, err error, want tvilling.Code) {
	t.Helper()
	if got := tvilling.CodeOf(err); got != want {
		t.Errorf("code = %q (%v), want %q", got, err, want)
	}
}

func TestPut(t *testing.T) {
	key := auth.NewKey()
	tests := []struct {
		name  string
		spec  registry.Spec
		match tvilling.Match
		want  tvilling.Code
	}{
		{"create", registry.Spec{ID: device("new")}, none, ""},
		{"create an existing device", registry.Spec{ID: device("old")}, none, tvilling.DeviceAlreadyExists},
		{"create an existing module", registry.Spec{ID: module("old", "m")}, none, tvilling.ModuleAlreadyExists},
		{"update", registry.Spec{ID: device("old")}, anything, ""},
		{"update an absent device", registry.Spec{ID: device("new")}, anything, tvilling.DeviceNotFound},
		{"update an absent module", registry.Spec{ID: module("old", "x")}, anything, tvilling.ModuleNotFound},
		{"update a module of an absent device", registry.Spec{ID: module("new", "x")}, anything, tvilling.DeviceNotFound},
		{"update with a stale etag", registry.Spec{ID: device("old")}, tvilling.ParseMatch(`"MQ=="`), tvilling.PreconditionFailed},
		{"a module of an absent device", registry.Spec{ID: module("new", "m")}, none, tvilling.DeviceNotFound},
		{"id of 128 characters", registry.Spec{ID: device(strings.Repeat("d", 128))}, none, ""},
		{"id of 129 characters", registry.Spec{ID: device(strings.Repeat("d", 129))}, none, tvilling.InvalidArgument},
		{"illegal character", registry.Spec{ID: device("a^b")}, none, tvilling.InvalidArgument},
		{"all legal characters", registry.Spec{ID: device(`aZ0-:.+%_#*?!(),=@;$'`)}, none, ""},
		{"reason of 128 characters", registry.Spec{ID: device("new"), StatusReason: strings.Repeat("é", 128)}, none, ""},
		{"reason of 129 characters", registry.Spec{ID: device("new"), StatusReason: strings.Repeat("é", 129)}, none, tvilling.InvalidArgument},
		{"a disabled module", registry.Spec{ID: module("old", "x"), Disabled: true}, none, tvilling.InvalidArgument},
		{"own keys", registry.Spec{ID: device("new"), Auth: &registry.AuthSpec{Type: state.SAS, PrimaryKey: key, SecondaryKey: key}}, none, ""},
		{"one key", registry.Spec{ID: device("new"), Auth: &registry.AuthSpec{Type: state.SAS, PrimaryKey: key}}, none, tvilling.InvalidArgument},
		{"a key that is no base64", registry.Spec{ID: device("new"), Auth: &registry.AuthSpec{PrimaryKey: "not a key", SecondaryKey: key}}, none, tvilling.InvalidArgument},
		{"thumbprint", registry.Spec{ID: device("new"), Auth: &registry.AuthSpec{PrimaryThumbprint: strings.Repeat("aB", 20)}}, none, ""},
		{"thumbprint of 39 digits", registry.Spec{ID: device("new"), Auth: &registry.AuthSpec{PrimaryThumbprint: strings.Repeat("a", 39)}}, none, tvilling.InvalidArgument},
		{"thumbprint that is not hexadecimal", registry.Spec{ID: device("new"), Auth: &registry.AuthSpec{PrimaryThumbprint: strings.Repeat("g", 40)}}, none, tvilling.InvalidArgument},
		{"self-signed without thumbprint", registry.Spec{ID: device("new"), Auth: &registry.AuthSpec{Type: state.SelfSigned}}, none, tvilling.InvalidArgument},
		{"unknown authentication", registry.Spec{ID: device("new"), Auth: &registry.AuthSpec{Type: "password"}}, none, tvilling.InvalidArgument},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := hubtest.New(t)
			c.Register(t, device("old"))
			c.Register(t, module("old", "m"))
			before, _ := c.Store.Head()
			_, err := c.Registry.Put(t.Context(), tt.spec, tt.match, "test")
			wantCode(t, err, tt.want)
			if after, _ := c.Store.Head(); err != nil && after != before {
				t.Errorf("a refused put changed the store: %d changes", after-before)
			}
		})
	}
}

func TestEtagAndGeneration(t *testing.T) {
	c := hubtest.New(t)
	first := c.Register(t, device("d"))
	updated, err := c.Registry.Put(t.Context(), registry.Spec{ID: device("d"), StatusReason: "why"}, tvilling.ParseMatch(string(first.ETag())), "test")
	if err != nil {
		t.Fatal(err)
	}
	if updated.ETag() == first.ETag() {
		t.Error("an update left the etag as it was")
	}
	if updated.Generation != first.Generation {
		t.Error("an update changed the generation")
	}
	if err := c.Registry.Delete(t.Context(), device("d"), tvilling.ParseMatch(string(first.ETag())), "test"); tvilling.CodeOf(err) != tvilling.PreconditionFailed {
		t.Errorf("delete with a stale etag: %v", err)
	}
	if err := c.Registry.Delete(t.Context(), device("d"), none, "test"); err != nil {
		t.Fatal(err)
	}
	again := c.Register(t, device("d"))
	if again.Generation == first.Generation {
		t.Error("a second life of an id has the generation of the first")
	}
	if again.ETag() == first.ETag() || again.ETag() == updated.ETag() {
		t.Error("a second life of an id has an etag of the first")
	}
}

func TestKeysSurviveAnUpdateWithoutThem(t *testing.T) {
	c := hubtest.New(t)
	v := c.Register(t, device("d"))
	primary, secondary, err := c.Registry.Keys(v.Identity)
	if err != nil {
		t.Fatal(err)
	}
	v, err = c.Registry.Put(t.Context(), registry.Spec{ID: device("d"), Auth: &registry.AuthSpec{Type: state.SAS}}, anything, "test")
	if err != nil {
		t.Fatal(err)
	}
	p, s, err := c.Registry.Keys(v.Identity)
	if err != nil {
		t.Fatal(err)
	}
	if p != primary || s != secondary {
		t.Error("an update without keys changed them")
	}
}

func TestModuleLimit(t *testing.T) {
	c := hubtest.New(t)
	c.Register(t, device("d"))
	for i := range registry.MaxModules {
		c.Register(t, module("d", fmt.Sprintf("m%02d", i)))
	}
	before, _ := c.Store.Head()
	_, err := c.Registry.Put(t.Context(), registry.Spec{ID: module("d", "one-too-many")}, none, "test")
	wantCode(t, err, tvilling.TooManyModules)
	if after, _ := c.Store.Head(); after != before {
		t.Error("a refused module changed the store")
	}
	list, err := c.Registry.Modules(t.Context(), "d")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(list), registry.MaxModules+1; got != want { // and the security module
		t.Errorf("%d modules, want %d", got, want)
	}
}

func TestStatistics(t *testing.T) {
	c := hubtest.New(t)
	c.Register(t, device("a"))
	c.Register(t, device("b"))
	c.Register(t, module("a", "m"))
	put := func(disabled bool) {
		t.Helper()
		if _, err := c.Registry.Put(t.Context(), registry.Spec{ID: device("b"), Disabled: disabled}, anything, "test"); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want registry.Statistics) {
		t.Helper()
		got, err := c.Registry.Statistics(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("statistics = %+v, want %+v", got, want)
		}
	}
	check(registry.Statistics{Devices: 2, Enabled: 2, Modules: 3})
	put(true)
	put(true)
	check(registry.Statistics{Devices: 2, Enabled: 1, Disabled: 1, Modules: 3})
	c.Connect(t, device("a"), true)
	check(registry.Statistics{Devices: 2, Enabled: 1, Disabled: 1, Modules: 3, Connected: 1})
	if err := c.Registry.Delete(t.Context(), device("b"), none, "test"); err != nil {
		t.Fatal(err)
	}
	check(registry.Statistics{Devices: 1, Enabled: 1, Modules: 2, Connected: 1})
}

func TestDeleteTakesModulesAndTwins(t *testing.T) {
	c := hubtest.New(t)
	c.Register(t, device("d"))
	c.Register(t, module("d", "m"))
	if err := c.Registry.Delete(t.Context(), device("d"), none, "test"); err != nil {
		t.Fatal(err)
	}
	for _, id := range []tvilling.Identity{device("d"), module("d", "m"), securityOf("d")} {
		if rec, err := c.Store.Identity(t.Context(), id); rec != nil || err != nil {
			t.Errorf("identity %s: %v, %v", id, rec, err)
		}
		if rec, err := c.Store.Twin(t.Context(), id); rec != nil || err != nil {
			t.Errorf("twin %s: %v, %v", id, rec, err)
		}
	}
	wantCode(t, c.Registry.Delete(t.Context(), device("d"), none, "test"), tvilling.DeviceNotFound)
	wantCode(t, c.Registry.Delete(t.Context(), module("d", "m"), none, "test"), tvilling.DeviceNotFound)
}

func TestEdgeDeviceGetsSystemModulesAndNoCompanion(t *testing.T) {
	c := hubtest.New(t)
	if _, err := c.Registry.Put(t.Context(), registry.Spec{ID: device("edge"), Edge: true}, none, "test"); err != nil {
		t.Fatal(err)
	}
	list, err := c.Registry.Modules(t.Context(), "edge")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range list {
		got = append(got, string(m.ID.Module)+" "+string(m.Auth.Type)+" "+m.ManagedBy)
	}
	if want := "$edgeAgent none iotEdge,$edgeHub none iotEdge"; strings.Join(got, ",") != want {
		t.Errorf("modules = %v, want %s", got, want)
	}
}

func TestConnectionsEndWithTheirGround(t *testing.T) {
	changes := []struct {
		name   string
		change func(t *testing.T, c *hubtest.Core)
		closes map[string]bool
	}{
		{"device disabled", func(t *testing.T, c *hubtest.Core) {
			if _, err := c.Registry.Put(t.Context(), registry.Spec{ID: device("d"), Disabled: true}, anything, "test"); err != nil {
				t.Fatal(err)
			}
		}, map[string]bool{"d": true, "d/m": true}},
		{"device deleted", func(t *testing.T, c *hubtest.Core) {
			if err := c.Registry.Delete(t.Context(), device("d"), none, "test"); err != nil {
				t.Fatal(err)
			}
		}, map[string]bool{"d": true, "d/m": true}},
		{"module deleted", func(t *testing.T, c *hubtest.Core) {
			if err := c.Registry.Delete(t.Context(), module("d", "m"), none, "test"); err != nil {
				t.Fatal(err)
			}
		}, map[string]bool{"d/m": true}},
		{"key in use regenerated", func(t *testing.T, c *hubtest.Core) {
			if _, err := c.Registry.Regenerate(t.Context(), device("d"), "primary", "test"); err != nil {
				t.Fatal(err)
			}
		}, map[string]bool{"d": true}},
		{"other key regenerated", func(t *testing.T, c *hubtest.Core) {
			if _, err := c.Registry.Regenerate(t.Context(), device("d"), "secondary", "test"); err != nil {
				t.Fatal(err)
			}
		}, nil},
		{"keys swapped", func(t *testing.T, c *hubtest.Core) {
			if _, err := c.Registry.Regenerate(t.Context(), device("d"), "swap", "test"); err != nil {
				t.Fatal(err)
			}
		}, nil},
		{"unrelated update", func(t *testing.T, c *hubtest.Core) {
			if _, err := c.Registry.Put(t.Context(), registry.Spec{ID: device("d"), StatusReason: "x"}, anything, "test"); err != nil {
				t.Fatal(err)
			}
		}, nil},
	}
	for _, tt := range changes {
		t.Run(tt.name, func(t *testing.T) {
			c := hubtest.New(t)
			c.Register(t, device("d"))
			c.Register(t, module("d", "m"))
			_, dev, _ := c.Connect(t, device("d"), true)
			_, mod, _ := c.Connect(t, module("d", "m"), true)
			tt.change(t, c)
			for name, client := range map[string]*hubtest.Client{"d": dev, "d/m": mod} {
				if got := len(client.Closed()) > 0; got != tt.closes[name] {
					t.Errorf("%s closed = %v, want %v", name, got, tt.closes[name])
				}
			}
		})
	}
}

func TestCompanion(t *testing.T) {
	ctx := t.Context()
	c := hubtest.New(t)
	c.Registry.SetCompanion(&registry.Companion{
		Module:  tvilling.SecurityModule,
		Desired: hubtest.Patch(t, doc.Desired, `{"config":{"on":true}}`),
		Tags:    hubtest.Patch(t, doc.Tags, `{"SecurityGroup":"default"}`),
	})
	before, _ := c.Store.Head()
	c.Register(t, device("d"))

	v, err := c.Registry.Get(ctx, securityOf("d"))
	if err != nil {
		t.Fatal(err)
	}
	if v.Auth.Type != state.SAS || !v.Companion {
		t.Errorf("companion = %+v", v.Identity)
	}
	twin, err := c.Twins.Get(ctx, securityOf("d"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(twin.Desired.AppendJSON(nil, doc.Form{Version: true})), `{"config":{"on":true},"$version":1}`; got != want {
		t.Errorf("desired = %s, want %s", got, want)
	}
	if got, want := string(twin.Tags.AppendJSON(nil, doc.Form{})), `{"SecurityGroup":"default"}`; got != want {
		t.Errorf("tags = %s, want %s", got, want)
	}
	// One transaction made both: their changes stand side by side.
	after, _ := c.Store.Head()
	if after != before+2 {
		t.Errorf("%d changes for a device with its companion, want 2", after-before)
	}
}

func TestPristineCompanionCanBeCreated(t *testing.T) {
	key := auth.NewKey()
	spec := registry.Spec{ID: securityOf("d"), Auth: &registry.AuthSpec{Type: state.SAS, PrimaryKey: key, SecondaryKey: auth.NewKey()}}
	tests := []struct {
		name  string
		touch func(t *testing.T, c *hubtest.Core)
		want  tvilling.Code
	}{
		{"pristine", func(*testing.T, *hubtest.Core) {}, ""},
		{"created before", func(t *testing.T, c *hubtest.Core) { c.Register(t, securityOf("d")) }, tvilling.ModuleAlreadyExists},
		{"connected before", func(t *testing.T, c *hubtest.Core) {
			s, _, _ := c.Connect(t, securityOf("d"), true)
			s.Done(nil)
		}, tvilling.ModuleAlreadyExists},
		{"key changed before", func(t *testing.T, c *hubtest.Core) {
			if _, err := c.Registry.Regenerate(t.Context(), securityOf("d"), "primary", "test"); err != nil {
				t.Fatal(err)
			}
		}, tvilling.ModuleAlreadyExists},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := hubtest.New(t)
			c.Register(t, device("d"))
			tt.touch(t, c)
			v, err := c.Registry.Put(t.Context(), spec, none, "test")
			wantCode(t, err, tt.want)
			if err != nil {
				return
			}
			if primary, _, err := c.Registry.Keys(v.Identity); err != nil || primary != key {
				t.Errorf("the created module has not the caller's key (%v)", err)
			}
		})
	}
}

func TestOptOutAndRestore(t *testing.T) {
	ctx := t.Context()
	c := hubtest.New(t)
	c.Register(t, device("d"))
	if err := c.Registry.Delete(ctx, securityOf("d"), none, "test"); err != nil {
		t.Fatal(err)
	}
	gone := func() bool {
		rec, err := c.Store.Identity(ctx, securityOf("d"))
		if err != nil {
			t.Fatal(err)
		}
		return rec == nil
	}
	// Neither an update of the device nor adoption brings it back.
	if _, err := c.Registry.Put(ctx, registry.Spec{ID: device("d")}, anything, "test"); err != nil {
		t.Fatal(err)
	}
	ensure(t, c, "d")
	if !gone() {
		t.Fatal("a deleted companion came back by itself")
	}
	if _, err := c.Registry.Restore(ctx, "d", "test"); err != nil {
		t.Fatal(err)
	}
	if gone() {
		t.Fatal("restore did not make the companion")
	}
	if _, err := c.Registry.Restore(ctx, "d", "test"); err != nil {
		t.Errorf("restore with the companion there: %v", err)
	}
	_, err := c.Registry.Restore(ctx, "absent", "test")
	wantCode(t, err, tvilling.DeviceNotFound)
}

// ensure runs the adoption of one device to its end.
func ensure(t *testing.T, c *hubtest.Core, d tvilling.DeviceID) (made bool) {
	t.Helper()
	done := make(chan error, 1)
	c.Registry.EnsureCompanion(d, func(m bool, err error) { made = m; done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return made
}

func TestAdoption(t *testing.T) {
	ctx := t.Context()
	c := hubtest.New(t)
	c.Registry.SetCompanion(nil)
	c.Register(t, device("without"))
	c.Register(t, device("with"))
	c.Register(t, securityOf("with"))
	own, err := c.Registry.Get(ctx, securityOf("with"))
	if err != nil {
		t.Fatal(err)
	}
	c.Registry.SetCompanion(&registry.Companion{Module: tvilling.SecurityModule, Desired: hubtest.Patch(t, doc.Desired, `{"a":1}`)})
	if !ensure(t, c, "without") {
		t.Error("a device without companion was not given one")
	}
	if ensure(t, c, "with") {
		t.Error("a device with companion was given another")
	}
	adopted, err := c.Registry.Get(ctx, securityOf("with"))
	if err != nil {
		t.Fatal(err)
	}
	if !adopted.Companion || adopted.ETag() != own.ETag() {
		t.Errorf("adopted = %+v; want the operator's module, marked", adopted.Identity)
	}
	twin, err := c.Twins.Get(ctx, securityOf("with"))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(twin.Desired.AppendJSON(nil, doc.Form{})); got != `{}` {
		t.Errorf("adoption wrote over the operator's twin: %s", got)
	}
}
