package detect_test

import (
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
)

// TestTrial: a rule that is not in force finds what it would find, and changes
// nothing; one that is wrong is refused as ever.
func TestTrial(t *testing.T) {
	w := setup(t, nil)
	trial, err := w.Trial(rule("{category: process_creation, product: linux}", "Image: /bin/sh"))
	if err != nil {
		t.Fatal(err)
	}
	if trial.Event != "ProcessCreate" {
		t.Errorf("event = %q", trial.Event)
	}
	items := []event.Item{&event.ProcessCreate{Executable: "/bin/ls"}, &event.ProcessCreate{Executable: "/bin/sh"}}
	for range 2 { // it is tried on one event after the other
		hits := trial.Match(items)
		if len(hits) != 1 || hits[0].Item != 1 || len(hits[0].Matched) != 1 || hits[0].Matched[0].Value != "/bin/sh" {
			t.Fatalf("hits = %+v", hits)
		}
	}
	if n := len(w.List()); n != 2 {
		t.Errorf("%d detections after a trial, want the 2 of before", n)
	}
	if _, err := w.Trial(rule("{category: process_creation}", "ComandLine: x")); tvilling.CodeOf(err) != tvilling.InvalidArgument {
		t.Errorf("an unknown field: %v, want InvalidArgument", err)
	}
}
