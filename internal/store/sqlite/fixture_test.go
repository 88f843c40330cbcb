package sqlite_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/store/sqlite"
)

var update = flag.Bool("update", false, "write the fixture of the current format, if there is none yet")

// currentFixture is what the current version writes. A change of the schema
// or of a form on disk begins the next one; older ones stay as they are.
//
//   - v1: records of format 1
//   - v2: the twins of the modules have owned members (format 2 of a twin)
//   - v3: changes with a cause (format 2 of a directory)
const currentFixture = "testdata/fixtures/v3.tar.gz"

// changeOf returns a change as the fixture of a file has it.
func changeOf(file string, sequence uint64, i tvilling.Identity) state.Change {
	c := change(sequence, i)
	if base := filepath.Base(file); sequence%10 == 1 && base != "v1.tar.gz" && base != "v2.tar.gz" {
		c.Cause = fmt.Sprint("restore of version ", sequence)
	}
	return c
}

// moduleTwin returns the twin of a module as the fixture of a file has it.
func moduleTwin(file string, i tvilling.Identity) *state.Twin {
	if filepath.Base(file) == "v1.tar.gz" {
		return twin(i, 2)
	}
	return owning(i, 2)
}

// fixture fills a store as every fixture was: with records in the database,
// later ones in the journal alone, and deletes in both.
func fixture(t *testing.T, dir string) {
	t.Helper()
	s := open(t, sqlite.Options{Dir: dir})
	for n := range 20 {
		name := fmt.Sprint("device-", n)
		b := &state.Batch{Writes: device(name, int64(n+1)), Changes: []state.Change{changeOf(currentFixture, uint64(n+1), id(name, ""))}}
		m := id(name, "azureiotsecurity")
		b.Writes = append(b.Writes, state.Write{ID: m, Identity: identity(m, 1)}, state.Write{ID: m, Twin: owning(m, 2)})
		commit(t, s, b)
	}
	commit(t, s, &state.Batch{Writes: []state.Write{
		{ID: id("device-0", ""), Delete: true},
		{Setting: &state.Setting{Name: "policies", Value: []byte("first")}},
		{Counters: &state.Counters{Devices: 19, Modules: 20}},
	}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, sqlite.Options{Dir: dir})
	b := &state.Batch{Writes: device("device-1", 100), Changes: []state.Change{changeOf(currentFixture, 21, id("device-1", "")), change(22, id("device-2", ""))}}
	b.Writes = append(b.Writes, state.Write{ID: id("device-2", ""), Delete: true}, state.Write{Setting: &state.Setting{Name: "rule", Value: []byte("second")}},
		state.Write{Counters: &state.Counters{Devices: 18, Modules: 20}})
	commit(t, s, b)
	if err := s.Abandon(); err != nil {
		t.Fatal(err)
	}
}

func checkFixture(t *testing.T, dir, file string) {
	t.Helper()
	s := open(t, sqlite.Options{Dir: dir})
	if got := s.Stats().Replayed; got != 1 {
		t.Errorf("%d batches were replayed, want 1", got)
	}
	devices, modules := 0, 0
	for e, err := range s.Scan(t.Context(), state.Range{}) {
		if err != nil {
			t.Fatal(err)
		}
		i := e.Identity.ID
		if i.IsModule() {
			modules++
			if cmp.Diff(identity(i, 1), e.Identity) != "" || cmp.Diff(moduleTwin(file, i), e.Twin) != "" {
				t.Errorf("module %s is %+v with %+v", i, e.Identity, e.Twin)
			}
			continue
		}
		devices++
		want := int64(100)
		if i.Device != "device-1" {
			if _, err := fmt.Sscanf(string(i.Device), "device-%d", &want); err != nil {
				t.Fatal(err)
			}
			want++
		}
		if d := cmp.Diff(identity(i, uint64(want)), e.Identity); d != "" {
			t.Errorf("identity %s: -want +got:\n%s", i, d)
		}
		if d := cmp.Diff(twin(i, want), e.Twin); d != "" {
			t.Errorf("twin %s: -want +got:\n%s", i, d)
		}
		wantSession := &state.Session{ID: i, Present: true, Topics: state.Topic(want), ClientType: "test"}
		if got, err := s.Session(t.Context(), i); err != nil || cmp.Diff(wantSession, got) != "" {
			t.Errorf("session %s: %v, %v", i, got, err)
		}
	}
	if devices != 18 || modules != 20 {
		t.Errorf("%d devices, %d modules; want 18, 20", devices, modules)
	}
	for name, want := range map[string]string{"policies": "first", "rule": "second"} {
		if got, err := s.Setting(t.Context(), name); err != nil || string(got) != want {
			t.Errorf("setting %s = %q, %v; want %q", name, got, err, want)
		}
	}
	if got, err := s.Counters(t.Context()); err != nil || got != (state.Counters{Devices: 18, Modules: 20}) {
		t.Errorf("Counters = %+v, %v", got, err)
	}
	n := uint64(0)
	for c, err := range s.Changes(t.Context(), 0) {
		n++
		name := fmt.Sprint("device-", n-1)
		if n > 20 {
			name = fmt.Sprint("device-", n-20)
		}
		if err != nil || cmp.Diff(changeOf(file, n, id(name, "")), c) != "" {
			t.Errorf("change %d: %v, %v", n, c, err)
		}
	}
	if head, _ := s.Head(); n != 22 || head != 22 {
		t.Errorf("%d changes, head %d; want 22", n, head)
	}
}

// TestFixtures opens what every released version wrote and reads all of it.
// New fixtures are written by go test ./internal/store/sqlite -run TestFixtures -update.
func TestFixtures(t *testing.T) {
	if _, err := os.Stat(currentFixture); *update && os.IsNotExist(err) {
		dir := t.TempDir()
		fixture(t, dir)
		pack(t, dir, currentFixture)
	}
	files, err := filepath.Glob("testdata/fixtures/*.tar.gz")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			dir := t.TempDir()
			unpack(t, file, dir)
			checkFixture(t, dir, file)
		})
	}
}

// TestFixtureIsCurrent demands that what is written today reads like a fixture.
func TestFixtureIsCurrent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fixture(t, dir)
	checkFixture(t, dir, currentFixture)
}

func pack(t *testing.T, dir, file string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	w := tar.NewWriter(z)
	if err := errors.Join(w.AddFS(os.DirFS(dir)), w.Close(), z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func unpack(t *testing.T, file, dir string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // it is only read
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.FileInfo().IsDir() {
			continue
		}
		if err := root.MkdirAll(filepath.Dir(h.Name), 0o700); err != nil {
			t.Fatal(err)
		}
		out, err := root.Create(h.Name)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(out, r)
		if err := errors.Join(err, out.Close()); err != nil {
			t.Fatal(err)
		}
	}
}
