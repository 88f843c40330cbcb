package sqlite_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	zombiezen "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/store/segment"
	"github.com/tvilling/tvilling/internal/store/sqlite"
)

// database runs f on the database of a store that is closed.
func database(t *testing.T, dir string, f func(*zombiezen.Conn) error) {
	t.Helper()
	conn, err := zombiezen.OpenConn(filepath.Join(dir, "hub.db"), zombiezen.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	if err := f(conn); err != nil {
		t.Error(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
}

// stored returns the value of a row.
func stored(t *testing.T, dir, where string) (value []byte) {
	t.Helper()
	database(t, dir, func(conn *zombiezen.Conn) error {
		return sqlitex.ExecuteTransient(conn, "SELECT value FROM "+where, &sqlitex.ExecOptions{
			ResultFunc: func(stmt *zombiezen.Stmt) error {
				value = make([]byte, stmt.ColumnLen(0))
				stmt.ColumnBytes(0, value)
				return nil
			},
		})
	})
	if value == nil {
		t.Fatalf("there is no %s", where)
	}
	return value
}

func overwrite(t *testing.T, dir, where string, value []byte) {
	t.Helper()
	table, cond, _ := strings.Cut(where, " ")
	database(t, dir, func(conn *zombiezen.Conn) error {
		return sqlitex.ExecuteTransient(conn, "UPDATE "+table+" SET value = ? "+cond, &sqlitex.ExecOptions{Args: []any{value}})
	})
}

// closed returns the directory of a store with devices "a", "b" and "c", a
// setting and counters, all in the database.
func closed(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	s := open(t, sqlite.Options{Dir: dir})
	for n, name := range []string{"a", "b", "c"} {
		b := &state.Batch{Writes: device(name, int64(n+1)), Changes: []state.Change{change(uint64(n+1), id(name, ""))}}
		b.Writes = append(b.Writes,
			state.Write{Setting: &state.Setting{Name: "policies", Value: []byte("all of them")}},
			state.Write{Counters: &state.Counters{Devices: 3}})
		commit(t, s, b)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestDamagedValue flips every bit of every stored value, one at a time: its
// record is refused by name, every other one is served.
func TestDamagedValue(t *testing.T) {
	t.Parallel()
	dir := closed(t)
	ctx := context.Background()
	for _, test := range []struct {
		where, subject string
		read           func(*sqlite.Store) error
		heal           state.Write
	}{
		{"identity WHERE device = 'b'", "identity b", func(s *sqlite.Store) error { _, err := s.Identity(ctx, id("b", "")); return err }, device("b", 2)[0]},
		{"twin WHERE device = 'b'", "twin b", func(s *sqlite.Store) error { _, err := s.Twin(ctx, id("b", "")); return err }, device("b", 2)[1]},
		{"session WHERE device = 'b'", "session b", func(s *sqlite.Store) error { _, err := s.Session(ctx, id("b", "")); return err }, device("b", 2)[2]},
		{
			"setting WHERE name = 'policies'", "setting policies", func(s *sqlite.Store) error { _, err := s.Setting(ctx, "policies"); return err },
			state.Write{Setting: &state.Setting{Name: "policies", Value: []byte("x")}},
		},
		{"meta WHERE name = 'counters'", "counters", func(s *sqlite.Store) error { _, err := s.Counters(ctx); return err }, state.Write{Counters: &state.Counters{}}},
	} {
		good := stored(t, dir, test.where)
		s := open(t, sqlite.Options{Dir: dir, CacheBytes: 1})
		for bit := range len(good) * 8 {
			bad := bytes.Clone(good)
			bad[bit/8] ^= 1 << (bit % 8)
			// The store's own readers see what another connection commits.
			overwrite(t, dir, test.where, bad)
			err := test.read(s)
			if tvilling.CodeOf(err) != tvilling.Corrupt && tvilling.CodeOf(err) != tvilling.Unsupported || !strings.Contains(err.Error(), test.subject) {
				t.Fatalf("%s with bit %d flipped: %v, want a refusal that names %s", test.where, bit, err, test.subject)
			}
		}
		for _, name := range []string{"a", "c"} {
			if got := version(t, s, name); got == 0 {
				t.Errorf("with %s damaged, device %s is not served", test.where, name)
			}
		}
		checkDamagedScan(t, s, test.subject)
		if s.Stats().Corrupt == 0 {
			t.Error("refusals are not counted")
		}
		commit(t, s, &state.Batch{Writes: []state.Write{test.heal}})
		if err := test.read(s); err != nil {
			t.Errorf("%s after it was written anew: %v", test.where, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		overwrite(t, dir, test.where, good)
	}
}

func checkDamagedScan(t *testing.T, s *sqlite.Store, subject string) {
	t.Helper()
	var names, refused []string
	for e, err := range s.Scan(t.Context(), state.Range{}) {
		if err != nil {
			refused = append(refused, err.Error())
			if known := e.Identity != nil && e.Identity.ID == id("b", ""); known != (subject == "twin b") {
				t.Errorf("a scan over a damaged %s yields identity %v beside the error", subject, e.Identity)
			}
			continue
		}
		names = append(names, e.Identity.ID.String())
	}
	checkDamagedTwins(t, s, subject)
	got := strings.Join(names, " ")
	switch subject {
	case "identity b", "twin b":
		if got != "a c" || len(refused) != 1 || !strings.Contains(refused[0], subject) {
			t.Errorf("a scan over a damaged %s yields %q and refuses %q", subject, got, refused)
		}
	default:
		if got != "a b c" || len(refused) != 0 {
			t.Errorf("a scan beside a damaged %s yields %q and refuses %q", subject, got, refused)
		}
	}
}

// checkDamagedTwins is checkDamagedScan for a scan of twins alone, which a
// damaged identity does not concern.
func checkDamagedTwins(t *testing.T, s *sqlite.Store, subject string) {
	t.Helper()
	var got []string
	for e, err := range s.Scan(t.Context(), state.Range{Bare: true}) {
		switch {
		case err == nil:
			got = append(got, string(e.Twin.ID.Device))
		case strings.Contains(err.Error(), subject) && tvilling.CodeOf(err) != "":
			got = append(got, "refused")
		default:
			t.Errorf("a scan of twins beside a damaged %s: %v", subject, err)
		}
	}
	want := "a b c"
	if subject == "twin b" {
		want = "a refused c"
	}
	if strings.Join(got, " ") != want {
		t.Errorf("a scan of twins beside a damaged %s yields %q, want %q", subject, got, want)
	}
}

// TestDamagedDeleted demands that a damaged record can be deleted and its
// identity be made anew.
func TestDamagedDeleted(t *testing.T) {
	t.Parallel()
	dir := closed(t)
	for _, table := range []string{"identity", "twin", "session"} {
		overwrite(t, dir, table+" WHERE device = 'b'", []byte("nonsense"))
	}
	s := open(t, sqlite.Options{Dir: dir})
	for range 2 {
		commit(t, s, &state.Batch{Writes: []state.Write{{ID: id("b", ""), Delete: true}}})
		if got := version(t, s, "b"); got != 0 {
			t.Errorf("a deleted device has version %d", got)
		}
		if err := s.WriteBack(); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, s, &state.Batch{Writes: device("b", 9)})
	if got := version(t, s, "b"); got != 9 {
		t.Errorf("a device made anew has version %d, want 9", got)
	}
}

// TestMovedValue demands that a value is not served under another key.
func TestMovedValue(t *testing.T) {
	t.Parallel()
	dir := closed(t)
	overwrite(t, dir, "twin WHERE device = 'a'", stored(t, dir, "twin WHERE device = 'b'"))
	s := open(t, sqlite.Options{Dir: dir})
	_, err := s.Twin(t.Context(), id("a", ""))
	wantCode(t, "a twin under another key", err, tvilling.Corrupt)
}

// TestDamagedPosition demands that a database that does not say what it holds
// is brought up to date from the journal.
func TestDamagedPosition(t *testing.T) {
	t.Parallel()
	dir := closed(t)
	overwrite(t, dir, "meta WHERE name = 'position'", []byte("nonsense"))
	s := open(t, sqlite.Options{Dir: dir})
	for n, name := range []string{"a", "b", "c"} {
		if got := version(t, s, name); got != int64(n+1) {
			t.Errorf("device %s has version %d, want %d", name, got, n+1)
		}
	}
	if head, _ := s.Head(); head != 3 {
		t.Errorf("head is %d, want 3", head)
	}
	commit(t, s, &state.Batch{Writes: device("a", 9), Changes: []state.Change{change(4, id("a", ""))}})
}

// journalOnly returns the directory of a store whose process ended with
// everything in the journal: devices d0 to d7, each with version 1, then 2.
func journalOnly(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	s := open(t, sqlite.Options{Dir: dir})
	// Version 1 reaches the database, so that a lost version 2 could show up
	// as a stale one.
	for n := range 8 {
		commit(t, s, &state.Batch{Writes: device(fmt.Sprint("d", n), 1)})
	}
	if err := s.WriteBack(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, sqlite.Options{Dir: dir})
	for n := range 8 {
		name := fmt.Sprint("d", n)
		commit(t, s, &state.Batch{Writes: device(name, 2), Changes: []state.Change{change(uint64(n+1), id(name, ""))}})
	}
	if err := s.Abandon(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestDamagedJournal flips bits all over the journal that a start has to
// replay: no stale record is served, and at most one is refused.
func TestDamagedJournal(t *testing.T) {
	t.Parallel()
	dir := journalOnly(t)
	file := segmentFiles(t, dir)[0]
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	end := len(bytes.TrimRight(good, "\x00")) // beyond it is room reserved ahead
	refusals := 0
	for at := 0; at < end; at += 11 {
		bad := bytes.Clone(good)
		bad[at] ^= 1 << (at % 8)
		broken := copyDir(t, dir)
		if err := os.WriteFile(filepath.Join(broken, "journal", filepath.Base(file)), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: broken, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatalf("byte %d: Open: %v", at, err)
		}
		refused := refusedRecords(t, s, at)
		if refused > 1 {
			t.Errorf("byte %d: %d records are refused, want 1 at most", at, refused)
		}
		refusals += refused
		// What was refused is still so once the database holds it.
		if err := s.Close(); err != nil {
			t.Fatalf("byte %d: Close: %v", at, err)
		}
		if s, err = sqlite.Open(t.Context(), sqlite.Options{Dir: broken}); err != nil {
			t.Fatalf("byte %d: Open again: %v", at, err)
		}
		if got := refusedRecords(t, s, at); got != refused {
			t.Errorf("byte %d: %d records are refused after a restart, %d before", at, got, refused)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if refusals == 0 {
		t.Error("no flip was noticed")
	}
}

// refusedRecords counts the records that are refused and fails the test at
// any that is stale or gone.
func refusedRecords(t *testing.T, s *sqlite.Store, at int) int {
	t.Helper()
	refused := 0
	note := func(what string, v int64, err error) {
		switch {
		case tvilling.CodeOf(err) == tvilling.Corrupt:
			refused++
		case err != nil || v != 2:
			t.Errorf("byte %d: %s has version %d, %v; want 2 or a refusal", at, what, v, err)
		}
	}
	for n := range 8 {
		i := id(fmt.Sprint("d", n), "")
		d, err := s.Identity(t.Context(), i)
		if d == nil {
			d = &state.Identity{}
		}
		note("identity "+i.String(), int64(d.Version), err)
		w, err := s.Twin(t.Context(), i)
		if w == nil {
			w = &state.Twin{}
		}
		note("twin "+i.String(), w.Version, err)
		x, err := s.Session(t.Context(), i)
		if x == nil {
			x = &state.Session{}
		}
		note("session "+i.String(), int64(x.Topics), err)
	}
	return refused
}

// TestLostDirectory loses a batch's directory and one of its writes: nobody
// can say which record is stale, so the store is not opened unless it must be.
func TestLostDirectory(t *testing.T) {
	t.Parallel()
	dir := journalOnly(t)
	file := segmentFiles(t, dir)[0]
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// The last batch begins at the last directory; its next record is a write.
	at := bytes.LastIndex(data, []byte{'D', 1})
	data[at+2] ^= 1
	next := at + bytes.Index(data[at:], []byte{'P', 1, 1})
	data[next+10] ^= 1
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
	wantCode(t, "Open", err, tvilling.Corrupt)
	if err == nil || !strings.Contains(err.Error(), "accept the loss") {
		t.Errorf("the refusal does not say what to do: %v", err)
	}
	s := open(t, sqlite.Options{Dir: dir, AcceptLoss: true})
	if got := version(t, s, "d6"); got != 2 {
		t.Errorf("device d6 has version %d, want 2", got)
	}
}

// TestDamagedHistory damages a change that is in history only: it is refused,
// the others are shown.
func TestDamagedHistory(t *testing.T) {
	t.Parallel()
	dir := closed(t)
	file := segmentFiles(t, dir)[0]
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[bytes.Index(data, []byte(`{"n":2}`))] ^= 4
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, sqlite.Options{Dir: dir})
	var got []uint64
	refused := 0
	for c, err := range s.Changes(t.Context(), 0) {
		if err != nil {
			wantCode(t, "a damaged change", err, tvilling.Corrupt)
			refused++
			continue
		}
		got = append(got, c.Sequence)
	}
	if fmt.Sprint(got) != "[1 3]" || refused != 1 {
		t.Errorf("Changes yields %v and refuses %d, want [1 3] and 1", got, refused)
	}
	if got := version(t, s, "b"); got != 2 {
		t.Errorf("device b has version %d, want 2", got)
	}
}

// TestLastChangeDamaged demands that the sequence of a lost change is not
// given out again.
func TestLastChangeDamaged(t *testing.T) {
	t.Parallel()
	dir := journalOnly(t)
	file := segmentFiles(t, dir)[0]
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[bytes.Index(data, []byte(`{"n":8}`))] ^= 4
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, sqlite.Options{Dir: dir})
	if head, _ := s.Head(); head != 8 {
		t.Errorf("head is %d, want 8", head)
	}
}

// TestApart demands that a database and a journal that do not belong together
// are refused, and that a journal that is whole replaces the database.
func TestApart(t *testing.T) {
	t.Parallel()
	remove := func(t *testing.T, pattern string) string {
		dir := closed(t)
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, f := range files {
			if err := os.Remove(f); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	t.Run("journal lost", func(t *testing.T) {
		t.Parallel()
		_, err := sqlite.Open(t.Context(), sqlite.Options{Dir: remove(t, "journal/*.seg")})
		wantCode(t, "Open", err, tvilling.Corrupt)
	})
	t.Run("database lost", func(t *testing.T) {
		t.Parallel()
		s := open(t, sqlite.Options{Dir: remove(t, "hub.db*")})
		if got := version(t, s, "c"); got != 3 {
			t.Errorf("device c has version %d, want 3", got)
		}
	})
	t.Run("database lost, journal not whole", func(t *testing.T) {
		t.Parallel()
		dir := closed(t)
		s := open(t, sqlite.Options{Dir: dir})
		if err := s.Retain(sqlite.Options{HistoryBytes: 1, HistoryAge: 1}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, "hub.db")); err != nil {
			t.Fatal(err)
		}
		_, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
		wantCode(t, "Open", err, tvilling.Corrupt)
	})
	t.Run("database is none", func(t *testing.T) {
		t.Parallel()
		dir := closed(t)
		if err := os.WriteFile(filepath.Join(dir, "hub.db"), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
		wantCode(t, "Open", err, tvilling.Corrupt)
	})
}

// TestNewerVersion demands that what a newer version wrote is left alone.
func TestNewerVersion(t *testing.T) {
	t.Parallel()
	t.Run("schema", func(t *testing.T) {
		t.Parallel()
		dir := closed(t)
		database(t, dir, func(conn *zombiezen.Conn) error {
			return sqlitex.ExecuteTransient(conn, "PRAGMA user_version = 1000", nil)
		})
		_, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
		wantCode(t, "Open", err, tvilling.Unsupported)
		if err == nil || !strings.Contains(err.Error(), "newer version") {
			t.Errorf("the refusal does not say why: %v", err)
		}
	})
	t.Run("journal", func(t *testing.T) {
		t.Parallel()
		dir := closed(t)
		log, err := segment.Open(segment.Options{Dir: filepath.Join(dir, "journal")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := log.Append([][]byte{{'D', 200, 1, 2, 3}}); err != nil {
			t.Fatal(err)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		_, err = sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
		wantCode(t, "Open", err, tvilling.Unsupported)
	})
	t.Run("foreign", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		conn, err := zombiezen.OpenConn(filepath.Join(dir, "hub.db"))
		if err != nil {
			t.Fatal(err)
		}
		if err := sqlitex.ExecuteTransient(conn, "CREATE TABLE recipes (name TEXT)", nil); err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		_, err = sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
		wantCode(t, "Open", err, tvilling.InvalidArgument)
	})
}

func TestTwoOpens(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, sqlite.Options{Dir: dir})
	commit(t, s, &state.Batch{Writes: device("d", 1)})
	_, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
	wantCode(t, "second Open", err, tvilling.Unavailable)
	if want := fmt.Sprintf("already in use by another process (pid %d)", os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("second Open: %v, want %q", err, want)
	}
	if got := version(t, s, "d"); got != 1 {
		t.Errorf("the first store serves version %d, want 1", got)
	}
	for _, name := range []string{"hub.db", "hub.db-wal", "lock"} {
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v; want 0600", name, fi.Mode(), err)
		}
	}
}
