package agentapi_test

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/api/agentapi"
)

// TestDocs: docs/api.md tells of every route, and of no other one below the path.
func TestDocs(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	var told, offered []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z]+ "+agentapi.Path+"[^`]*)` \\|").FindAllStringSubmatch(string(raw), -1) {
		told = append(told, m[1])
	}
	for _, r := range agentapi.Offered() {
		if !strings.HasPrefix(r, http.MethodHead) {
			offered = append(offered, r)
		}
	}
	if !slices.Equal(told, offered) {
		t.Errorf("docs/api.md tells of %q, and there is %q", told, offered)
	}
}
