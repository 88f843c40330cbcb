// The tests of this directory run a whole hub and speak to it over its real
// listeners, as devices, services and attackers do.
package hub_test

import (
	"context"
	"encoding/json"
	"strconv"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/security/schema"
)

func device(id string) tvilling.Identity { return tvilling.Device(tvilling.DeviceID(id)) }

func module(d, m string) tvilling.Identity {
	return tvilling.Identity{Device: tvilling.DeviceID(d), Module: tvilling.ModuleID(m)}
}

func securityOf(d string) tvilling.Identity { return module(d, string(tvilling.SecurityModule)) }

// keyOf returns the primary key of a device or module.
func keyOf(t testing.TB, c *client.Client, id tvilling.Identity) string {
	t.Helper()
	if id.IsModule() {
		m, err := c.Module(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return m.Authentication.SymmetricKey.Primary
	}
	d, err := c.Device(t.Context(), id.Device)
	if err != nil {
		t.Fatal(err)
	}
	return d.Authentication.SymmetricKey.Primary
}

// owned reports whether a change is the hub's own doing for the security of a
// device, which comes when it comes and touches nothing that anybody wrote.
func owned(ch *client.Change) bool {
	return ch.Op == "updateOwned" && ch.Actor == "hub:security" && ch.ModuleID == tvilling.SecurityModule
}

// changes returns the journal after a sequence, without what the hub notes of
// the security of devices, and fails if it has a gap.
func changes(t testing.TB, c *client.Client, after uint64) []*client.Change {
	t.Helper()
	list, _ := journal(t, c, after)
	return list
}

// head returns the sequence of the newest change.
func head(t testing.TB, c *client.Client) uint64 {
	t.Helper()
	_, newest := journal(t, c, 0)
	return newest
}

func journal(t testing.TB, c *client.Client, after uint64) (list []*client.Change, newest uint64) {
	t.Helper()
	newest = after
	for ch, err := range c.Changes(t.Context(), client.StreamOptions{After: after}) {
		if err != nil {
			t.Fatalf("journal after %d: %v", after, err)
		}
		if newest++; ch.Sequence != newest {
			t.Fatalf("journal: change %d, want %d", ch.Sequence, newest)
		}
		if !owned(ch) {
			list = append(list, ch)
		}
	}
	return list, newest
}

// messages returns the stored messages of a kind that clients sent: not those
// that the hub made of callers whom it refused.
func messages(t testing.TB, c *client.Client, kind string) []*client.Message {
	t.Helper()
	var list []*client.Message
	for m, err := range c.Messages(t.Context(), kind, client.StreamOptions{}) {
		if err != nil {
			t.Fatalf("messages: %v", err)
		}
		if m.System[schema.Source] != schema.SourceHub {
			list = append(list, m)
		}
	}
	return list
}

// sectionVersion reads "$version" of a section.
func sectionVersion(t testing.TB, section []byte) int64 {
	t.Helper()
	var s struct {
		Version int64 `json:"$version"`
	}
	if err := json.Unmarshal(section, &s); err != nil {
		t.Fatalf("section %s: %v", section, err)
	}
	return s.Version
}

// twinDocument is what a device reads of its twin.
type twinDocument struct {
	Desired  map[string]any `json:"desired"`
	Reported map[string]any `json:"reported"`
}

func (d twinDocument) desiredVersion() int64  { return version(d.Desired) }
func (d twinDocument) reportedVersion() int64 { return version(d.Reported) }

func version(section map[string]any) int64 {
	v, _ := section["$version"].(float64)
	return int64(v)
}

// twin reads the twin of the connection's identity.
func (w *wire) twin() twinDocument {
	w.t.Helper()
	a := w.get()
	if a.status != 200 {
		w.t.Fatalf("get twin: status %d: %s", a.status, a.body)
	}
	var d twinDocument
	if err := json.Unmarshal(a.body, &d); err != nil {
		w.t.Fatalf("get twin: %v: %s", err, a.body)
	}
	return d
}

// patchDesired sets desired properties as the owner.
func patchDesired(t testing.TB, c *client.Client, id tvilling.Identity, patch string) *client.Twin {
	t.Helper()
	twin, err := c.PatchTwin(t.Context(), id, client.TwinPatch{Desired: json.RawMessage(patch)}, tvilling.Match{})
	if err != nil {
		t.Fatalf("patch %s: %v", id, err)
	}
	return twin
}

// wantCode fails unless err is a refusal of the wanted code; "" wants none.
func wantCode(t testing.TB, what string, err error, want tvilling.Code) {
	t.Helper()
	if got := tvilling.CodeOf(err); got != want {
		t.Errorf("%s: code %q (%v), want %q", what, got, err, want)
	}
}

// start runs a hub with one device, d, and returns its owner's client and the
// device's key.
func start(t testing.TB) (h *apptest.Hub, c *client.Client, key string) {
	t.Helper()
	h = apptest.Start(t, nil)
	c = h.Client()
	return h, c, h.Register(c, "d")
}

func itoa[T int | int64 | uint64](n T) string { return strconv.FormatInt(int64(n), 10) }

// within returns a context that ends when the test has waited long enough.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
