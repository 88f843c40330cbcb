package hubapi_test

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/api/hubapi"
)

// TestDocs holds docs/api.md and the table of access to the routes there are.
func TestDocs(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z]+ /[^`]*)` \\|").FindAllStringSubmatch(string(raw), -1) {
		told = append(told, m[1])
	}
	for _, r := range hubapi.Offered() {
		if strings.HasPrefix(r, http.MethodHead) {
			continue
		}
		if !slices.Contains(told, r) {
			t.Errorf("docs/api.md does not tell of %s", r)
		}
		if !strings.HasSuffix(r, "z") && !inAccessTable(r) {
			t.Errorf("the table of access has no row for %s", r)
		}
	}
	for _, r := range told {
		if strings.Contains(r, " /tvilling/agent/") {
			continue // agentapi's, whose tests look for them
		}
		if !slices.Contains(hubapi.Offered(), r) {
			t.Errorf("docs/api.md tells of %s, which is not there", r)
		}
	}
}

// inAccessTable reports whether a row of the table of access uses a route.
func inAccessTable(route string) bool {
	pattern := regexp.QuoteMeta(route)
	pattern = regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(pattern, `\w+`)
	method, path, _ := strings.Cut(pattern, " ")
	return regexp.MustCompile(`(?m)^` + method + `\s+` + path + `(\?\S+)?\s`).MatchString(accessTable)
}

// TestUnoffered: what a later version will offer is refused as such, whatever
// is in the path, and without a look at the body.
func TestUnoffered(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	list := hubapi.Unoffered()
	if len(list) < 25 {
		t.Fatalf("only %d routes", len(list))
	}
	for _, r := range list {
		method, path, _ := strings.Cut(r, " ")
		path = regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "x")
		w := h.must(t, http.StatusBadRequest, "iothubowner", method, path+"?api-version=2021-04-12", "not json")
		if got := w.Header().Get("Iothub-Errorcode"); got != "InvalidOperation" {
			t.Errorf("%s: got %s, want InvalidOperation", r, got)
		}
		if !strings.Contains(w.Body.String(), "not offered by this version of the hub") {
			t.Errorf("%s: got %s", r, w.Body)
		}
	}
}
