package securityapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/security/ledger"
)

// TestAlertTextIsBounded: a text that hardly an alert has costs a bounded look
// per page, and pages lead to all that have it.
func TestAlertTextIsBounded(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	const all = 10_003
	h.change(t, func(tx *ledger.Tx) error {
		for i := range all {
			a := &ledger.Alert{ID: fmt.Sprintf("a%05d", i), Key: ledger.Key{Device: "d1", Type: "T", Cause: fmt.Sprint(i)}, Title: "Noise", Status: ledger.New, Count: 1, First: tx.Now(), Last: tx.Now()}
			if i%5000 == 1 {
				a.Title = "Needle"
			}
			if err := tx.PutAlert(a, ledger.Step{Action: "raised", Actor: "hub:detection"}); err != nil {
				return err
			}
		}
		return nil
	})
	read := func(query string) (ids []string, next string) {
		t.Helper()
		var out struct {
			Alerts []struct{ ID string }
			Next   string
		}
		w := h.must(t, http.StatusOK, "security", http.MethodGet, "alerts?"+query, "")
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			t.Fatal(err)
		}
		for _, a := range out.Alerts {
			ids = append(ids, a.ID)
		}
		return ids, out.Next
	}
	if ids, next := read("text=nowhere"); len(ids) != 0 || next != "a09999" {
		t.Errorf("a text of no alert: %v, next %q; want none, and to go on after the 10,000th", ids, next)
	}
	if ids, next := read("text=nowhere&after=a09999"); len(ids) != 0 || next != "" {
		t.Errorf("its last page: %v, next %q", ids, next)
	}
	for _, top := range []string{"", "&top=1", "&top=2"} {
		var found []string
		for next := ""; ; {
			var ids []string
			ids, next = read("text=NEEDLE" + top + "&after=" + next)
			if found = append(found, ids...); next == "" {
				break
			}
			if len(found) > 3 {
				t.Fatalf("pages go on: %v", found)
			}
		}
		if got := strings.Join(found, " "); got != "a00001 a05001 a10001" {
			t.Errorf("with %q: got %s", top, got)
		}
	}
	h.must(t, http.StatusBadRequest, "security", http.MethodGet, "alerts?text="+strings.Repeat("x", 257), "")
	h.must(t, http.StatusBadRequest, "security", http.MethodGet, "alerts/summary?by=type&text=x", "")
}
