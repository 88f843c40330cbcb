package hubapi_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/tvilling/tvilling/internal/hub/audit"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/journal"
)

// newAudit returns a log that follows a hub's journal until the test ends.
func newAudit(t testing.TB, changes *journal.Journal, c *commit.Committer) *audit.Log {
	t.Helper()
	l, err := audit.New(audit.Options{
		Store: new(hubtest.AuditStore), Sources: []audit.Source{audit.JournalSource(changes, c.Changed)},
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { l.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	return l
}
