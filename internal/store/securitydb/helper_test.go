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
			ID: id, Key: ledger.Key{Device: device, Type: "IoT_CryptoMiner", Cause: "/usr/bin/x"}, Title: "Crypto miner", Severity: ledger.High,
			Rule: "crypto-miner", RuleVersion: "2026-01-02+0123abcd", Status: ledger.New, Note: "é", Owner: "ann",
			Count: int64(n) + 1, Reopened: 1, First: at(n - 9), Last: at(n), Created: at(n), Updated: at(n), Version: 3,
			Evidence: []ledger.Evidence{{
				Sequence: uint64(n), Event: "e", Name: "ProcessCreate", Time: at(n), Received: at(n + 1), RuleVersion: "v", Hits: 2,
				Matched: []ledger.Match{{Selection: "s", Field: "CommandLine", Value: "xmrig", Pattern: "*xmrig*"}}, Item: []byte(`{"CommandLine":"xmrig"}`),
			}},
		}},
		Steps: []ledger.Step{{
			Sequence: uint64(n) + 1, Alert: id, Time: at(n), Actor: "policy:ann", Action: "reopened", From: ledger.Resolved, To: ledger.New,
			Reason: "r", Note: "n", Owner: "o",
		}},
		Recommendations: []*ledger.Recommendation{{
			Device: device, Type: "open-ports", Severity: ledger.Low, State: ledger.Active, Details: []byte(`{"ports":[1]}`), Module: "m", Patch: []byte(`{}`),
			Discovered: at(n), Updated: at(n), Version: 2,
		}},
		Devices: []*ledger.Device{{
			ID: device, LastSeen: at(n), AgentID: "a", AgentVersion: "1", Alerts: [ledger.Severities]int32{ledger.High: 1}, Sync: "differs",
			Due: at(n + 60), Memory: map[string][]byte{"x": {1}, "y": {2, 3}}, Posture: true,
		}},
		Feed: []ledger.Entry{{
			Sequence: uint64(n) + 1, Time: at(n), Subject: "alert", ID: id, Device: device, Action: "raised", Actor: "hub:detection", Body: []byte(`{}`),
		}},
		Cursors:     map[string]uint64{"intake": uint64(n)},
		Values:      map[string][]byte{"rules": fmt.Append(nil, n)},
		Credentials: []ledger.Credential{{ID: tvilling.Device(device), Fingerprints: [][]byte{[]byte("shared"), fmt.Append(nil, "own", n)}}},
	}
}
