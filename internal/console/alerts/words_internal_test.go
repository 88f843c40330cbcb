package alerts

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/proctree"
)

// TestFilterAddress: a filter is its address, and the address is the filter.
func TestFilterAddress(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := func(name string, from int) time.Time {
			return time.Unix(int64(rapid.IntRange(from, from+1_000_000).Draw(t, name)), int64(rapid.IntRange(0, 999_999_999).Draw(t, name+" ns"))).UTC()
		}
		f := filter{
			Status:   rapid.SliceOfNDistinct(rapid.SampledFrom(statuses), 0, 5, rapid.ID).Draw(t, "status"),
			Severity: rapid.SliceOfNDistinct(rapid.SampledFrom(severities), 0, 4, rapid.ID).Draw(t, "severity"),
			Type:     rapid.SampledFrom([]string{"", "IoT_ReverseShell", "a&b=c", "å"}).Draw(t, "type"),
			Device:   rapid.SampledFrom([]string{"", "pump-1", "a%2F..?b=c$'*(@)!"}).Draw(t, "device"),
			Owner:    rapid.SampledFrom([]string{"", "anna", "a, b"}).Draw(t, "owner"), Text: rapid.SampledFrom([]string{"", "sh -i", "<b>"}).Draw(t, "text"),
		}.plain()
		if len(f.Status) == 0 {
			f.Status = nil
		}
		if len(f.Severity) == 0 {
			f.Severity = nil
		}
		if rapid.Bool().Draw(t, "span") {
			f.From, f.To = at("from", 1_700_000_000), at("to", 1_800_000_000)
		}
		q, err := url.ParseQuery(f.query().Encode())
		if err != nil {
			t.Fatal(err)
		}
		got, err := parse(q)
		if d := cmp.Diff(f, got); d != "" || err != nil {
			t.Fatalf("%v: %v (-want +got):\n%s", q, err, d)
		}
	})
}

// TestFilterWords: what several addresses mean, and which are refused where.
func TestFilterWords(t *testing.T) {
	t.Parallel()
	opened := []ledger.Status{ledger.New, ledger.Acknowledged, ledger.InProgress}
	for address, test := range map[string]struct {
		status []ledger.Status
		field  string
	}{
		"": {opened, ""}, "status=open": {opened, ""}, "status=all": {nil, ""}, "status=all,new": {nil, ""},
		"status=new&status=acknowledged&status=inProgress":      {opened, ""},
		"status=new,acknowledged,inProgress,resolved,dismissed": {nil, ""},
		"status=open,dismissed":                                 {append(opened[:3:3], ledger.Dismissed), ""},
		"status=closed":                                         {opened, "status"},
		"severity=grave":                                        {opened, "severity"},
		"from=tomorrow":                                         {opened, "from"},
		"from=2026-01-02T00:00&to=2026-01-01":                   {opened, "to"},
		"device=" + url.QueryEscape("a b"):                      {opened, "device"},
		"text=" + strings.Repeat("x", maxText+1):                {opened, "text"},
		"from=0001-01-01T00:00:00Z":                             {opened, "from"},
	} {
		q, err := url.ParseQuery(address)
		if err != nil {
			t.Fatal(err)
		}
		f, problem := parse(q)
		if got := fieldOf(problem); got != test.field {
			t.Errorf("%s is refused at %q, want %q", address, got, test.field)
		}
		if d := cmp.Diff(test.status, f.ledger().Status); d != "" {
			t.Errorf("%s (-want +got):\n%s", address, d)
		}
	}
}

// TestConditions: every form that a pattern has becomes words, with the part
// that decided marked.
func TestConditions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		value, pattern          string
		before, hit, verb, then string
	}{
		{"expired_token", "expired_token", "", "expired_token", "is", ""},
		{"pump", "", "", "pump", "is", ""},
		{"bash -i >& /dev/tcp/1", "contains: /DEV/tcp", "bash -i >& ", "/dev/tcp", "contains", ""},
		{"/usr/bin/bash", `re: (^|/)bash$`, "/usr/bin", "/bash", "matches the rule’s pattern:", ""},
		{"/usr/bin/bash", `re|i: BASH(?=x)`, "", "/usr/bin/bash", "matches the rule’s pattern:", ""}, // of another language: all is marked
		{"192.0.2.66", "expand: %malicious-addresses%", "", "192.0.2.66", "is", "which is in the list malicious-addresses"},
		{"10.1.2.3", "cidr: 10.0.0.0/8", "", "10.1.2.3", "is", "which is in 10.0.0.0/8"},
		{"cpuminer-multi", "*miner*", "cpu", "miner", "matches the rule’s pattern:", ""},
		{"203.0.113.8", "10 or more failed logins within 10m0s", "", "203.0.113.8", "is", "10 or more failed logins within 10m0s"},
		{"7", "gt: 5", "", "7", "is", "and the rule asks for more than 5"},
	} {
		c := conditionOf(ledger.Match{Field: "F", Value: test.value, Pattern: test.pattern})
		if c.Before != test.before || c.Hit != test.hit || c.Verb != test.verb || c.Then != test.then || c.Before+c.Hit+c.After != test.value {
			t.Errorf("%q for %q: %+v", test.value, test.pattern, c)
		}
	}
}

// TestDraw: around a process stand those above it, beside it and below it.
func TestDraw(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var list []proctree.Observation
	start := func(pid, parent int64, line string) {
		n := len(list)
		list = append(list, proctree.Observation{
			Event: line, Time: begin.Add(time.Duration(n) * time.Second), Start: &event.ProcessCreate{ProcessID: pid, ParentProcessID: parent, CommandLine: line},
		})
	}
	start(10, 1, "sshd")
	start(20, 10, "sh")
	for i := range int64(20) {
		start(100+i, 20, "child")
	}
	start(200, 20, "hit")
	start(300, 200, "below")
	start(400, 10, "other")
	lines, left := draw(proctree.Build(list), "hit", 200, begin.Add(time.Hour))
	var text []string
	for _, l := range lines {
		mark := ""
		if l.Hit {
			mark = " <"
		}
		text = append(text, l.Branch+l.Text+mark)
	}
	want := []string{"", "└─ sshd", "   └─ sh", "      ├─ child", "      ├─ child", "      ├─ child", "      ├─ child", "      ├─ child", "      └─ hit <", "         └─ below"}
	if d := cmp.Diff(want, text); d != "" || left != 15 {
		t.Errorf("%d left (-want +got):\n%s", left, d)
	}
	if lines, _ := draw(proctree.Build(nil), "hit", 200, begin); lines != nil {
		t.Errorf("out of nothing: %+v", lines)
	}
}

// TestBoard remembers the last act of each session, for few sessions.
func TestBoard(t *testing.T) {
	t.Parallel()
	var b board
	for i := range maxActs + 10 {
		b.did(string(rune('a'+i)), "Done", "", nil)
	}
	if len(b.acts) > maxActs {
		t.Errorf("%d acts are remembered, want %d at most", len(b.acts), maxActs)
	}
}
