package securitydb_test

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/store/securitydb"
)

var writeFixture = flag.Bool("write-fixture", false, "write a database of this version to testdata, unless there is one")

func fixture(version int) string { return filepath.Join("testdata", fmt.Sprintf("v%d.db.gz", version)) }

const fixtureRecords = 5

// TestOldVersions opens a database of every version there has been, reads all
// of it and commits to it.
func TestOldVersions(t *testing.T) {
	t.Parallel()
	if *writeFixture {
		makeFixture(t)
	}
	for version := 1; version <= securitydb.Schema; version++ {
		dir := t.TempDir()
		packed, err := os.Open(fixture(version))
		if err != nil {
			t.Fatal(err)
		}
		r, err := gzip.NewReader(packed)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "security.db"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, securitydb.Options{Dir: dir})
		if got := count(t, s); got != fixtureRecords {
			t.Errorf("version %d: %d batches, want %d", version, got, fixtureRecords)
		}
		for n := range fixtureRecords {
			checkRecords(t, s, n)
		}
		commit(t, s, records(fixtureRecords))
		if got := count(t, s); got != fixtureRecords+1 {
			t.Errorf("version %d: %d batches after one more, want %d", version, got, fixtureRecords+1)
		}
		database(t, dir, func(conn *sqlite.Conn) error {
			return sqlitex.ExecuteTransient(conn, "PRAGMA user_version", &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
				if got := stmt.ColumnInt(0); got != securitydb.Schema {
					t.Errorf("version %d is %d after it was opened, want %d", version, got, securitydb.Schema)
				}
				return nil
			}})
		})
	}
}

// checkRecords compares the records of one batch with what is stored of them.
func checkRecords(t *testing.T, s *securitydb.Store, n int) {
	t.Helper()
	ctx, want := t.Context(), records(n)
	got := &ledger.Batch{Cursors: map[string]uint64{}, Values: want.Values}
	a, err := s.Alert(ctx, want.Alerts[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	got.Alerts = []*ledger.Alert{a}
	if got.Steps, err = s.History(ctx, a.ID); err != nil {
		t.Fatal(err)
	}
	r, err := s.Recommendation(ctx, want.Devices[0].ID, "open-ports")
	if err != nil {
		t.Fatal(err)
	}
	got.Recommendations = []*ledger.Recommendation{r}
	d, err := s.Device(ctx, want.Devices[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	got.Devices = []*ledger.Device{d}
	for e, err := range s.Feed(ctx, uint64(n)) {
		if err != nil {
			t.Fatal(err)
		}
		got.Feed = []ledger.Entry{e}
		break
	}
	f, err := s.Fingerprints(ctx, tvilling.Device(d.ID))
	if err != nil {
		t.Fatal(err)
	}
	got.Credentials = []ledger.Credential{{ID: tvilling.Device(d.ID), Fingerprints: [][]byte{f[1], f[0]}}} // in ascending order here
	want.Cursors = map[string]uint64{}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("batch %d: -want +got:\n%s", n, d)
	}
}

func makeFixture(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(fixture(securitydb.Schema)); err == nil {
		t.Fatalf("%s is there; what was released is never changed", fixture(securitydb.Schema))
	}
	dir := t.TempDir()
	s := open(t, securitydb.Options{Dir: dir})
	for n := range fixtureRecords {
		commit(t, s, records(n))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "security.db"))
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(fixture(securitydb.Schema), packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestForeignDatabases(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, script string
		want         tvilling.Code
		says         string
	}{
		{"newer version", fmt.Sprintf("PRAGMA user_version = %d", securitydb.Schema+1), tvilling.Unsupported, "newer version"},
		{"another program's", "PRAGMA application_id = 7", tvilling.InvalidArgument, "not a security store"},
	} {
		dir := t.TempDir()
		s := open(t, securitydb.Options{Dir: dir})
		commit(t, s, records(0))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		database(t, dir, func(conn *sqlite.Conn) error { return sqlitex.ExecuteScript(conn, test.script, nil) })
		_, err := securitydb.Open(t.Context(), securitydb.Options{Dir: dir})
		wantCode(t, test.name, err, test.want)
		if !strings.Contains(tvilling.MessageOf(err), test.says) {
			t.Errorf("%s: the refusal %q does not say %q", test.name, tvilling.MessageOf(err), test.says)
		}
		// It is as it was: the refusal gave the lock back and wrote nothing.
		database(t, dir, func(conn *sqlite.Conn) error {
			return sqlitex.ExecuteScript(conn, fmt.Sprintf("PRAGMA user_version = %d; PRAGMA application_id = %d", securitydb.Schema, 0x74767365), nil)
		})
		if got := count(t, open(t, securitydb.Options{Dir: dir})); got != 1 {
			t.Errorf("%s: %d batches, want 1", test.name, got)
		}
	}
}

// TestPlans demands that no page of a list is sorted or looked for row by row.
func TestPlans(t *testing.T) {
	t.Parallel()
	s := open(t, securitydb.Options{})
	for _, q := range securitydb.ListQueries() {
		plan, err := s.Plan(q.Query)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(plan, "SEARCH") || !strings.Contains(plan, q.Index) || strings.Contains(plan, "TEMP B-TREE") || strings.Count(plan, "\n") != 1 {
			t.Errorf("the query for %s runs as %s\n%s", q.Index, plan, q.Query)
		}
	}
}
