package query_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/query/querytest"
	"github.com/tvilling/tvilling/internal/hub/state"
)

func TestCompileCondition(t *testing.T) {
	for _, tt := range []struct {
		text string
		of   query.Collection
		want string // of the error
	}{
		{"tags.site = 'Lund'", query.Devices, ""},
		{"tags.site = 'Lund'", query.Modules, ""},
		{"FROM devices.modules WHERE tags.site = 'Lund'", query.Modules, ""},
		{"from Devices where devices.tags.site = 'Lund'", query.Devices, ""},
		{"FROM devices.modules WHERE tags.site = 'Lund'", query.Devices, "line 1, column 6: the condition is one of devices, not of devices.modules"},
		{"FROM devices JOIN devices.modules WHERE tags.site = 'Lund'", query.Modules, "the condition is one of devices.modules"},
		{"FROM devices.modules", query.Modules, "expected WHERE"},
		{"tags.site =\n = 'Lund'", query.Devices, "line 2, column 2"},
		{"tags.site = 'Lund' ORDER BY tags.a", query.Devices, "line 1, column 20: expected an operator or the end of the condition"},
		{"COUNT() > 1", query.Devices, "COUNT is an aggregate"},
		{"*", query.Devices, "expected a path"},
		{"", query.Devices, "expected a path"},
		{strings.Repeat("x", query.MaxLength+1), query.Devices, "the limit is 8192"},
	} {
		q, err := query.CompileCondition(tt.text, tt.of)
		if tt.want != "" {
			if tvilling.CodeOf(err) != tvilling.InvalidArgument || !strings.Contains(tvilling.MessageOf(err), tt.want) {
				t.Errorf("%q of %s: %v, want InvalidArgument with %q", tt.text, tt.of, err, tt.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q of %s: %v", tt.text, tt.of, err)
			continue
		}
		if q.Collection() != tt.of || !q.Star() || len(query.Members(q.Where())) != 1 {
			t.Errorf("%q: %s, star %v, members %v", tt.text, q.Collection(), q.Star(), query.Members(q.Where()))
		}
		if !q.Match(mustTwin(t, `{"deviceId":"a","tags":{"site":"Lund"}}`)) || q.Match(mustTwin(t, `{"deviceId":"a","tags":{"site":"Malmö"}}`)) {
			t.Errorf("%q finds others", tt.text)
		}
	}
	// A continuation of one collection is not taken for the other.
	devices, err := query.CompileCondition("true", query.Devices)
	if err != nil {
		t.Fatal(err)
	}
	modules, err := query.CompileCondition("true", query.Modules)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := modules.Position(devices.Continuation(tvilling.Device("a"), 0)); tvilling.CodeOf(err) != tvilling.InvalidArgument {
		t.Errorf("a continuation of another collection: %v", err)
	}
}

// TestMembers checks what planners are told of the members.
func TestMembers(t *testing.T) {
	q := mustCompile(t, "SELECT id, devices.tags.a, modules.tags.a AS b FROM devices JOIN devices.modules WHERE TAGS.a = devices.modules.tags.a AND moduleId > 'x'")
	var got []string
	for i, m := range q.Members() {
		if m.Number != i {
			t.Errorf("member %d has number %d", i, m.Number)
		}
		got = append(got, fmt.Sprint(strings.Join(m.Segments, "."), " ", m.Module))
	}
	if want := "deviceId false, tags.a false, tags.a true, moduleId true"; strings.Join(got, ", ") != want {
		t.Errorf("members %s, want %s", strings.Join(got, ", "), want)
	}
	if n := len(query.Members(q.Where())); n != 3 {
		t.Errorf("the condition reads %d members, want 3", n)
	}
}

// records are those of one twin; each asks is counted.
type records struct {
	identity *state.Identity
	last     time.Time
	err      error
	asked    string
}

func (r *records) Identity(tvilling.Identity) (*state.Identity, error) {
	r.asked += "identity "
	return r.identity, r.err
}

func (r *records) Session(tvilling.Identity) (bool, time.Time, error) {
	r.asked += "session "
	return true, r.last, r.err
}

// TestLazyTwin checks that records are read when a member needs them, and once.
func TestLazyTwin(t *testing.T) {
	given := mustTwin(t, `{"deviceId":"a","tags":{"x":1},"statusReason":"why","capabilities":{"iotEdge":true}}`)
	for _, tt := range []struct {
		where, asked string
		found        bool
	}{
		{"tags.x = 1 AND deviceId = 'a' AND version > 0 AND etag != '' AND NOT IS_DEFINED(moduleId)", "", true},
		{"tags.x = 2 AND status = 'enabled'", "", false},
		{"status = 'enabled' AND statusReason = 'why' AND capabilities.iotEdge AND IS_OBJECT(x509Thumbprint)", "identity ", true},
		{"connectionState = 'Connected' AND lastActivityTime > '2025-12-31'", "session ", true},
		{"connectionState = 'Connected' AND status = 'disabled'", "session identity ", false},
	} {
		from := &records{identity: given.Identity, last: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
		row := &query.Twin{Twin: given.Twin.Twin, From: from}
		q := mustCompile(t, "SELECT * FROM devices WHERE "+tt.where)
		if got := q.Match(row); got != tt.found || row.Err() != nil || from.asked != tt.asked {
			t.Errorf("%s: found %v, asked for %q, error %v; want %v, %q", tt.where, got, from.asked, row.Err(), tt.found, tt.asked)
		}
	}
	damage := errors.New("damaged")
	for _, where := range []string{"status = 'enabled'", "IS_DEFINED(capabilities)", "x509Thumbprint.primaryThumbprint = null", "lastActivityTime > ''", "NOT IS_DEFINED(parentScopes)"} {
		row := &query.Twin{Twin: given.Twin.Twin, From: &records{err: damage}}
		mustCompile(t, "SELECT * FROM devices WHERE "+where).Match(row)
		if !errors.Is(row.Err(), damage) {
			t.Errorf("%s: error %v, want %v", where, row.Err(), damage)
		}
	}
}

// TestIn checks IN lists of both lengths against the OR of equalities.
func TestIn(t *testing.T) {
	long := "'x', 'y', '2026-01-02T01:00:00+01:00', 'é', '', 'a', 'b', 'c', 'd', 'e', '2026'"
	r := mustTwin(t, `{"deviceId":"a","tags":{"s":"é","n":-0.0,"b":true,"l":[1],"d":"2026-01-02"},"lastActivityTime":"2026-01-02T00:00:00Z"}`)
	for _, path := range []string{"tags.s", "tags.n", "tags.b", "tags.l", "tags.none", "tags.d", "lastActivityTime", "x509Thumbprint.primaryThumbprint", "deviceId", "statusUpdateTime"} {
		for _, items := range []string{long, long + ", 0, 1", long + ", null", long + ", true", long + ", undefined", "0, 1, 2, 3, 4, 5, 6, 7, 8, 9", "-0, 1, 2, 3, 4, 5, 6, 7, 8, true, false", "'2026-01-02', 'q', 'w', 'e', 'r', 't', 'z', 'u', 'i'"} {
			var equalities []string
			for item := range strings.SplitSeq(items, ", ") {
				equalities = append(equalities, path+" = "+item)
			}
			in := mustCompile(t, "SELECT * FROM devices WHERE "+path+" IN ["+items+"]").Where().Test(r)
			either := mustCompile(t, "SELECT * FROM devices WHERE "+strings.Join(equalities, " OR ")).Where().Test(r)
			if in != either {
				t.Errorf("%s IN [%s]: %v, want %v", path, items, in, either)
			}
		}
	}
}

// TestRunReadsRecords checks that rows whose records cannot be read are told of,
// and not shown without what is missing, wherever a query needs them.
func TestRunReadsRecords(t *testing.T) {
	good, bad := mustTwin(t, `{"deviceId":"a"}`), mustTwin(t, `{"deviceId":"b"}`)
	damage := tvilling.Errorf(tvilling.Corrupt, "The stored identity is damaged.")
	lazy := func() []query.Row {
		return []query.Row{
			&querytest.Row{Twin: query.Twin{Twin: good.Twin.Twin, From: &records{identity: good.Identity}}},
			&querytest.Row{Twin: query.Twin{Twin: bad.Twin.Twin, From: &records{err: damage}}},
		}
	}
	for _, tt := range []struct {
		query string
		count int
		told  bool
	}{
		{"SELECT deviceId FROM devices", 2, false},
		{"SELECT * FROM devices", 1, true},
		{"SELECT deviceId, status FROM devices", 1, true},
		{"SELECT deviceId FROM devices WHERE status = 'enabled'", 1, true},
		{"SELECT deviceId FROM devices WHERE deviceId = 'a' OR status = 'enabled'", 1, true},
		{"SELECT deviceId FROM devices ORDER BY connectionState", 1, true},
		{"SELECT lastActivityTime FROM devices ORDER BY deviceId", 1, true},
		{"SELECT deviceId, COUNT() AS n FROM devices GROUP BY deviceId, status", 1, true},
		{"SELECT deviceId, MAX(lastActivityTime) AS last FROM devices GROUP BY deviceId", 1, true},
	} {
		told := 0
		o := query.Options{Damaged: func(error) { told++ }}
		p, err := mustCompile(t, tt.query).Run(t.Context(), source(lazy(), query.Devices), o)
		if err != nil || p.Count != tt.count || told > 0 != tt.told {
			t.Errorf("%s: %+v, %v, told %d times; want %d rows, told %v", tt.query, p, err, told, tt.count, tt.told)
		}
		_, err = mustCompile(t, tt.query).Run(t.Context(), source(lazy(), query.Devices), query.Options{})
		if errors.Is(err, damage) != tt.told {
			t.Errorf("%s without Damaged: %v", tt.query, err)
		}
	}
}
