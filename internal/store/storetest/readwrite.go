package storetest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

func testFresh(t *testing.T, setup func(testing.TB) Factory) {
	s, ctx := open(t, setup), t.Context()
	for _, i := range []tvilling.Identity{id("d", ""), id("d", "m"), {}} {
		checkAbsent(t, s, i)
	}
	if got, err := s.Counters(ctx); got != (state.Counters{}) || err != nil {
		t.Errorf("Counters = %v, %v; want zeros", got, err)
	}
	if got, err := s.Setting(ctx, "policies"); got != nil || err != nil {
		t.Errorf("Setting = %q, %v; want nil, nil", got, err)
	}
	if got := scan(t, s, state.Range{}); len(got) != 0 {
		t.Errorf("Scan yields %v, want nothing", idsOf(got))
	}
	if got := changes(t, s, 0); len(got) != 0 {
		t.Errorf("Changes yields %v, want nothing", got)
	}
	if seq, at := s.Head(); seq != 0 || at != 0 {
		t.Errorf("Head = %d, %d; want 0, 0", seq, at)
	}
	if err := s.Commit(ctx, &state.Batch{}); err != nil {
		t.Errorf("Commit of an empty batch: %v", err)
	}
}

func checkAbsent(t *testing.T, s state.Store, i tvilling.Identity) {
	t.Helper()
	if got, err := s.Identity(t.Context(), i); got != nil || err != nil {
		t.Errorf("Identity(%s) = %v, %v; want nil, nil", i, got, err)
	}
	if got, err := s.Twin(t.Context(), i); got != nil || err != nil {
		t.Errorf("Twin(%s) = %v, %v; want nil, nil", i, got, err)
	}
	if got, err := s.Session(t.Context(), i); got != nil || err != nil {
		t.Errorf("Session(%s) = %v, %v; want nil, nil", i, got, err)
	}
}

// wantRecords compares the records of an identity; nil means absent.
func wantRecords(t *testing.T, s state.Store, i tvilling.Identity, d *state.Identity, w *state.Twin, n *state.Session) {
	t.Helper()
	if got, err := s.Identity(t.Context(), i); err != nil || cmp.Diff(d, got) != "" {
		t.Errorf("Identity(%s): %v; -want +got:\n%s", i, err, cmp.Diff(d, got))
	}
	if got, err := s.Twin(t.Context(), i); err != nil || cmp.Diff(w, got) != "" {
		t.Errorf("Twin(%s): %v; -want +got:\n%s", i, err, cmp.Diff(w, got))
	}
	if got, err := s.Session(t.Context(), i); err != nil || cmp.Diff(n, got) != "" {
		t.Errorf("Session(%s): %v; -want +got:\n%s", i, err, cmp.Diff(n, got))
	}
}

// full returns records with every field set.
func full(i tvilling.Identity) (*state.Identity, *state.Twin, *state.Session) {
	d := &state.Identity{
		ID: i, Generation: "638503000000000001", Version: 1<<64 - 1,
		Disabled: true, StatusReason: "lost – sök den", StatusUpdated: epoch.Add(time.Hour), Created: epoch,
		Auth: state.Authentication{
			Type: state.SelfSigned, SealedPrimary: []byte{0, 1, 2}, SealedSecondary: []byte{255},
			PrimaryThumbprint: strings.Repeat("AB", 20), SecondaryThumbprint: strings.Repeat("CD", 32),
		},
		Edge: true, DeviceScope: "ms-azure-iot-edge://x-1", ParentScopes: []string{"ms-azure-iot-edge://y-2", ""},
		ManagedBy: "iotEdge", Companion: true, Pristine: true, CompanionOptOut: true,
	}
	w := twinOf(i, 1<<62)
	w.Revision = 1<<64 - 1
	n := &state.Session{
		ID: i, Present: true, Topics: 255, AtLeastOnce: state.Methods, ClientType: "azure-iot-device/1.18.3 (node v20)",
		LastActivity: epoch, StateUpdated: epoch.Add(-time.Hour),
	}
	return d, w, n
}

func testRoundTrip(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	for _, i := range []tvilling.Identity{id("d1", ""), id("d1", "azureiotsecurity")} {
		d, w, n := full(i)
		commit(t, s, putIdentity(d), putTwin(w), putSession(n))
		wantRecords(t, s, i, d, w, n)
		// Records with nothing but their key are records, too.
		d, w, n = &state.Identity{ID: i}, &state.Twin{ID: i}, &state.Session{ID: i}
		commit(t, s, putIdentity(d), putTwin(w), putSession(n))
		wantRecords(t, s, i, d, w, n)
	}
}

func testLastWriteCounts(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	a, b, c := id("a", ""), id("b", ""), id("c", "")
	commit(t, s, putTwin(twinOf(c, 2)), putSession(sessionOf(c, 1)))
	commit(t, s,
		putTwin(twinOf(a, 2)), putTwin(twinOf(a, 3)),
		putTwin(twinOf(b, 2)), putIdentity(identityOf(b, 1)), remove(b),
		remove(c), putTwin(twinOf(c, 7)),
		putSetting("x", []byte("1")), putSetting("x", []byte("2")),
		putSetting("y", []byte("1")), putSetting("y", nil),
		state.Write{Counters: &state.Counters{Devices: 1}}, state.Write{Counters: &state.Counters{Devices: 2}},
	)
	wantRecords(t, s, a, nil, twinOf(a, 3), nil)
	wantRecords(t, s, b, nil, nil, nil)
	wantRecords(t, s, c, nil, twinOf(c, 7), nil)
	wantSetting(t, s, "x", []byte("2"))
	wantSetting(t, s, "y", nil)
	if got, err := s.Counters(t.Context()); got.Devices != 2 || err != nil {
		t.Errorf("Counters = %v, %v; want 2 devices", got, err)
	}
}

func testDelete(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	d, m, other := id("d", ""), id("d", "m"), id("dd", "")
	for _, i := range []tvilling.Identity{d, m, other} {
		commit(t, s, append(create(i), putSession(sessionOf(i, 1)))...)
	}
	commit(t, s, remove(d))
	wantRecords(t, s, d, nil, nil, nil)
	// Only the store's caller knows that a device takes its modules along.
	wantRecords(t, s, m, identityOf(m, 1), twinOf(m, 2), sessionOf(m, 1))
	wantRecords(t, s, other, identityOf(other, 1), twinOf(other, 2), sessionOf(other, 1))
	commit(t, s, remove(d), remove(id("never", "was")))
	if got, want := idsOf(scan(t, s, state.Range{})), []string{"d/m", "dd"}; !cmp.Equal(got, want) {
		t.Errorf("Scan after delete = %v, want %v", got, want)
	}
	commit(t, s, create(d)...)
	wantRecords(t, s, d, identityOf(d, 1), twinOf(d, 2), nil)
}

func wantSetting(t *testing.T, s state.Store, name string, want []byte) {
	t.Helper()
	if got, err := s.Setting(t.Context(), name); err != nil || !cmp.Equal(got, want) {
		t.Errorf("Setting(%q) = %#v, %v; want %#v", name, got, err, want)
	}
}

func testSettings(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	big := []byte(strings.Repeat("\x00\xff{}", 100_000))
	commit(t, s, putSetting("a", []byte("1")), putSetting("empty", []byte{}), putSetting("big", big))
	wantSetting(t, s, "a", []byte("1"))
	wantSetting(t, s, "A", nil)
	wantSetting(t, s, "empty", []byte{})
	wantSetting(t, s, "big", big)
	commit(t, s, putSetting("a", nil), putSetting("never", nil))
	wantSetting(t, s, "a", nil)
	// A setting's name is no device's id.
	checkAbsent(t, s, id("big", ""))
}

func testCounters(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	for _, want := range []state.Counters{{Devices: 3, DisabledDevices: 2, Modules: 1 << 40}, {}} {
		commit(t, s, state.Write{Counters: &want})
		if got, err := s.Counters(t.Context()); got != want || err != nil {
			t.Errorf("Counters = %v, %v; want %v", got, err, want)
		}
	}
}

// testKeysAreBytes demands that ids differ in any byte and that device and
// module do not run together.
func testKeysAreBytes(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	long := strings.Repeat("x", tvilling.MaxIDLength)
	ids := []tvilling.Identity{
		id("a", "bc"), id("ab", "c"), id("abc", ""), id("ABC", ""), id("Abc", ""), id("a%c", ""), id("a_c", ""), id("a'c", ""),
		id(long, long), id(long, long[1:]), id("1", ""), id("01", ""), id("1.0", ""),
	}
	for n, i := range ids {
		commit(t, s, putTwin(twinOf(i, int64(n))), putIdentity(identityOf(i, uint64(n))))
	}
	for n, i := range ids {
		wantRecords(t, s, i, identityOf(i, uint64(n)), twinOf(i, int64(n)), nil)
	}
}

func testContextEnds(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	commit(t, s, create(id("d", ""))...)
	commitChanges(t, s, changeOf(1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Twin(ctx, id("d", "")); tvilling.CodeOf(err) != tvilling.Unavailable {
		t.Errorf("Twin with an ended context: %v, want code Unavailable", err)
	}
	wantOneError(t, "Scan", s.Scan(ctx, state.Range{}))
	wantOneError(t, "Changes", s.Changes(ctx, 0))
}

func testClosed(t *testing.T, setup func(testing.TB) Factory) {
	s, err := setup(t).Open()
	if err != nil {
		t.Fatal(err)
	}
	commit(t, s, create(id("d", ""))...)
	commitChanges(t, s, changeOf(1))
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	if err := s.Commit(t.Context(), &state.Batch{Writes: create(id("e", ""))}); tvilling.CodeOf(err) != tvilling.Unavailable {
		t.Errorf("Commit after Close: %v, want code Unavailable", err)
	}
	if _, err := s.Twin(t.Context(), id("d", "")); tvilling.CodeOf(err) != tvilling.Unavailable {
		t.Errorf("Twin after Close: %v, want code Unavailable", err)
	}
	wantOneError(t, "Scan", s.Scan(t.Context(), state.Range{}))
	wantOneError(t, "Changes", s.Changes(t.Context(), 0))
}

// wantOneError demands that a sequence is one error of code Unavailable.
func wantOneError[T any](t *testing.T, name string, seq func(yield func(T, error) bool)) {
	t.Helper()
	n := 0
	for _, err := range seq {
		if n++; tvilling.CodeOf(err) != tvilling.Unavailable {
			t.Errorf("%s yields %v, want code Unavailable", name, err)
		}
	}
	if n != 1 {
		t.Errorf("%s yields %d times, want once", name, n)
	}
}
