package follow_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/security/follow"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/store/securitymem"
)

// recorder is an assessor that notes what it is told and keeps the newest of
// each kind in the ledger, as recommendations of a device.
type recorder struct {
	mu    sync.Mutex
	lines []string
	fail  func(line string) error
}

// note is called in a transaction; what the ledger keeps goes with it.
func (r *recorder) note(tx *ledger.Tx, device tvilling.DeviceID, kind, what string) error {
	line := strings.TrimSpace(kind + " " + string(device) + " " + what)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		if err := r.fail(line); err != nil {
			return err
		}
	}
	r.lines = append(r.lines, line)
	if kind == "gone" {
		return nil
	}
	old, err := tx.Recommendation(device, kind)
	if err != nil {
		return err
	}
	details := fmt.Sprintf("%q", what)
	if old == nil {
		old = &ledger.Recommendation{Device: device, Type: kind, State: ledger.Active}
	} else if string(old.Details) == details {
		return nil
	}
	old.Details = []byte(details)
	return tx.PutRecommendation(old, "updated", "test")
}

func (r *recorder) Registered(tx *ledger.Tx, device tvilling.DeviceID, created time.Time) error {
	return r.note(tx, device, "registered", created.UTC().Format(time.TimeOnly))
}

func (r *recorder) Credentials(tx *ledger.Tx, id tvilling.Identity, shared []tvilling.Identity) error {
	names := make([]string, len(shared))
	for i, s := range shared {
		names[i] = s.String()
	}
	return r.note(tx, id.Device, "credentials", strings.Join(names, " "))
}

func (r *recorder) Configuration(tx *ledger.Tx, device tvilling.DeviceID, desired, reported []byte) error {
	return r.note(tx, device, "configuration", string(desired)+string(reported))
}

func (r *recorder) Gone(tx *ledger.Tx, device tvilling.DeviceID) error {
	return r.note(tx, device, "gone", "")
}

// take returns what was noted since the last call, of the kinds given or all.
func (r *recorder) take(kinds ...string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, line := range r.lines {
		kind, _, _ := strings.Cut(line, " ")
		if len(kinds) == 0 || slices.Contains(kinds, kind) {
			out = append(out, line)
		}
	}
	r.lines = nil
	return out
}

// rig is a hub with a follower over a ledger in memory.
type rig struct {
	*hubtest.Core
	*recorder
	store    *securitymem.Store
	ledger   *ledger.Ledger
	journal  follow.Journal
	marks    follow.Registry
	follower *follow.Follower
	fatal    error
	stop     func()
}

// bubble runs f with a rig in a bubble of time. The follower is not started.
func bubble(t *testing.T, f func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{Core: hubtest.New(t), recorder: new(recorder), store: securitymem.New()}
		r.ledger, r.journal, r.marks = ledger.NewLedger(r.store), r.Journal, r.Registry
		f(t, r)
		if r.stop != nil {
			r.stop()
		}
		if r.fatal != nil {
			t.Errorf("the follower gave up: %v", r.fatal)
		}
	})
}

// start runs a follower until r.stop is called.
func (r *rig) start(t *testing.T) {
	t.Helper()
	var err error
	r.follower, err = follow.New(t.Context(), follow.Options{
		Journal: r.journal, Store: r.Store, Registry: r.marks, Assessor: r.recorder, Ledger: r.ledger,
		Module: tvilling.SecurityModule, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Fatal: func(err error) { r.fatal = err },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.follower.Run(ctx) })
	r.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
}

// settle lets time pass in which everything is followed.
func (r *rig) settle() { <-time.After(time.Second); synctest.Wait() }

// register creates a device with the keys given, "" for keys of its own.
func (r *rig) register(t *testing.T, id string, keys ...string) {
	t.Helper()
	spec := registry.Spec{ID: identity(id)}
	if len(keys) == 2 {
		spec.Auth = &registry.AuthSpec{Type: state.SAS, PrimaryKey: keys[0], SecondaryKey: keys[1]}
	}
	if _, err := r.Registry.Put(t.Context(), spec, tvilling.Match{}, "test"); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) remove(t *testing.T, id string) {
	t.Helper()
	if err := r.Registry.Delete(t.Context(), identity(id), tvilling.Match{}, "test"); err != nil {
		t.Fatal(err)
	}
}

// desire patches the desired properties of a twin.
func (r *rig) desire(t *testing.T, id, patch string) {
	t.Helper()
	u := twin.Update{Desired: hubtest.Patch(t, doc.Desired, patch)}
	if _, err := r.Twins.Patch(t.Context(), identity(id), u, tvilling.Match{}, "test"); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) report(t *testing.T, id, patch string) {
	t.Helper()
	done := make(chan error, 1)
	r.Twins.Report(identity(id), "device", []byte(patch), -1, func(_ int64, err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// kept returns what the ledger has of a device by one kind, "" for nothing.
func (r *rig) kept(t *testing.T, device, kind string) string {
	t.Helper()
	rec, err := r.store.Recommendation(t.Context(), tvilling.DeviceID(device), kind)
	if err != nil {
		t.Fatal(err)
	}
	if rec == nil {
		return ""
	}
	return string(rec.Details)
}

func (r *rig) cursor(t *testing.T) uint64 {
	t.Helper()
	c, err := r.store.Cursor(t.Context(), follow.CursorName)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func identity(s string) tvilling.Identity {
	device, module, _ := strings.Cut(s, "/")
	return tvilling.Identity{Device: tvilling.DeviceID(device), Module: tvilling.ModuleID(module)}
}

func want(t *testing.T, step string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", step, diff)
	}
}

const securityOfD = "d/azureiotsecurity"

func TestLifeOfADevice(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.start(t)
		r.register(t, "d")
		r.settle()
		want(t, "created", r.take(), "registered d 00:00:00", "credentials d", "configuration d {}{}")
		r.desire(t, securityOfD, `{"a":1}`)
		r.report(t, securityOfD, `{"b":2}`)
		r.settle()
		want(t, "two changes of the twin", r.take(), `configuration d {"a":1}{"b":2}`)
		r.desire(t, "d", `{"a":1}`)
		r.report(t, "d", `{"b":2}`)
		r.settle()
		want(t, "changes of another twin", r.take())
		r.remove(t, securityOfD)
		r.settle()
		want(t, "no module any more", r.take(), "registered d 00:00:00", "credentials d", "configuration d")
		r.remove(t, "d")
		r.settle()
		want(t, "deleted", r.take(), "gone d")
		if got := r.kept(t, "d", "configuration"); got != "" {
			t.Errorf("the ledger still has %s", got)
		}
		if marks, err := r.store.Fingerprints(t.Context(), identity("d")); err != nil || marks != nil {
			t.Errorf("the ledger still has the fingerprints %x, %v", marks, err)
		}
		r.register(t, "d")
		r.remove(t, "d")
		r.register(t, "d")
		r.settle()
		want(t, "deleted and there again", r.take(), "gone d", "registered d 00:00:05", "credentials d", "configuration d {}{}")
		if got := r.kept(t, "d", "configuration"); got != `"{}{}"` {
			t.Errorf("the ledger has %s", got)
		}
	})
}

// TestOwnedMembersAreNotFollowed: what the security plane writes into twins
// does not come back to it.
func TestOwnedMembersAreNotFollowed(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.start(t)
		r.register(t, "d")
		r.settle()
		r.take()
		done := make(chan error, 1)
		r.Twins.Own(identity(securityOfD), "security", []byte(`{"state":"healthy"}`), "hub:posture", func(err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		r.settle()
		want(t, "owned", r.take())
	})
}

func TestSharedCredentials(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		one, two, three := auth.NewKey(), auth.NewKey(), auth.NewKey()
		shared := func(step string, want ...string) {
			t.Helper()
			r.settle()
			r.take()
			var got []string
			for _, d := range []string{"a", "b", "c", "d"} {
				if k := r.kept(t, d, "credentials"); k != "" && k != `""` {
					got = append(got, d+" "+strings.Trim(k, `"`))
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", step, diff)
			}
		}
		update := func(id string, keys ...string) {
			t.Helper()
			spec := registry.Spec{ID: identity(id), Auth: &registry.AuthSpec{Type: state.SAS, PrimaryKey: keys[0], SecondaryKey: keys[1]}}
			if _, err := r.Registry.Put(t.Context(), spec, tvilling.Match{Given: true, Any: true}, "test"); err != nil {
				t.Fatal(err)
			}
		}
		r.start(t)
		r.register(t, "a", one, two)
		r.register(t, "b", three, one)
		r.register(t, "c")
		shared("two devices with a key in common", "a b", "b a")
		r.register(t, "c/m", two, two)
		shared("a module of a third", "a b c/m", "b a", "c a")
		r.register(t, "c/n", two, two)
		shared("two modules of one device are no two devices", "a b c/m c/n", "b a", "c a")
		if _, err := r.Registry.Regenerate(t.Context(), identity("a"), "secondary", "test"); err != nil {
			t.Fatal(err)
		}
		shared("one key renewed", "a b", "b a")
		update("c", three, three)
		shared("another way", "a b", "b a c", "c b")
		r.remove(t, "b")
		shared("a device gone")
	})
}

// TestLargeGroup: a key of a whole fleet is told to every device, by the first
// of those that have it, without every change costing a look at all of them.
func TestLargeGroup(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		key := auth.NewKey()
		r.start(t)
		const n = 60
		for i := range n {
			r.register(t, fmt.Sprintf("d%02d", i), key, auth.NewKey())
		}
		r.settle()
		for i := range n {
			got := r.kept(t, fmt.Sprintf("d%02d", i), "credentials")
			if names := len(strings.Fields(got)); names != follow.MaxShared {
				t.Errorf("device %d is told of %d others: %s", i, names, got)
			}
		}
		r.take()
		r.remove(t, "d59")
		r.settle()
		if got := len(r.take("credentials")); got > 1 {
			t.Errorf("one device less has %d others assessed", got)
		}
		for i := range n - 2 {
			r.remove(t, fmt.Sprintf("d%02d", i+1))
		}
		r.settle()
		if got := r.kept(t, "d00", "credentials"); got != `""` {
			t.Errorf("the last one is told of %s", got)
		}
	})
}

func TestFirstStartWithAFleet(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		key := auth.NewKey()
		const n = 350
		for i := range n {
			r.register(t, fmt.Sprintf("d%03d", i))
		}
		r.register(t, "x", key, key)
		r.register(t, "y", key, key)
		r.desire(t, "d349/azureiotsecurity", `{"a":1}`)
		r.start(t)
		r.settle()
		if got := r.kept(t, "x", "credentials") + r.kept(t, "y", "credentials"); got != `"y""x"` {
			t.Errorf("shared credentials are %s", got)
		}
		if got := r.kept(t, "d349", "configuration"); got != `"{\"a\":1}{}"` {
			t.Errorf("the configuration is %s", got)
		}
		if got := len(r.take("registered")); got != n+2 {
			t.Errorf("%d devices were looked at, want %d", got, n+2)
		}
		head, _ := r.Store.Head()
		p := r.follower.Progress()
		if w := (follow.Progress{Cursor: head, Head: head, Seen: n + 2, Devices: n + 2, Rescans: 1}); p != w {
			t.Errorf("progress is %+v, want %+v", p, w)
		}
		if got := r.cursor(t); got != head {
			t.Errorf("the cursor is %d, want %d", got, head)
		}
		r.register(t, "z", key, key)
		r.settle()
		want(t, "followed from there", r.take("registered"), "registered z 00:00:01")
	})
}

// TestRescanGoesOn: a look at everything that is interrupted goes on where it
// was, and looks at nothing twice.
func TestRescanGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		const n = 450
		for i := range n {
			r.register(t, fmt.Sprintf("d%03d", i))
		}
		stopped := make(chan struct{})
		r.fail = func(line string) error {
			if line == "registered d250 00:00:00" {
				close(stopped)
				return tvilling.Errorf(tvilling.Unavailable, "There is no space left.")
			}
			return nil
		}
		r.start(t)
		<-stopped
		r.stop()
		if got := r.cursor(t); got != 0 {
			t.Errorf("the cursor is %d in the middle of a rescan", got)
		}
		r.mu.Lock()
		r.fail = nil
		r.lines = nil
		r.mu.Unlock()
		r.start(t)
		r.settle()
		if got := r.take("registered"); len(got) != n-200 || got[0] != "registered d200 00:00:00" {
			t.Errorf("%d devices were looked at after the restart, the first is %s; want %d", len(got), got[0], n-200)
		}
		if p := r.follower.Progress(); p.Seen != n || p.Rescanning {
			t.Errorf("progress is %+v", p)
		}
		r.stop()
		r.start(t)
		r.settle()
		want(t, "a further start", r.take())
	})
}
