package aggregate_test

import (
	"encoding/json"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/schema"
)

// What comes out is read by the hub without a complaint, and keeps the rules of
// asc §3.3 to §3.5, but for the category, which the published schema lacks.
func TestMessages(t *testing.T) {
	a := all(time.Hour)
	for i := range 200 {
		n := strconv.Itoa(i)
		a.Add(noon, process(n+strings.Repeat(" x", 4*i), 3, event.Detail{Name: "Hash", Value: "sha256:aa"}))
		a.Add(noon, connection("In", n, n))
		a.Add(noon, connection("Out", n, n, event.Detail{Name: "Established", Value: "false"}))
		a.Add(noon, &event.ProcessTerminate{Executable: "/bin/a", ExitStatus: int64(i), ProcessID: 9})
	}
	kinds := map[event.Kind]int{}
	for _, g := range a.Flush() {
		kinds[g.Kind] += len(g.Items)
		if len(g.Items) > 200 {
			t.Errorf("an event has %d items", len(g.Items))
		}
		e := event.Event{ID: "5a4b8c1e-7d2f-4c3a-9b6e-0f1d2c3b4a59", Kind: g.Kind, Category: event.Aggregated, Items: g.Items, Stated: g.At}
		m := event.Message{AgentID: e.ID, AgentVersion: "1", Events: []event.Event{e}}
		body := schema.Append(nil, &m)
		if len(body) > 8192 && len(g.Items) > 1 {
			t.Errorf("%d items make a message of %d bytes, which is larger than the smallest", len(g.Items), len(body))
		}
		got, err := schema.Decode(&tvilling.Message{Body: body}, noon)
		if err != nil || len(got.Rejects) > 0 {
			t.Fatalf("refused: %v, %+v", err, got)
		}
		if d := cmp.Diff(g.Items, got.Events[0].Items); d != "" || got.Events[0].Category != event.Aggregated {
			t.Fatalf("read back as %s: %s", got.Events[0].Category, d)
		}
		for _, it := range g.Items {
			checkItem(t, g.Kind, schema.AppendItem(nil, it))
		}
	}
	for k, n := range map[event.Kind]int{event.ProcessCreateKind: 200, event.ProcessTerminateKind: 200, event.ConnectionCreateKind: 400} {
		if kinds[k] != n {
			t.Errorf("%d of %v, want %d", kinds[k], k, n)
		}
	}
}

var port = regexp.MustCompile(`^(\*|\d+(-\d+)?(,\d+(-\d+)?)*)$`)

// rules are the members of an item: what is required, and what type it is of.
var rules = map[event.Kind]struct{ required, optional []string }{
	event.ProcessCreateKind:    {[]string{"Executable", "ProcessId", "ParentProcessId", "UserId", "CommandLine"}, []string{"UserName", "ExtraDetails"}},
	event.ProcessTerminateKind: {[]string{"Executable", "ProcessId", "ExitStatus"}, []string{"ExtraDetails"}},
	event.ConnectionCreateKind: {[]string{"RemoteAddress", "RemotePort", "Direction", "Protocol", "ProcessId", "Executable"}, []string{"LocalAddress", "LocalPort", "UserId", "CommandLine", "ExtraDetails"}},
}

func checkItem(t *testing.T, k event.Kind, raw []byte) {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatal(err)
	}
	for _, n := range rules[k].required {
		if _, ok := members[n]; !ok {
			t.Errorf("no %s in %s", n, raw)
		}
	}
	for n, v := range members {
		if !slices.Contains(rules[k].required, n) && !slices.Contains(rules[k].optional, n) {
			t.Errorf("%s is not allowed in %s", n, raw)
		}
		ok := true
		switch s, text := v.(string); n {
		case "ProcessId", "ParentProcessId", "ExitStatus":
			f, number := v.(float64)
			ok = number && f == float64(int64(f))
		case "RemotePort", "LocalPort":
			ok = text && port.MatchString(s)
		case "RemoteAddress", "LocalAddress":
			_, err := netip.ParseAddr(s)
			ok = err == nil
		case "Direction":
			ok = s == "In" || s == "Out"
		case "ExtraDetails":
			for _, d := range v.(map[string]any) {
				if _, text := d.(string); !text {
					ok = false
				}
			}
		default:
			ok = text
		}
		if !ok {
			t.Errorf("%s is %v", n, v)
		}
	}
}
