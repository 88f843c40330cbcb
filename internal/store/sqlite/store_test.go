package sqlite_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/store/sqlite"
	"github.com/tvilling/tvilling/internal/store/storetest"
)

func factory(o sqlite.Options) func(t testing.TB) storetest.Factory {
	return func(t testing.TB) storetest.Factory {
		t.Helper()
		own := o
		own.Dir = t.TempDir()
		return storetest.Factory{
			Open:       func() (state.Store, error) { return sqlite.Open(context.Background(), own) },
			Persistent: true,
			Crash:      func(s state.Store) error { return s.(*sqlite.Store).Abandon() },
		}
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, factory(sqlite.Options{}))
}

// TestConformanceCramped runs the suite with bounds so small that everything
// is written back, leaves the cache and is read from the journal all the time.
func TestConformanceCramped(t *testing.T) {
	t.Parallel()
	storetest.Run(t, factory(sqlite.Options{
		CacheBytes: 1, DirtyBytes: 20_000, WriteBackAfter: time.Millisecond, RecentBytes: 1, SegmentBytes: 16 << 10,
	}))
}

// open opens a store that is closed when the test ends.
func open(t testing.TB, o sqlite.Options) *sqlite.Store {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	s, err := sqlite.Open(t.Context(), o)
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
