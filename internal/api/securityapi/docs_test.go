package securityapi_test

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// TestDocs holds docs/security-api.md to the routes there are.
func TestDocs(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../../docs/security-api.md")
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z]+ /[^`]*)` \\|").FindAllStringSubmatch(string(raw), -1) {
		told = append(told, m[1])
	}
	var there []string
	for _, r := range newHub(t).handler.Routes() {
		there = append(there, r.Name())
	}
	for _, r := range there {
		if !slices.Contains(told, r) {
			t.Errorf("docs/security-api.md does not tell of %s", r)
		}
	}
	for _, r := range told {
		if !slices.Contains(there, r) {
			t.Errorf("docs/security-api.md tells of %s, which is not there", r)
		}
	}
}
