package hubapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// TestChangesTellTheCause: the line of a change has its cause, and no such
// member when there is none.
func TestChangesTellTheCause(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	for _, cause := range []string{`restore of "7"`, ""} {
		if err := h.Committer.Do(t.Context(), func(tx *commit.Tx) error {
			tx.Record(state.Change{Op: state.UpdateTwin, ID: tvilling.Device("d1"), Actor: "policy:p", Cause: cause, Version: 3})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	got := h.must(t, http.StatusOK, "service", http.MethodGet, "/tvilling/changes?device=d1", "").Body.String()
	for _, want := range []string{`"actor":"policy:p","cause":"restore of \"7\"","version":3}`, `"actor":"policy:p","version":3}`} {
		if !strings.Contains(got, want) {
			t.Errorf("the changes are %s, want %s among them", got, want)
		}
	}
}
