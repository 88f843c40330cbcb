package securitydb_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// files is a directory as far as it is the store's: its regular files.
func files(dir string) fs.FS { return flat{os.DirFS(dir)} }

type flat struct{ fs.FS }

// ReadDir leaves directories out.
func (f flat) ReadDir(name string) ([]fs.DirEntry, error) {
	all, err := fs.ReadDir(f.FS, name)
	var list []fs.DirEntry
	for _, e := range all {
		if !e.IsDir() {
			list = append(list, e)
		}
	}
	return list, err
}

func commit(t testing.TB, s ledger.Store, b *ledger.Batch) {
	t.Helper()
	if err := s.Commit(t.Context(), b); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

func wantCode(t *testing.T, what string, err error, want tvilling.Code) {
	t.Helper()
	if got := tvilling.CodeOf(err); got != want {
		t.Errorf("%s: code %q (%v), want %q", what, got, err, want)
	}
}

// database runs f on the database of a store.
func database(t testing.TB, dir string, f func(*sqlite.Conn) error) {
	t.Helper()
	conn, err := sqlite.OpenConn(filepath.Join(dir, "security.db"), sqlite.OpenReadWrite)
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

func at(n int) time.Time { return time.Unix(1_780_000_000+int64(n), 5).UTC() }

// records returns a batch with one record of every kind, set apart by n.
func records(n int) *ledger.Batch {
	id := fmt.Sprintf("alert-%06d", n)
	device := tvilling.DeviceID(fmt.Sprintf("device-%06d", n))
	return &ledger.Batch{
		Alerts: []*ledger.Alert{{
			ID: id, Key: ledger.Key{Device: device, Type: "IoT_CryptoMiner", Cause: "/usr/bin/x"}, Severity: ledger.High, Status: ledger.New,
			Created: at(n), Updated: at(n), Last: at(n), Version: 1,
		}},
		Steps:           []ledger.Step{{Sequence: uint64(n) + 1, Alert: id, Time: at(n), Action: "raised", To: ledger.New}},
		Recommendations: []*ledger.Recommendation{{Device: device, Type: "open-ports", State: ledger.Active}},
		Devices:         []*ledger.Device{{ID: device, LastSeen: at(n), Due: at(n + 60), Memory: map[string][]byte{"x": {1}}}},
		Feed:            []ledger.Entry{{Sequence: uint64(n) + 1, Time: at(n), Subject: "alert", ID: id, Body: []byte(`{}`)}},
		Cursors:         map[string]uint64{"intake": uint64(n)},
		Values:          map[string][]byte{"rules": fmt.Append(nil, n)},
		Credentials:     []ledger.Credential{{ID: tvilling.Device(device), Fingerprints: [][]byte{[]byte("shared"), fmt.Append(nil, "own", n)}}},
	}
}
