package auth_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/state"
)

const security = string(tvilling.SecurityModule)

// TestConnectMatrix tries the key of everybody on everybody: each identity is
// opened by its own keys only, whatever the scope claims.
func TestConnectMatrix(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		names := []string{"d", "d/" + security, "d/app", "dd", "dd/app"}
		keys := map[string]auth.Pair{}
		for _, name := range names {
			keys[name] = h.add(name)
		}
		scopes := []string{"hub.example"}
		for _, name := range names {
			scopes = append(scopes, scopeOf(name))
		}
		for _, target := range names {
			for _, owner := range names {
				for _, scope := range scopes {
					for _, key := range []string{keys[owner].Primary, keys[owner].Secondary} {
						p, err := h.Connect(t.Context(), identity(target), h.sign(scope, key, ""))
						covers := scopeOf(target) == scope || strings.HasPrefix(scopeOf(target), scope+"/")
						switch {
						case owner == target && covers:
							if err != nil {
								t.Errorf("%s by its own key for %s: %v", target, scope, err)
							} else if p.ID != identity(target) || !p.May(auth.DeviceConnect) || p.May(auth.ServiceConnect) || p.Policy != "" {
								t.Errorf("%s by its own key: got %+v", target, p)
							}
						case covers:
							wantRefused(t, err, auth.WrongKey)
						default:
							wantRefused(t, err, auth.ForeignScope)
						}
					}
				}
			}
		}
	})
}

func scopeOf(name string) string {
	device, module, isModule := strings.Cut(name, "/")
	if isModule {
		return "hub.example/devices/" + device + "/modules/" + module
	}
	return "hub.example/devices/" + device
}

func TestConnectByPolicy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		h.add("d")
		h.add("d/m")
		end := time.Now().Add(time.Hour).UTC()
		for _, policy := range []string{"device", "iothubowner"} {
			for _, name := range []string{"d", "d/m"} {
				p, err := h.Connect(t.Context(), identity(name), h.sign("hub.example/devices/d", h.policyKeys(policy).Secondary, policy))
				if err != nil {
					t.Errorf("%s as %s: %v", policy, name, err)
					continue
				}
				want := auth.Principal{Policy: policy, ID: identity(name), Permissions: auth.DeviceConnect, Expires: end}
				if diff := cmp.Diff(want, p, cmpopts.IgnoreFields(auth.Principal{}, "Credential")); diff != "" {
					t.Errorf("%s as %s (-want +got):\n%s", policy, name, diff)
				}
				if p.Credential == "" {
					t.Error("the principal has no credential")
				}
			}
		}
		for _, policy := range []string{"service", "registryRead", "registryReadWrite", "security"} {
			_, err := h.Connect(t.Context(), identity("d"), h.sign("hub.example", h.policyKeys(policy).Primary, policy))
			wantRefused(t, err, auth.MissingPermission)
		}
		_, err := h.Connect(t.Context(), identity("d"), h.sign("hub.example", h.policyKeys("device").Primary, "service"))
		wantRefused(t, err, auth.WrongKey)
		_, err = h.Connect(t.Context(), identity("d"), h.sign("hub.example", auth.NewKey(), "nobody"))
		wantRefused(t, err, auth.UnknownPolicy)
		_, err = h.Connect(t.Context(), identity("ghost"), h.sign("hub.example", h.policyKeys("device").Primary, "device"))
		wantRefused(t, err, auth.UnknownIdentity)
		_, err = h.Connect(t.Context(), identity("d"), h.sign("hub.example/devices/other", h.policyKeys("device").Primary, "device"))
		wantRefused(t, err, auth.ForeignScope)

		h.change("d/m", func(r *state.Identity) { r.Auth = state.Authentication{Type: state.None} })
		_, err = h.Connect(t.Context(), identity("d/m"), h.sign("hub.example", h.policyKeys("device").Primary, "device"))
		wantRefused(t, err, auth.WrongMethod)
	})
}

func TestConnectRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		key := h.add("d").Primary
		moduleKey := h.add("d/m").Primary
		connect := func(name string, c auth.Credentials) error {
			_, err := h.Connect(t.Context(), identity(name), c)
			return err
		}
		own := h.sign("hub.example/devices/d", key, "")
		ownModule := h.sign("hub.example/devices/d/modules/m", moduleKey, "")

		wantRefused(t, connect("d", auth.Credentials{}), auth.NoCredential)
		wantRefused(t, connect("d", auth.Credentials{Token: "hunter2"}), auth.MalformedToken)
		wantRefused(t, connect("ghost", h.sign("hub.example", key, "")), auth.UnknownIdentity)
		wantRefused(t, connect("d/ghost", h.sign("hub.example", key, "")), auth.UnknownIdentity)
		wantRefused(t, connect("", own), auth.UnknownIdentity)
		wantRefused(t, connect("d d", own), auth.UnknownIdentity)

		h.change("d/m", func(r *state.Identity) { r.Disabled = true })
		wantRefused(t, connect("d/m", ownModule), auth.DisabledIdentity)
		h.change("d/m", func(r *state.Identity) { r.Disabled = false })
		if err := connect("d/m", ownModule); err != nil {
			t.Error(err)
		}

		h.change("d", func(r *state.Identity) { r.Disabled, r.StatusReason = true, "stolen" })
		err := connect("d", own)
		wantRefused(t, err, auth.DisabledIdentity)
		if !strings.Contains(err.Error(), "stolen") {
			t.Errorf("the operator is not told why the device is disabled: %v", err)
		}
		wantRefused(t, connect("d/m", ownModule), auth.DisabledIdentity)
		// A stranger does not learn that it is disabled: not even the log claims so.
		wantRefused(t, connect("d", h.sign("hub.example", auth.NewKey(), "")), auth.WrongKey)
		wantRefused(t, connect("d", h.sign("hub.example", h.policyKeys("device").Primary, "device")), auth.DisabledIdentity)

		h.change("d", func(r *state.Identity) { r.Disabled = false })
		delete(h.records, identity("d"))
		wantRefused(t, connect("d/m", ownModule), auth.UnknownIdentity)
	})
}

func TestConnectExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		key := h.add("d").Primary
		end := time.Now().Add(time.Hour).UTC()
		c := h.signUntil("hub.example/devices/d", key, "", end)
		tests := []struct {
			at, want time.Time // zero: refused
		}{
			{time.Now(), end},
			{end.Add(-time.Second), end},
			{end, end.Add(auth.Skew)},
			{end.Add(auth.Skew - time.Second), end.Add(auth.Skew)},
			{end.Add(auth.Skew), time.Time{}},
			{end.Add(24 * time.Hour), time.Time{}},
		}
		for _, test := range tests {
			<-time.After(time.Until(test.at)) // the clock is the bubble's
			p, err := h.Connect(t.Context(), identity("d"), c)
			if test.want.IsZero() {
				wantRefused(t, err, auth.ExpiredToken)
				continue
			}
			if err != nil {
				t.Errorf("at %v: %v", test.at, err)
			} else if !p.Expires.Equal(test.want) {
				t.Errorf("at %v: the principal ends at %v, want %v", test.at, p.Expires, test.want)
			}
		}
	})
}

func TestRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		device := h.add("d").Primary
		module := h.add("d/" + security).Secondary
		app := h.add("d/app").Primary
		other := h.add("other").Primary
		h.add("other/" + security)
		tests := []struct {
			name, resource, scope, key string
			want                       string // identity, or a reason in brackets
		}{
			{"security agent, module by device key", "/devices/d/modules/azureiotsecurity", "hub.example", device, "d"},
			{"device scope", "/devices/d/modules/azureiotsecurity", "hub.example/devices/d", device, "d"},
			{"list of modules", "/devices/d/modules", "hub.example/devices/d", device, "d"},
			{"itself", "/devices/d", "hub.example", device, "d"},
			{"telemetry of the device", "/devices/d/messages/events", "hub.example/devices/d", device, "d"},
			{"telemetry of the module", "/devices/d/modules/azureiotsecurity/messages/events", "hub.example/devices/d/modules/azureiotsecurity", module, "d/azureiotsecurity"},
			{"module by its own key", "/devices/d/modules/azureiotsecurity", "hub.example", module, "d/azureiotsecurity"},
			{"words in any case", "/Devices/d/Modules/azureiotsecurity", "hub.example", module, "d/azureiotsecurity"},

			{"an application's module reads the security module", "/devices/d/modules/azureiotsecurity", "hub.example", app, "[wrong_key]"},
			{"an application's module, device scope", "/devices/d/modules/azureiotsecurity", "hub.example/devices/d", app, "[wrong_key]"},
			{"module key for the device", "/devices/d", "hub.example", module, "[wrong_key]"},
			{"module key for the list", "/devices/d/modules", "hub.example", module, "[wrong_key]"},
			{"module key for the device's telemetry", "/devices/d/messages/events", "hub.example", module, "[wrong_key]"},
			{"another device's module", "/devices/other/modules/azureiotsecurity", "hub.example", device, "[wrong_key]"},
			{"another device", "/devices/d", "hub.example", other, "[wrong_key]"},
			{"scope of another device", "/devices/other", "hub.example/devices/d", device, "[foreign_scope]"},
			{"module scope for the device", "/devices/d", "hub.example/devices/d/modules/app", device, "[foreign_scope]"},
			{"twin", "/twins/d", "hub.example", device, "[foreign_scope]"},
			{"all devices", "/devices", "hub.example", device, "[foreign_scope]"},
			{"query", "/devices/query", "hub.example", device, "[unknown_identity]"},
			{"root", "/", "hub.example", device, "[foreign_scope]"},
			{"malformed id", "/devices/d d", "hub.example", device, "[foreign_scope]"},
			{"unknown", "/devices/ghost", "hub.example", device, "[unknown_identity]"},
			{"unknown module by device key", "/devices/d/modules/new", "hub.example", device, "d"},
		}
		for _, test := range tests {
			p, err := h.Request(t.Context(), test.resource, h.sign(test.scope, test.key, ""))
			if reason, refused := strings.CutPrefix(test.want, "["); refused {
				if got := auth.ReasonOf(err); string(got) != strings.TrimSuffix(reason, "]") {
					t.Errorf("%s: got %v (%v), want a refusal %s", test.name, p, err, test.want)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
				continue
			}
			if p.ID != identity(test.want) || p.Permissions != auth.DeviceConnect {
				t.Errorf("%s: got %v with %v, want %s with DeviceConnect", test.name, p.ID, p.Permissions, test.want)
			}
		}
	})
}

func TestRequestByPolicy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		want := map[string]auth.Permission{
			"iothubowner":       auth.RegistryRead | auth.RegistryWrite | auth.ServiceConnect | auth.DeviceConnect,
			"service":           auth.ServiceConnect,
			"device":            auth.DeviceConnect,
			"registryRead":      auth.RegistryRead,
			"registryReadWrite": auth.RegistryRead | auth.RegistryWrite,
			"security":          auth.SecurityRead | auth.SecurityWrite,
		}
		for name, permissions := range want {
			p, err := h.Request(t.Context(), "/twins/d", h.sign("hub.example", h.policyKeys(name).Primary, name))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if p.Permissions != permissions || p.ID != (tvilling.Identity{}) || p.Actor() != "policy:"+name {
				t.Errorf("%s: got %+v, want permissions %v", name, p, permissions)
			}
		}
		_, err := h.Request(t.Context(), "/twins/d", h.sign("hub.example/devices/d", h.policyKeys("service").Primary, "service"))
		wantRefused(t, err, auth.ForeignScope)
		_, err = h.Request(t.Context(), "/twins/d", auth.Credentials{})
		wantRefused(t, err, auth.NoCredential)
	})
}

// TestKeysOfAnotherRecord moves sealed keys from one record to another, as one
// could who can write to the database but has no hub key.
func TestKeysOfAnotherRecord(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	stolen := h.add("mine").Primary
	h.add("d")
	h.change("d", func(r *state.Identity) { r.Auth = h.records[identity("mine")].Auth })
	_, err := h.Connect(t.Context(), identity("d"), h.sign("hub.example", stolen, ""))
	if got := tvilling.CodeOf(err); got != tvilling.Corrupt {
		t.Errorf("got %v, want an error of code Corrupt", err)
	}
}

type brokenDirectory struct{}

func (brokenDirectory) Identity(context.Context, tvilling.Identity) (*state.Identity, error) {
	return nil, &tvilling.Error{Code: tvilling.Unavailable, Err: errors.New("disk on fire")}
}

func TestUnreadableRecordsAreNoRefusal(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a, err := auth.New(auth.Options{Directory: brokenDirectory{}, Sealer: h.sealer, Policies: h.Policies()})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []auth.Credentials{
		h.sign("hub.example", auth.NewKey(), ""),
		h.sign("hub.example", h.policyKeys("device").Primary, "device"),
	} {
		if _, err := a.Connect(t.Context(), identity("d"), c); tvilling.CodeOf(err) != tvilling.Unavailable {
			t.Errorf("got %v, want the error of the directory", err)
		}
	}
}

func TestNewFindsTheWrongHubKey(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	_, err := auth.New(auth.Options{Directory: h.records, Sealer: newSealer(t), Policies: h.Policies()})
	if tvilling.CodeOf(err) != tvilling.Corrupt {
		t.Errorf("got %v, want an error of code Corrupt", err)
	}
	if _, err := auth.New(auth.Options{}); err == nil {
		t.Error("New took nothing at all")
	}
}

func TestActor(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]auth.Principal{
		"device:d":           {ID: identity("d")},
		"module:d/m":         {ID: identity("d/m")},
		"policy:iothubowner": {Policy: "iothubowner"},
		"device:e":           {ID: identity("e"), Policy: "device"},
	} {
		if got := p.Actor(); got != want {
			t.Errorf("got actor %q, want %q", got, want)
		}
	}
}
