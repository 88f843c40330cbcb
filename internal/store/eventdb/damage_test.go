package eventdb_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/store/eventdb"
)

// database runs f on the file of a day of a store that is closed.
func database(t tester, path string, f func(*sqlite.Conn) error) {
	t.Helper()
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		t.Fatalf("open %s: %v", path, err)
	}
	if err := f(conn); err != nil {
		t.Fatalf("change %s: %v", path, err)
	}
	if err := conn.Close(); err != nil {
		t.Fatalf("close %s: %v", path, err)
	}
}

// stored returns a value of a file.
func stored(t tester, path, query string) (value []byte) {
	t.Helper()
	database(t, path, func(conn *sqlite.Conn) error {
		return sqlitex.ExecuteTransient(conn, query, &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
			value = make([]byte, stmt.ColumnLen(0))
			stmt.ColumnBytes(0, value)
			return nil
		}})
	})
	if value == nil {
		t.Fatalf("%s yields nothing", query)
	}
	return value
}

func change(t tester, path, statement string, args ...any) {
	t.Helper()
	database(t, path, func(conn *sqlite.Conn) error {
		return sqlitex.ExecuteTransient(conn, statement, &sqlitex.ExecOptions{Args: args})
	})
}

// closed makes a store in a directory with one message in each of three
// blocks, of devices a, b and a, and closes it.
func closed(t *testing.T) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	db := open(t, eventdb.Options{Dir: dir, BlockBytes: 1})
	add(t, db, message(1, "a", 0, numbered(1)), message(2, "b", 0, numbered(2)), message(3, "a", 0, numbered(3), "text"))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, filepath.Join(dir, "2026-11-24.db")
}

// outcome tells what a query yields: "1.0" for an event, the text for an error.
func outcome(t tester, db *eventdb.DB, q event.Query) (got []string, errs []error) {
	for r, err := range db.Events(contextOf(t), q) {
		if err != nil {
			got, errs = append(got, "damage"), append(errs, err)
			continue
		}
		got = append(got, fmt.Sprintf("%d.%d", r.Position.Sequence, r.Position.Index))
	}
	return got, errs
}

// TestDamagedBlock flips every bit of a block: it is refused by name, and all
// others are served.
func TestDamagedBlock(t *testing.T) {
	t.Parallel()
	dir, path := closed(t)
	good := stored(t, path, "SELECT data FROM body WHERE first = 3")
	for bit := range len(good) * 8 {
		bad := bytes.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		change(t, path, "UPDATE body SET data = ? WHERE first = 3", bad)
		if bit%97 != 0 { // opening takes much longer than the rest
			continue
		}
		db := open(t, eventdb.Options{Dir: dir})
		for q, want := range map[*event.Query][]string{
			{}: {"1.0", "2.0", "damage"}, {Descending: true}: {"damage", "2.0", "1.0"},
			{Device: "a"}: {"1.0", "damage"}, {Device: "b"}: {"2.0"},
		} {
			got, errs := outcome(t, db, *q)
			if !slices.Equal(got, want) {
				t.Fatalf("bit %d: %+v yields %q, want %q", bit, *q, got, want)
			}
			for _, err := range errs {
				if tvilling.CodeOf(err) != tvilling.Corrupt || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "block 3") {
					t.Fatalf("bit %d: %v, want code Corrupt with the names of the file and the block", bit, err)
				}
			}
		}
		if db.Stats().Corrupt == 0 {
			t.Error("damage is not counted")
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDamagedBlockHeals demands that an event whose block is damaged is kept
// again when it is sent again, and that others are still known.
func TestDamagedBlockHeals(t *testing.T) {
	t.Parallel()
	dir, path := closed(t)
	change(t, path, "UPDATE body SET data = zeroblob(50) WHERE first = 3")
	var logged strings.Builder
	db := open(t, eventdb.Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	got := add(t, db, message(4, "a", 0, numbered(3), numbered(1)), message(5, "a", 0, numbered(3), numbered(1)))
	if want := [][]bool{{false, true}, {true, true}}; !slices.EqualFunc(got, want, slices.Equal[[]bool]) {
		t.Errorf("duplicates %v, want %v", got, want)
	}
	if n := strings.Count(logged.String(), "\n"); n != 1 || !strings.Contains(logged.String(), "block 3") {
		t.Errorf("the log has %d lines, want one that names the block:\n%s", n, logged.String())
	}
}

// TestDamagedList flips every bit of a row of a device's list.
func TestDamagedList(t *testing.T) {
	t.Parallel()
	dir, path := closed(t)
	good := stored(t, path, "SELECT list FROM posting WHERE device = 'a'")
	for bit := 0; bit < len(good)*8; bit += 7 {
		bad := bytes.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		change(t, path, "UPDATE posting SET list = ? WHERE device = 'a'", bad)
		db := open(t, eventdb.Options{Dir: dir})
		if got, _ := outcome(t, db, event.Query{}); !slices.Equal(got, []string{"1.0", "2.0", "3.0", "3.1"}) {
			t.Fatalf("bit %d: without a device %q", bit, got)
		}
		for _, descending := range []bool{false, true} {
			got, errs := outcome(t, db, event.Query{Device: "a", Descending: descending})
			if !slices.Equal(got, []string{"damage"}) || tvilling.CodeOf(errs[0]) != tvilling.Corrupt || !strings.Contains(errs[0].Error(), path) {
				t.Fatalf("bit %d: %q, %v", bit, got, errs)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// More of the device goes to another row.
	db := open(t, eventdb.Options{Dir: dir})
	add(t, db, message(4, "a", 0, numbered(4)))
	flush(t, db)
	if got, _ := outcome(t, db, event.Query{Device: "a"}); !slices.Equal(got, []string{"damage", "4.0"}) {
		t.Errorf("after more was added: %q", got)
	}
	if got := add(t, db, message(5, "a", 0, numbered(4)))[0]; !got[0] {
		t.Error("an event of the new row is not known")
	}
}

// TestDamagedSummary demands that a file whose summary is wrong is read, and
// that it says nothing wrong about what is durable.
func TestDamagedSummary(t *testing.T) {
	t.Parallel()
	for _, statement := range []string{
		"UPDATE summary SET position = 1000", "UPDATE summary SET newest = 5", "UPDATE summary SET salt = zeroblob(16)",
		"UPDATE summary SET checksum = 7", "DELETE FROM summary",
	} {
		dir, path := closed(t)
		change(t, path, statement)
		for range 2 {
			db := open(t, eventdb.Options{Dir: dir})
			if db.Durable() != 3 {
				t.Errorf("%s: Durable = %d, want 3", statement, db.Durable())
			}
			if got, errs := outcome(t, db, event.Query{Device: "a"}); !slices.Equal(got, []string{"1.0", "3.0", "3.1"}) {
				t.Errorf("%s: %q, %v", statement, got, errs)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestDamagedFile demands that a day that cannot be opened is named by every
// query, and that days before and after it, and today, go on.
func TestDamagedFile(t *testing.T) {
	t.Parallel()
	for name, garbage := range map[string][]byte{"noise": bytes.Repeat([]byte("noise "), 5000), "half a header": []byte("SQLite form")} {
		dir := t.TempDir()
		o := eventdb.Options{Dir: dir, MaxAge: 10 * day}
		db := open(t, o)
		days(t, db, 3)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		for _, day := range []string{"2026-11-25", "2026-11-26"} {
			if err := os.WriteFile(filepath.Join(dir, day+".db"), garbage, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		db = open(t, o)
		if got := db.Durable(); got != 2 {
			t.Errorf("%s: Durable = %d, want 2: that is what can be read", name, got)
		}
		add(t, db, message(3, "d", day, "x"), message(7, "d", 2*day, "noon 0", "noon 2"))
		wantFiles(t, name, dir, "2026-11-24", "2026-11-25.1", "2026-11-25", "2026-11-26.1", "2026-11-26")
		for range 2 {
			got, errs := outcome(t, db, event.Query{})
			slices.Sort(got)
			if !slices.Equal(got, []string{"1.0", "2.0", "3.0", "7.1", "damage", "damage"}) {
				t.Errorf("%s: %q, %v", name, got, errs)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			db = open(t, o)
		}
		if n, err := db.Retain(t.Context(), noon.Add(30*day)); n != 5 || err != nil {
			t.Errorf("%s: Retain = %d, %v, want 5", name, n, err)
		}
	}
}

// TestForeignFiles refuses what is not the store's and leaves it alone.
func TestForeignFiles(t *testing.T) {
	t.Parallel()
	dir, path := closed(t)
	if err := os.WriteFile(filepath.Join(dir, "notes.db"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	db := open(t, eventdb.Options{Dir: dir}) // a file of another name is nobody's business
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		statement string
		code      tvilling.Code
	}{
		{"PRAGMA user_version = 99", tvilling.Unsupported},
		{"PRAGMA application_id = 5", tvilling.InvalidArgument}, // last: it is not undone
	} {
		change(t, path, test.statement)
		if _, err := eventdb.Open(t.Context(), eventdb.Options{Dir: dir}); tvilling.CodeOf(err) != test.code || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: Open = %v, want code %s with the file's name", test.statement, err, test.code)
		}
		change(t, path, fmt.Sprintf("PRAGMA user_version = %d", eventdb.Format))
	}
}

// TestDamageAnywhere changes bytes of a file: nothing that was not stored is
// ever yielded, events go on being taken, and nothing breaks.
func TestDamageAnywhere(t *testing.T) {
	t.Parallel()
	source := t.TempDir()
	db := open(t, eventdb.Options{Dir: source, BlockBytes: 2000})
	f := newFleet(5, 4, 3)
	known := make(map[event.Position]string)
	for n := range uint64(40) {
		m := f.message(n+1, noon)
		m.Rejects = unread(n+1, "x", 0).Rejects
		add(t, db, m)
		for i := range m.Events {
			known[event.Position{Sequence: n + 1, Index: i}] = string(m.From.Device) + m.Events[i].ID + string(m.Events[i].Payload)
		}
		if n%10 == 9 {
			flush(t, db)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(source, "2026-11-24.db"))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "eventdb") //nolint:usetesting // one for each run of the property
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		data := bytes.Clone(whole)
		for range rapid.IntRange(1, 20).Draw(t, "changes") {
			data[rapid.IntRange(0, len(data)-1).Draw(t, "at")] ^= rapid.ByteRange(1, 255).Draw(t, "with")
		}
		data = data[:len(data)-rapid.SampledFrom([]int{0, 0, 0, 1, 4096, 10_000}).Draw(t, "cut")]
		if err := os.WriteFile(filepath.Join(dir, "2026-11-24.db"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := eventdb.Open(t.Context(), eventdb.Options{Dir: dir})
		if err != nil {
			if c := tvilling.CodeOf(err); c != tvilling.InvalidArgument && c != tvilling.Unsupported {
				t.Fatalf("Open: %v", err) // its number or version was hit
			}
			return
		}
		defer func() { _ = db.Close() }()
		check := func() {
			for _, q := range []event.Query{{}, {Descending: true}, {Device: f.device(1)}, {Device: f.device(2), Descending: true}} {
				for r, err := range db.Events(t.Context(), q) {
					if err != nil {
						if tvilling.CodeOf(err) != tvilling.Corrupt {
							t.Fatalf("Events: %v, want code Corrupt", err)
						}
						continue
					}
					if r.Position.Sequence <= 40 && known[r.Position] != string(r.From.Device)+r.Event.ID+string(r.Event.Payload) {
						t.Fatalf("Events yields what was never stored: %+v", r)
					}
				}
			}
			for _, err := range db.DeadLetters(t.Context(), "", event.Position{}) {
				if err != nil && tvilling.CodeOf(err) != tvilling.Corrupt {
					t.Fatalf("DeadLetters: %v, want code Corrupt", err)
				}
			}
		}
		check()
		m := f.from(1, 1000, noon.Add(1))
		m.Rejects = unread(1000, "x", 0).Rejects
		add(t, db, m)
		flush(t, db)
		check()
		if got, _ := outcome(t, db, event.Query{Device: f.device(1), After: event.Position{Sequence: 999}}); len(got) < 4 {
			t.Fatalf("what was added later is not served: %q", got)
		}
	})
}

// TestDamagedWhileWritten demands that another file takes over when the one
// that is written to turns out to be damaged, and that nothing is lost.
func TestDamagedWhileWritten(t *testing.T) {
	t.Parallel()
	for _, table := range []string{"body", "block", "posting", "letter", "letter_count"} {
		dir, path := closed(t)
		change(t, path, "DROP TABLE "+table)
		var logged strings.Builder
		o := eventdb.Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(&logged, nil))}
		db := open(t, o)
		m := message(4, "a", 0, numbered(4), "other")
		m.Rejects = unread(4, "a", 0).Rejects
		add(t, db, m)
		flush(t, db)
		if got := add(t, db, message(5, "a", 0, numbered(4)))[0]; !got[0] {
			t.Errorf("%s: an event in the new file is not known", table)
		}
		if db.Durable() != 4 {
			t.Errorf("%s: Durable = %d, want 4", table, db.Durable())
		}
		wantFiles(t, table, dir, "2026-11-24.1", "2026-11-24")
		for range 2 {
			got, _ := outcome(t, db, event.Query{Device: "a", After: event.Position{Sequence: 3, Index: 1}})
			if got = slices.DeleteFunc(got, func(s string) bool { return s == "damage" }); !slices.Equal(got, []string{"4.0", "4.1"}) {
				t.Errorf("%s: %q of the new file", table, got)
			}
			n := 0
			for _, err := range db.DeadLetters(t.Context(), "", event.Position{}) {
				if err == nil {
					n++
				} else if tvilling.CodeOf(err) != tvilling.Corrupt {
					t.Errorf("%s: %v", table, err)
				}
			}
			if n != 1 {
				t.Errorf("%s: %d dead letters, want 1", table, n)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			db = open(t, o)
		}
		if !strings.Contains(logged.String(), "takes over") {
			t.Errorf("%s: the log does not say that another file takes over:\n%s", table, logged.String())
		}
	}
}

// TestUnusedFile removes what a crash left between making a file and the first
// flush to it.
func TestUnusedFile(t *testing.T) {
	t.Parallel()
	dir, _ := closed(t)
	if err := os.WriteFile(filepath.Join(dir, "2026-11-25.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	db := open(t, eventdb.Options{Dir: dir})
	wantFiles(t, "after Open", dir, "2026-11-24")
	if db.Durable() != 3 {
		t.Errorf("Durable = %d, want 3", db.Durable())
	}
	add(t, db, message(4, "a", day, numbered(4)))
	wantFiles(t, "the next day", dir, "2026-11-24", "2026-11-25")
}
