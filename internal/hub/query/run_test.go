package query_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// fleet returns the rows of n devices, d000 on, every third of them with tag
// third, each with module m.
func fleet(t testing.TB, n int) []query.Row {
	t.Helper()
	var rows []query.Row
	for i := range n {
		rows = append(rows,
			mustTwin(t, fmt.Sprintf(`{"deviceId":"d%03d","tags":{"third":%t}}`, i, i%3 == 0)),
			mustTwin(t, fmt.Sprintf(`{"deviceId":"d%03d","moduleId":"m"}`, i)))
	}
	return rows
}

func mustCompile(t testing.TB, text string) *query.Query {
	t.Helper()
	q, err := query.Compile(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// ids returns the deviceIds of a page.
func ids(t testing.TB, p *query.Page) []string {
	t.Helper()
	var rows []struct{ DeviceID string }
	if err := json.Unmarshal(p.Body, &rows); err != nil {
		t.Fatalf("%s: %v", p.Body, err)
	}
	got := []string{}
	for _, r := range rows {
		got = append(got, r.DeviceID)
	}
	if len(got) != p.Count {
		t.Errorf("Count %d, want %d", p.Count, len(got))
	}
	return got
}

func TestPages(t *testing.T) {
	rows := fleet(t, 251) // the last one is not a third
	var thirds, all []string
	for i := range 251 {
		all = append(all, fmt.Sprintf("d%03d", i))
		if i%3 == 0 {
			thirds = append(thirds, all[i])
		}
	}
	for _, tt := range []struct {
		name  string
		query string
		sizes []int // of the pages, the last one for all further ones
		want  []string
		pages []int // the rows on each
	}{
		{"whole", "SELECT deviceId FROM devices", []int{0}, all, []int{100, 100, 51}},
		{"too large a size is cut", "SELECT deviceId FROM devices", []int{1000}, all, []int{100, 100, 51}},
		{"negative size", "SELECT deviceId FROM devices", []int{-1}, all, []int{100, 100, 51}},
		{"modules", "SELECT deviceId FROM devices.modules", []int{100}, all, []int{100, 100, 51}},
		{"another size on each page", "SELECT deviceId FROM devices WHERE tags.third", []int{1, 50, 3, 29}, thirds, []int{1, 50, 3, 29, 1}},
		{"no empty last page", "SELECT deviceId FROM devices WHERE tags.third", []int{42}, thirds, []int{42, 42}},
		{"nothing", "SELECT deviceId FROM devices WHERE tags.none", []int{10}, nil, []int{0}},
		{"TOP below a page", "SELECT TOP 3 deviceId FROM devices", []int{10}, all[:3], []int{3}},
		{"TOP of a page", "SELECT TOP 10 deviceId FROM devices", []int{10}, all[:10], []int{10}},
		{"TOP of pages", "SELECT TOP 25 deviceId FROM devices", []int{10, 9, 10}, all[:25], []int{10, 9, 6}},
		{"TOP beyond all", "SELECT TOP 1000 deviceId FROM devices", []int{100}, all, []int{100, 100, 51}},
	} {
		q := mustCompile(t, tt.query)
		var got []string
		var pages []int
		o := query.Options{}
		for i := 0; ; i++ {
			o.Size = tt.sizes[min(i, len(tt.sizes)-1)]
			p, err := q.Run(t.Context(), source(rows, q.Collection()), o)
			if err != nil {
				t.Fatalf("%s: page %d: %v", tt.name, i, err)
			}
			got = append(got, ids(t, p)...)
			pages = append(pages, p.Count)
			if o.Continuation = p.Next; p.Next == "" {
				break
			}
			if strings.ContainsAny(p.Next, " \r\n,;=\"") {
				t.Errorf("%s: the continuation %q does not fit a header", tt.name, p.Next)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: rows (-want +got):\n%s", tt.name, diff)
		}
		if !slices.Equal(pages, tt.pages) {
			t.Errorf("%s: pages of %d rows, want %d", tt.name, pages, tt.pages)
		}
	}
}

// TestEnough cuts pages after a number of rows looked at; nothing is lost or
// doubled.
func TestEnough(t *testing.T) {
	rows := fleet(t, 20)
	q := mustCompile(t, "SELECT deviceId FROM devices WHERE tags.third")
	o := query.Options{Enough: func(scanned int) bool { return scanned == 2 }}
	var got []string
	for pages := 1; ; pages++ {
		p, err := q.Run(t.Context(), source(rows, q.Collection()), o)
		if err != nil {
			t.Fatal(err)
		}
		if p.Scanned > 2 {
			t.Fatalf("page %d looked at %d rows, want at most 2", pages, p.Scanned)
		}
		got = append(got, ids(t, p)...)
		if o.Continuation = p.Next; p.Next == "" {
			break
		}
	}
	if want := []string{"d000", "d003", "d006", "d009", "d012", "d015", "d018"}; !slices.Equal(got, want) {
		t.Errorf("rows %q, want %q", got, want)
	}
	// A count is whole or an error.
	p, err := mustCompile(t, "SELECT COUNT() AS n FROM devices").Run(t.Context(), source(rows, query.Devices), o)
	if err != nil || string(p.Body) != `[{"n":20}]` || p.Next != "" || p.Scanned != 20 {
		t.Errorf("count: %+v, %v", p, err)
	}
}

// broken yields rows and errors.
func broken(rows ...any) query.Rows {
	return func(tvilling.Identity) iter.Seq2[query.Row, error] {
		return func(yield func(query.Row, error) bool) {
			for _, r := range rows {
				row, _ := r.(query.Row)
				err, _ := r.(error)
				if !yield(row, err) {
					return
				}
			}
		}
	}
}

func TestDamagedRows(t *testing.T) {
	a, b := mustTwin(t, `{"deviceId":"a"}`), mustTwin(t, `{"deviceId":"b"}`)
	corrupt := tvilling.Errorf(tvilling.Corrupt, "The stored twin is damaged.")
	gone := tvilling.Errorf(tvilling.Unavailable, "The hub stops.")
	q := mustCompile(t, "SELECT deviceId FROM devices")

	var told []error
	o := query.Options{Damaged: func(err error) { told = append(told, err) }}
	p, err := q.Run(t.Context(), broken(a, corrupt, b), o)
	if err != nil || string(p.Body) != `[{"deviceId":"a"},{"deviceId":"b"}]` || len(told) != 1 {
		t.Errorf("with Damaged: %+v, %v, told %v; want both rows, told once", p, err, told)
	}
	if _, err = q.Run(t.Context(), broken(a, corrupt, b), query.Options{}); !errors.Is(err, corrupt) {
		t.Errorf("without Damaged: %v, want %v", err, corrupt)
	}
	if _, err = q.Run(t.Context(), broken(a, gone, b), o); !errors.Is(err, gone) {
		t.Errorf("another error: %v, want %v", err, gone)
	}
}

func TestCancel(t *testing.T) {
	cause := errors.New("the client went away")
	rows := fleet(t, 300)
	q := mustCompile(t, "SELECT deviceId FROM devices WHERE tags.none")
	ctx, cancel := context.WithCancelCause(t.Context())
	seen := 0
	endless := func(tvilling.Identity) iter.Seq2[query.Row, error] {
		return func(yield func(query.Row, error) bool) {
			for {
				if seen++; seen == 100 {
					cancel(cause)
				}
				if !yield(rows[0], nil) {
					return
				}
			}
		}
	}
	if _, err := q.Run(ctx, endless, query.Options{}); !errors.Is(err, cause) {
		t.Errorf("error %v, want %v", err, cause)
	}
	if seen > 200 {
		t.Errorf("stopped after %d rows, want soon after 100", seen)
	}
	// Rows that end because the context is done are not the end of the result.
	if p, err := q.Run(ctx, broken(), query.Options{}); !errors.Is(err, cause) {
		t.Errorf("cut rows: %+v, %v, want %v", p, err, cause)
	}
}

func TestContinuationRefused(t *testing.T) {
	const text = "SELECT deviceId FROM devices"
	q := mustCompile(t, text)
	top := mustCompile(t, "SELECT TOP 9 deviceId FROM devices")
	good := q.Continuation(tvilling.Identity{Device: "d", Module: "m"}, 0)
	for _, tt := range []struct{ name, token, want string }{
		{"empty bytes", "AA", "not one that this hub gave"},
		{"no base64", "hello world", "not one that this hub gave"},
		{"new line", good + "\n", "not one that this hub gave"},
		{"cut", good[:len(good)-6], "not one that this hub gave"},
		{"invalid id", q.Continuation(tvilling.Identity{Device: "a b"}, 0), "not one that this hub gave"},
		{"no id", q.Continuation(tvilling.Identity{}, 0), "not one that this hub gave"},
		{"long", strings.Repeat("A", 10_000), "not one that this hub gave"},
		{"other query", mustCompile(t, text+" ").Continuation(tvilling.Identity{Device: "d"}, 0), "belongs to another query"},
		{"TOP without TOP", q.Continuation(tvilling.Identity{Device: "d"}, 1), "belongs to another query"},
	} {
		_, err := q.Run(t.Context(), broken(), query.Options{Continuation: tt.token})
		if tvilling.CodeOf(err) != tvilling.InvalidArgument || !strings.Contains(tvilling.MessageOf(err), tt.want) {
			t.Errorf("%s: %v, want InvalidArgument with %q", tt.name, err, tt.want)
		}
	}
	for _, left := range []int{0, 10} {
		if _, _, err := top.After(top.Continuation(tvilling.Identity{Device: "d"}, left)); tvilling.CodeOf(err) != tvilling.InvalidArgument {
			t.Errorf("%d rows left of TOP 9: %v, want InvalidArgument", left, err)
		}
	}
	count := mustCompile(t, "SELECT COUNT() AS n FROM devices")
	if _, _, err := count.After(count.Continuation(tvilling.Identity{Device: "d"}, 0)); tvilling.CodeOf(err) != tvilling.InvalidArgument {
		t.Errorf("COUNT continued: %v, want InvalidArgument", err)
	}
}

// FuzzContinuation checks that no text makes the reader of continuations panic,
// and that what it takes is what it would write.
func FuzzContinuation(f *testing.F) {
	queries := []*query.Query{
		mustCompile(f, "SELECT TOP 300 * FROM devices.modules"),
		mustCompile(f, "SELECT * FROM devices ORDER BY tags.a"),
		mustCompile(f, "SELECT TOP 300 tags.a FROM devices GROUP BY tags.a"),
		mustCompile(f, "SELECT COUNT() AS n FROM devices"),
		mustCompile(f, "SELECT * FROM devices.jobs"),
	}
	long := tvilling.Identity{Device: tvilling.DeviceID(strings.Repeat("d", 128)), Module: tvilling.ModuleID(strings.Repeat("m", 128))}
	f.Add("")
	for _, p := range []query.Position{
		{After: tvilling.Identity{Device: "d", Module: "$edgeAgent"}, Left: 1},
		{After: long, Left: 300, Key: bytes.Repeat([]byte{1}, 2048)},
		{After: tvilling.Device("d"), Left: 128, Key: []byte{1}},
		{After: tvilling.Device("d"), Key: []byte{}},
	} {
		for _, q := range queries {
			f.Add(q.Encode(p))
		}
	}
	f.Fuzz(func(t *testing.T, token string) {
		for _, q := range queries {
			p, err := q.Position(token)
			switch {
			case err != nil:
				if tvilling.CodeOf(err) != tvilling.InvalidArgument {
					t.Fatalf("Position(%q): %v", token, err)
				}
			case token == "":
				if p.Left != q.Top() || p.After != (tvilling.Identity{}) || p.Key != nil {
					t.Fatalf("the beginning is %+v", p)
				}
			default:
				if again := q.Encode(p); again != token {
					t.Fatalf("Position(%q) = %+v, which is written %q", token, p, again)
				}
			}
		}
	})
}

func TestQueryFacts(t *testing.T) {
	for _, tt := range []struct {
		query string
		kind  state.Kind
		star  bool
		equal map[string]string
	}{
		{"SELECT * FROM devices", state.Devices, true, nil},
		{"SELECT deviceId FROM devices.modules", state.Modules, false, nil},
		{"SELECT COUNT() AS n FROM devices", state.Devices, false, nil},
		{"SELECT * FROM devices WHERE DeviceId = 'x'", state.Devices, true, map[string]string{"deviceId": "x"}},
		{"SELECT * FROM devices WHERE 'x' = devices.id AND status = 'enabled'", state.Devices, true, map[string]string{"deviceId": "x", "status": "enabled"}},
		{"SELECT * FROM devices.modules WHERE tags.a = 'y' AND (moduleId = 'm')", state.Modules, true, map[string]string{"moduleId": "m"}},
		{"SELECT * FROM devices WHERE deviceId = 'x' AND deviceId = 'y'", state.Devices, true, map[string]string{"deviceId": "x"}},
		{"SELECT * FROM devices WHERE deviceId = 'x' OR deviceId = 'y'", state.Devices, true, nil},
		{"SELECT * FROM devices WHERE NOT deviceId = 'x'", state.Devices, true, nil},
		{"SELECT * FROM devices WHERE deviceId != 'x' AND deviceId > 'x'", state.Devices, true, nil},
		{"SELECT * FROM devices WHERE deviceId = 1 AND deviceId = tags.a AND 'x' = 'x'", state.Devices, true, nil},
	} {
		q := mustCompile(t, tt.query)
		if q.Kind() != tt.kind || q.Star() != tt.star {
			t.Errorf("%s: kind %v, star %v, want %v, %v", tt.query, q.Kind(), q.Star(), tt.kind, tt.star)
		}
		for _, field := range []string{"deviceId", "moduleId", "status", "tags"} {
			got, ok := q.EqualityOn(field)
			want, wanted := tt.equal[field]
			if got != want || ok != wanted {
				t.Errorf("%s: EqualityOn(%s) = %q, %v, want %q, %v", tt.query, field, got, ok, want, wanted)
			}
		}
	}
}

func TestProjectAppends(t *testing.T) {
	q := mustCompile(t, "SELECT deviceId, tags.third FROM devices")
	got := q.Project([]byte("before "), fleet(t, 1)[0])
	if want := []byte(`before {"deviceId":"d000","third":true}`); !bytes.Equal(got, want) {
		t.Errorf("Project: %s, want %s", got, want)
	}
}
