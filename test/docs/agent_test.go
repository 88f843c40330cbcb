package docs_test

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/agent/identity"
)

const (
	agentDocument = "../../docs/agent.md"
	agentUnit     = "../../packaging/tvilling-agent.service"
)

// keyOf is the name of a member in the local configuration: "CAFile" is
// ca-file.
func keyOf(member string) string {
	var b strings.Builder
	letters := []rune(member)
	for i, r := range letters {
		begins := unicode.IsUpper(r) && i > 0 &&
			(unicode.IsLower(letters[i-1]) || i+1 < len(letters) && unicode.IsLower(letters[i+1]))
		if begins {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// TestAgentLocalFile holds the table of the agent's local configuration against
// what can be in it, and against the defaults.
func TestAgentLocalFile(t *testing.T) {
	t.Parallel()
	want := map[string]string{}
	defaults := reflect.ValueOf(identity.Default())
	for f := range defaults.Type().Fields() {
		if f.Name == "Path" { // where the file is
			continue
		}
		value := fmt.Sprint(defaults.FieldByName(f.Name).Interface())
		if f.Type.Kind() == reflect.Int64 { // a duration without a default here
			value = strings.TrimPrefix(value, "0s")
		}
		want[keyOf(f.Name)] = value
	}
	got := map[string]string{}
	for key, cells := range rows(t, agentDocument, "## The local file") {
		got[key] = cells[0]
		// Of a key that there is not, the first complaint is that.
		if _, err := identity.Parse([]byte(key + " = [[1]]")); err == nil || strings.Contains(err.Error(), "unknown key") {
			t.Errorf("%s is no key: %v", key, err)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s has other keys or defaults (-code +document):\n%s", agentDocument, d)
	}
	if _, err := identity.Parse([]byte("nonsense = [[1]]")); err == nil || !strings.Contains(err.Error(), "unknown key") {
		t.Errorf("an unknown key is not called so: %v", err)
	}
}

var capability = regexp.MustCompile(`CAP_[A-Z_]+`)

// TestAgentRights holds the table of capabilities against the unit's.
func TestAgentRights(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(agentDocument)
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Rights\n")
	table, _, _ = strings.Cut(table, "\n## ")
	var got, want []string
	for line := range strings.Lines(table) {
		if first, _, ok := strings.Cut(strings.TrimPrefix(line, "|"), "|"); ok && strings.HasPrefix(line, "|") {
			got = append(got, capability.FindAllString(first, -1)...)
		}
	}
	unit, err := os.ReadFile(agentUnit)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(unit)) {
		if set, ok := strings.CutPrefix(line, "CapabilityBoundingSet="); ok {
			want = capability.FindAllString(set, -1)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" || len(want) == 0 {
		t.Errorf("%s has other capabilities (-unit +document):\n%s", agentDocument, d)
	}
}
