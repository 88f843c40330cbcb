//go:build linux

package agent

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
)

func TestDiagnostics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var text strings.Builder
		h := newDiagnostics(slog.NewTextHandler(&text, nil))
		var got []*event.Diagnostic
		log := slog.New(h)
		log.Warn("before anybody listens")
		h.sink.observe = func(_ time.Time, it event.Item) { got = append(got, it.(*event.Diagnostic)) }
		log = log.With("part", "x")
		log.Info("all is well")
		log.Error("it is not", "error", errors.New("why"))
		log.WithGroup("g").Warn("hm\xff", "n", 3)
		if len(got) != 2 || got[0].Severity != "Error" || got[0].Message != "it is not; part: x; error: why" || got[1].Severity != "Warning" || got[1].Message != "hm; part: x; n: 3" {
			t.Fatalf("got %+v", got)
		}
		if got[0].ProcessID == 0 {
			t.Error("no process is told")
		}
		// A flood: so many, the last of which says that there are more.
		for range 100 {
			log.Warn("a flood", "of", strings.Repeat("ä", 2000))
		}
		if n := len(got); n != maxDiagnostics-1 { // the first one of all counts, too
			t.Fatalf("%d are told, want %d", n, maxDiagnostics-1)
		}
		last := got[len(got)-1].Message
		if !strings.HasSuffix(last, "only in the device's own log)") || len(last) > maxDiagnostic+100 || strings.Contains(last, "�") {
			t.Errorf("the last one is %s", last)
		}
		if n := strings.Count(text.String(), "level=WARN"); n != 102 {
			t.Errorf("the log has %d warnings", n)
		}
		<-time.After(diagnosticWindow + time.Second)
		log.Warn("again")
		if last := got[len(got)-1]; last.Message != "again; part: x" {
			t.Errorf("after the window there is %+v", last)
		}
	})
}

// TestDiagnosticsOfTheIntake: a warning that comes of taking a diagnostic event
// ends: it is counted like any other.
func TestDiagnosticsOfTheIntake(t *testing.T) {
	t.Parallel()
	h := newDiagnostics(slog.DiscardHandler)
	log := slog.New(h)
	n := 0
	h.sink.observe = func(time.Time, event.Item) {
		n++
		log.Warn("the spool is full")
	}
	log.Warn("something")
	if n != maxDiagnostics {
		t.Errorf("%d are told", n)
	}
	// Nor may it wait for itself in the real one.
	in := newIntake(inMemory(t, 1), defaults(nil)) // there is room for none
	h.sink.observe, h.sink.n = in.Observe, 0
	log.Warn("something")
	if c := in.spool.Counts(); c[2].Collected != 1 || c[2].Lost() != 1 {
		t.Errorf("got %+v", c)
	}
}
