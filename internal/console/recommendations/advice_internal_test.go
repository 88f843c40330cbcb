package recommendations

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/recommend"
)

// TestHeadline: every type says what to do with what; a type without words of
// its own fails.
func TestHeadline(t *testing.T) {
	t.Parallel()
	for typ, test := range map[string]struct{ details, want string }{
		recommend.OpenPorts:                {`{"endpoints":[{"address":"0.0.0.0","port":"23","protocol":"tcp"},{"address":"::","port":"4444"}],"count":2}`, "Close 2 open ports: 0.0.0.0:23, [::]:4444"},
		recommend.PermissiveFirewallPolicy: {`{"policies":[{"chain":"INPUT","action":"Allow"},{"chain":"OUTPUT","action":"Allow"}]}`, "Deny by default in INPUT, OUTPUT"},
		recommend.Baseline:                 {`{"count":3,"critical":1,"important":0,"warning":2,"informational":0,"notMade":0,"checks":[]}`, "Mend 3 failed checks: 1 critical, 2 warning"},
		recommend.InstallAgent:             {`{"waitedSince":"2026-01-01T00:00:00Z"}`, "Install the security agent"},
		recommend.SharedCredentials:        {`{"sharedWith":["a","b","c","d","e"]}`, "Give it a key of its own; it shares one with a, b, c and 2 more"},
		recommend.AgentSendsUnutilized:     {`{"messagesSent":100,"messagesUnder4KB":34,"percent":34,"hours":24}`, "Fill messages: 34 % of 100 messages had less than 4 KiB"},
		recommend.ConfigurationMismatch:    {`{"differences":[{"property":"snapshotFrequency"}]}`, "Bring 1 setting in line: snapshotFrequency"},
		recommend.ConfigurationConflict:    {`{"problems":[{"property":"maxLocalCacheSizeInBytes"}]}`, "Change 1 setting: maxLocalCacheSizeInBytes"},
		recommend.ConfigurationNotOptimal:  {`{"problems":[{"property":"a"},{"property":"b"}]}`, "Change 2 settings: a, b"},
	} {
		if got := headline(&ledger.Recommendation{Type: typ, Details: json.RawMessage(test.details)}, "its title"); got != test.want {
			t.Errorf("%s: %q, want %q", typ, got, test.want)
		}
	}
	for _, info := range recommend.Catalogue() {
		if got := headline(&ledger.Recommendation{Type: info.Type, Details: json.RawMessage(`{}`)}, "its title"); got == "its title" {
			t.Errorf("%s has no headline of its own", info.Type)
		}
		for _, broken := range []string{"", "null", "{", `{"endpoints":7}`} {
			headline(&ledger.Recommendation{Type: info.Type, Details: json.RawMessage(broken)}, "its title") // must not panic
		}
	}
}

// TestFacts: details of any form become facts in their order, and nothing is lost.
func TestFacts(t *testing.T) {
	t.Parallel()
	got := factsOf(json.RawMessage(`{"count":2,"on":true,"list":["a","b"],"checks":[{"id":"1","found":"x"},{"id":"2","title":"<b>"}],"none":[]}`))
	want := []fact{
		{Name: "How many", Value: "2"},
		{Name: "on", Value: "yes"},
		{Name: "list", Value: "a, b"},
		{Name: "Checks", Columns: []string{"check", "found", "title"}, Rows: [][]string{{"1", "x", ""}, {"2", "", "<b>"}}},
		{Name: "none"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("factsOf (-want +got):\n%s", d)
	}
	if got := factsOf(json.RawMessage(`[1]`)); len(got) != 1 || !strings.Contains(got[0].Value, "[1]") {
		t.Errorf("details that are no object: %+v", got)
	}
}
