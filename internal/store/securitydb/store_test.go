package securitydb_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/store/ledgertest"
	"github.com/tvilling/tvilling/internal/store/securitydb"
)

func factory(o securitydb.Options) func(t testing.TB) ledgertest.Factory {
	return func(t testing.TB) ledgertest.Factory {
		t.Helper()
		own := o
		own.Dir = t.TempDir()
		return ledgertest.Factory{
			Open:       func() (ledger.Store, error) { return securitydb.Open(context.Background(), own) },
			Persistent: true,
			Crash: func(s ledger.Store) error {
				// What is on disk now is what another process would find.
				next := filepath.Join(own.Dir, "next")
				if err := os.CopyFS(next, files(own.Dir)); err != nil {
					return err
				}
				own.Dir = next
				return s.Close()
			},
		}
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, factory(securitydb.Options{}))
}

// TestConformanceMoving runs the suite while the log is moved into the database
// file after every commit.
func TestConformanceMoving(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, factory(securitydb.Options{CheckpointPages: 1}))
}

// open opens a store that is closed when the test ends.
func open(t testing.TB, o securitydb.Options) *securitydb.Store {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	s, err := securitydb.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}
