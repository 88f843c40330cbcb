package securitydb_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/store/securitydb"
)

// stored returns the value of a row.
func stored(t *testing.T, dir, where string) (value []byte) {
	t.Helper()
	database(t, dir, func(conn *sqlite.Conn) error {
		return sqlitex.ExecuteTransient(conn, "SELECT value FROM "+where, &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
			value = make([]byte, stmt.ColumnLen(0))
			stmt.ColumnBytes(0, value)
			return nil
		}})
	})
	if value == nil {
		t.Fatalf("there is no %s", where)
	}
	return value
}

func overwrite(t *testing.T, conn *sqlite.Conn, where string, value []byte) {
	t.Helper()
	table, cond, _ := strings.Cut(where, " ")
	if err := sqlitex.Execute(conn, "UPDATE "+table+" SET value = ? "+cond, &sqlitex.ExecOptions{Args: []any{value}}); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedValue flips every bit of every stored value, one at a time: its
// record is refused by name, every other one is served.
func TestDamagedValue(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), context.Background()
	s := open(t, securitydb.Options{Dir: dir})
	for n := range 3 {
		commit(t, s, records(n))
	}
	conn, err := sqlite.OpenConn(filepath.Join(dir, "security.db"), sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := sqlitex.ExecuteTransient(conn, "PRAGMA synchronous = OFF", nil); err != nil {
		t.Fatal(err)
	}
	const one = "device-000001"
	for _, test := range []struct {
		where, subject string
		read           func() error
	}{
		{"alert WHERE id = 'alert-000001'", "alert alert-000001", func() error { _, err := s.Alert(ctx, "alert-000001"); return err }},
		{"alert WHERE id = 'alert-000001'", "alert alert-000001", func() error {
			_, err := s.Newest(ctx, ledger.Key{Device: one, Type: "IoT_CryptoMiner", Cause: "/usr/bin/x"})
			return err
		}},
		{"step WHERE alert = 'alert-000001'", "history of alert alert-000001", func() error { _, err := s.History(ctx, "alert-000001"); return err }},
		{"recommendation WHERE device = '" + one + "'", "recommendation open-ports of " + one, func() error { _, err := s.Recommendation(ctx, one, "open-ports"); return err }},
		{"device WHERE id = '" + one + "'", "security state of device " + one, func() error { _, err := s.Device(ctx, one); return err }},
		{"meta WHERE kind = 6", "cursor intake", func() error { _, err := s.Cursor(ctx, "intake"); return err }},
		{"meta WHERE kind = 7", "setting rules", func() error { _, err := s.Value(ctx, "rules"); return err }},
		{"credential WHERE device = '" + one + "' AND fingerprint = X'736861726564'", "credential of " + one, func() error { _, err := s.Fingerprints(ctx, tvilling.Device(one)); return err }},
		{"credential WHERE device = '" + one + "' AND fingerprint = X'736861726564'", "credential of " + one, func() error {
			_, err := s.Sharing(ctx, ledger.Credential{Fingerprints: [][]byte{[]byte("shared")}}, 10)
			return err
		}},
		{"feed WHERE sequence = 2", "feed entry 2", func() error {
			for _, err := range s.Feed(ctx, 1) {
				return err
			}
			return nil
		}},
	} {
		good := stored(t, dir, test.where)
		if err := test.read(); err != nil {
			t.Fatalf("%s: %v", test.where, err)
		}
		for bit := range len(good) * 8 {
			bad := bytes.Clone(good)
			bad[bit/8] ^= 1 << (bit % 8)
			overwrite(t, conn, test.where, bad)
			if err := test.read(); tvilling.CodeOf(err) != tvilling.Corrupt || !strings.Contains(err.Error(), test.subject) {
				t.Fatalf("%s with bit %d flipped: %v, want a refusal that names %s", test.where, bit, err, test.subject)
			}
		}
		overwrite(t, conn, test.where, good[:3])
		wantCode(t, test.where+" cut short", test.read(), tvilling.Corrupt)
		overwrite(t, conn, test.where, good)
	}
	if got := s.Stats().Corrupt; got == 0 {
		t.Error("refusals are not counted")
	}
}

// TestDamagedBeside demands that lists go on past a damaged record, and that
// it can be put anew.
func TestDamagedBeside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, securitydb.Options{Dir: dir})
	for n := range 3 {
		commit(t, s, records(n))
	}
	database(t, dir, func(conn *sqlite.Conn) error {
		for _, where := range []string{"alert WHERE id = 'alert-000001'", "recommendation WHERE device = 'device-000001'", "feed WHERE sequence = 2", "device WHERE id = 'device-000001'"} {
			overwrite(t, conn, where, []byte("nonsense"))
		}
		return nil
	})
	var got []string
	tell := func(name string, err error) {
		if err != nil {
			name = string(tvilling.CodeOf(err))
		}
		got = append(got, name)
	}
	for a, err := range s.Alerts(t.Context(), ledger.AlertFilter{}, "") {
		if a == nil {
			a = &ledger.Alert{}
		}
		tell(a.ID, err)
	}
	for r, err := range s.Recommendations(t.Context(), ledger.RecommendationFilter{}, "", "") {
		if r == nil {
			r = &ledger.Recommendation{}
		}
		tell(string(r.Device), err)
	}
	for e, err := range s.Feed(t.Context(), 0) {
		tell(e.ID, err)
	}
	want := "alert-000002 Corrupt alert-000000 device-000000 Corrupt device-000002 alert-000000 Corrupt alert-000002"
	if strings.Join(got, " ") != want {
		t.Errorf("lists yield %v, want %s", got, want)
	}
	b := records(1)
	b.Feed, b.Steps, b.Credentials = nil, nil, nil
	commit(t, s, b)
	a, err := s.Alert(t.Context(), "alert-000001")
	if err != nil || a == nil {
		t.Errorf("a damaged alert put anew: %v, %v", a, err)
	}
	d, err := s.Device(t.Context(), "device-000001")
	if err != nil || d == nil {
		t.Errorf("a damaged device put anew: %v, %v", d, err)
	}
}

// TestMovedValue demands that a value is not served under another key.
func TestMovedValue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, securitydb.Options{Dir: dir})
	commit(t, s, records(0))
	commit(t, s, records(1))
	other := stored(t, dir, "device WHERE id = 'device-000001'")
	database(t, dir, func(conn *sqlite.Conn) error {
		overwrite(t, conn, "device WHERE id = 'device-000000'", other)
		return nil
	})
	_, err := s.Device(t.Context(), "device-000000")
	wantCode(t, "a value under another key", err, tvilling.Corrupt)
}

func TestNewerFormat(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, securitydb.Options{Dir: dir})
	commit(t, s, records(0))
	database(t, dir, func(conn *sqlite.Conn) error {
		overwrite(t, conn, "device WHERE id = 'device-000000'", securitydb.Seal(4, "device-000000", "", 0, 2, []byte("something new")))
		return nil
	})
	_, err := s.Device(t.Context(), "device-000000")
	wantCode(t, "a value of a newer format", err, tvilling.Unsupported)
}

// TestDamagedFile demands that a file that SQLite cannot read is refused.
func TestDamagedFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "security.db"), bytes.Repeat([]byte("nonsense"), 2000), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := securitydb.Open(t.Context(), securitydb.Options{Dir: dir})
	wantCode(t, "a file that is no database", err, tvilling.Corrupt)
}

// FuzzDecode demands of any bytes with a right checksum that they are decoded
// or refused, and that what is decoded says all that there is.
func FuzzDecode(f *testing.F) {
	dir := f.TempDir()
	s := open(f, securitydb.Options{Dir: dir})
	commit(f, s, records(0))
	for kind, where := range map[byte]string{1: "alert", 2: "step", 3: "recommendation", 4: "device", 5: "feed"} {
		database(f, dir, func(conn *sqlite.Conn) error {
			return sqlitex.ExecuteTransient(conn, "SELECT value FROM "+where, &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
				value := make([]byte, stmt.ColumnLen(0))
				stmt.ColumnBytes(0, value)
				f.Add(kind, value[1:len(value)-4])
				return nil
			}})
		})
	}
	f.Fuzz(func(t *testing.T, kind byte, fields []byte) {
		kind = 1 + kind%5
		a, b, number := "a", "", uint64(0)
		switch kind {
		case 2:
			number = 1
		case 3:
			b = "b"
		case 5:
			a, number = "", 1
		}
		once, err := securitydb.Recode(kind, securitydb.Seal(kind, a, b, number, 1, fields))
		if err != nil {
			wantCode(t, "malformed fields", err, tvilling.Corrupt)
			return
		}
		twice, err := securitydb.Recode(kind, once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%x becomes %x, then %x (%v)", fields, once, twice, err)
		}
	})
}
