package security_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/client"
)

// TestDiskFull: on a full disk messages are taken until there is no room, and
// nothing more is acknowledged; what was acknowledged is worked through once
// there is space again, all of it, once.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := mount(dir, 48<<20); err != nil {
		if os.Getenv("CI") == "true" && os.Getuid() == 0 {
			t.Fatalf("no small disk can be mounted: %v", err)
		}
		t.Skipf("no small disk can be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := unmount(dir); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	w := start(t, func(o *app.Options) {
		o.Data = filepath.Join(dir, "data")
		o.Tuning.WriteBackAfter = 10 * time.Millisecond
	})
	a := w.register("d1")
	w.settle()

	filler := filepath.Join(dir, "filler")
	fill(t, filler)
	acked, n := 0, 0
	pad := strings.Repeat("x", 20_000)
	for {
		n++
		err := a.try(message(event(id(n), "ProcessCreate", time.Now(), process("/bin/sh", miner), process("/bin/true", pad))))
		if err != nil {
			break // closed without an acknowledgement
		}
		if acked++; acked > 20_000 {
			t.Fatal("a full disk takes everything")
		}
		if acked == 50 {
			fill(t, filler) // what was set aside for logs, and was given back
		}
	}
	t.Logf("%d messages were taken", acked)
	// Reads go on, and the hub is there.
	if err := w.owner.Ready(w.ctx); err != nil {
		t.Errorf("ready: %v", err)
	}
	if _, _, err := w.owner.AlertPage(w.ctx, client.AlertFilter{}, client.Paging{}); err != nil {
		t.Errorf("alerts: %v", err)
	}
	if _, err := w.owner.SecurityOverview(w.ctx); err != nil {
		t.Errorf("overview: %v", err)
	}
	if _, err := w.owner.DeviceSecurity(w.ctx, "d1"); err != nil {
		t.Errorf("device: %v", err)
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	w.settle()
	// The last message may be in the log though it was not acknowledged.
	logged := 0
	for m, err := range w.owner.Messages(w.ctx, client.Security, client.StreamOptions{Device: "d1"}) {
		if err != nil {
			t.Fatal(err)
		}
		if m.ModuleID == tvilling.SecurityModule {
			logged++
		}
	}
	if logged < acked {
		t.Errorf("%d messages are in the log, %d were acknowledged", logged, acked)
	}
	for range 2 {
		w.wantAlerts("d1", fmt.Sprintf("IoT_CryptoMiner×%d", logged))
		if got := len(w.eventsOf(client.EventFilter{Device: "d1"})); got != logged {
			t.Errorf("%d events are kept, want %d", got, logged)
		}
		w.is("d1", "atRisk")
		w.restart()
	}
}

// fill fills the disk up.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, 1<<20)
	for len(chunk) > 0 {
		if _, err := f.Write(chunk); errors.Is(err, syscall.ENOSPC) {
			chunk = chunk[:len(chunk)/2]
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
