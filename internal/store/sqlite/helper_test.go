package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

func id(device, module string) tvilling.Identity {
	return tvilling.Identity{Device: tvilling.DeviceID(device), Module: tvilling.ModuleID(module)}
}

func twin(i tvilling.Identity, version int64) *state.Twin {
	return &state.Twin{
		ID: i, Version: version, Revision: uint64(version), ModelID: "dtmi:example:thing;1",
		Tags: doc.Section("tags"), Desired: doc.Section("desired"), Reported: fmt.Append(nil, "reported ", version),
	}
}

// owning returns a twin of a version with owned members.
func owning(i tvilling.Identity, version int64) *state.Twin {
	w := twin(i, version)
	w.Owned = []state.Owned{{Name: "security", Value: fmt.Append(nil, "owned ", version)}, {Name: "zone", Value: doc.Section("z")}}
	return w
}

func identity(i tvilling.Identity, version uint64) *state.Identity {
	return &state.Identity{
		ID: i, Generation: "638503000000000001", Version: version, Created: time.Unix(1_700_000_000, 5).UTC(),
		Auth: state.Authentication{Type: state.SAS, SealedPrimary: []byte("sealed one"), SealedSecondary: []byte("sealed two")},
	}
}

func change(sequence uint64, i tvilling.Identity) state.Change {
	return state.Change{
		Sequence: sequence, Time: time.Unix(1_700_000_000, int64(sequence)).UTC(), Op: state.UpdateTwin, ID: i,
		Actor: "policy:iothubowner", Version: int64(sequence), Body: fmt.Append(nil, `{"n":`, sequence, `}`),
	}
}

// device returns the writes of a device of a version, twin and session included.
func device(name string, version int64) []state.Write {
	i := id(name, "")
	return []state.Write{
		{ID: i, Identity: identity(i, uint64(version))},
		{ID: i, Twin: twin(i, version)},
		{ID: i, Session: &state.Session{ID: i, Present: true, Topics: state.Topic(version), ClientType: "test"}},
	}
}

func commit(t testing.TB, s state.Store, b *state.Batch) {
	t.Helper()
	if err := s.Commit(t.Context(), b); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

// version returns the version of a device's twin, 0 if there is none.
func version(t testing.TB, s state.Store, name string) int64 {
	t.Helper()
	w, err := s.Twin(t.Context(), id(name, ""))
	if err != nil {
		t.Fatalf("Twin(%s): %v", name, err)
	}
	if w == nil {
		return 0
	}
	return w.Version
}

// copyDir copies a directory as it is on disk: what another process would
// find if this one ended now.
func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// segmentFiles returns the paths of the journal's files, oldest first.
func segmentFiles(t testing.TB, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "journal", "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}
