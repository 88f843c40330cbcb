package storetest

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

var epoch = time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.UTC)

func id(device, module string) tvilling.Identity {
	return tvilling.Identity{Device: tvilling.DeviceID(device), Module: tvilling.ModuleID(module)}
}

// identityOf returns a record that tells its version apart.
func identityOf(i tvilling.Identity, version uint64) *state.Identity {
	return &state.Identity{
		ID: i, Generation: strconv.FormatUint(638000000000000000+version, 10), Version: version,
		Created: epoch, Auth: state.Authentication{Type: state.SAS, SealedPrimary: []byte("p"), SealedSecondary: []byte("s")},
	}
}

// twinOf returns a twin that tells its version apart. A store does not look
// into sections, so theirs are any bytes.
func twinOf(i tvilling.Identity, version int64) *state.Twin {
	return &state.Twin{
		ID: i, Version: version, Revision: uint64(version), ModelID: "dtmi:example:thing;1",
		Tags: doc.Section("tags"), Desired: doc.Section("desired"), Reported: fmt.Append(nil, "reported ", version),
		Owned: ownedOf(version),
	}
}

// ownedOf returns none to two owned members, as the version has it, so that a
// record comes to have them and loses them again.
func ownedOf(version int64) []state.Owned {
	all := []state.Owned{{Name: "security", Value: fmt.Append(nil, "owned ", version)}, {Name: "zone", Value: doc.Section("z")}}
	if n := version % 3; n > 0 {
		return all[:n]
	}
	return nil
}

func sessionOf(i tvilling.Identity, n int) *state.Session {
	return &state.Session{
		ID: i, Present: n%2 == 0, Topics: state.Topic(n), AtLeastOnce: state.TwinDesired,
		ClientType: fmt.Sprint("client ", n), LastActivity: epoch.Add(time.Duration(n)), StateUpdated: epoch,
	}
}

func putIdentity(r *state.Identity) state.Write { return state.Write{ID: r.ID, Identity: r} }
func putTwin(r *state.Twin) state.Write         { return state.Write{ID: r.ID, Twin: r} }
func putSession(r *state.Session) state.Write   { return state.Write{ID: r.ID, Session: r} }
func remove(i tvilling.Identity) state.Write    { return state.Write{ID: i, Delete: true} }

func putSetting(name string, value []byte) state.Write {
	return state.Write{Setting: &state.Setting{Name: name, Value: value}}
}

// create returns the writes that make an identity with its twin.
func create(i tvilling.Identity) []state.Write {
	return []state.Write{putIdentity(identityOf(i, 1)), putTwin(twinOf(i, 2))}
}

func changeOf(sequence uint64) state.Change {
	cause := ""
	if sequence%3 == 1 {
		cause = fmt.Sprint("restore of version ", sequence)
	}
	return state.Change{
		Cause:    cause,
		Sequence: sequence, Time: epoch.Add(time.Duration(sequence) * time.Millisecond), Op: state.UpdateTwin,
		ID: id(fmt.Sprint("d", sequence%7), ""), Actor: "policy:iothubowner",
		Version: int64(sequence), Desired: 3, Reported: 4, Body: fmt.Append(nil, `{"n":`, sequence, `}`),
	}
}

func commit(t testing.TB, s state.Store, writes ...state.Write) {
	t.Helper()
	if err := s.Commit(context.Background(), &state.Batch{Writes: writes}); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

func commitChanges(t testing.TB, s state.Store, changes ...state.Change) {
	t.Helper()
	if err := s.Commit(context.Background(), &state.Batch{Changes: changes}); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

// scan returns what a scan yields and fails the test at an error.
func scan(t testing.TB, s state.Store, r state.Range) []state.Entry {
	t.Helper()
	var got []state.Entry
	for e, err := range s.Scan(context.Background(), r) {
		if err != nil {
			t.Fatalf("Scan(%+v): %v", r, err)
		}
		got = append(got, e)
	}
	return got
}

func idsOf(entries []state.Entry) []string {
	out := []string{}
	for _, e := range entries {
		out = append(out, e.Identity.ID.String())
	}
	return out
}

func changes(t testing.TB, s state.Store, after uint64) []state.Change {
	t.Helper()
	var got []state.Change
	for c, err := range s.Changes(context.Background(), after) {
		if err != nil {
			t.Fatalf("Changes(%d): %v", after, err)
		}
		got = append(got, c)
	}
	return got
}
