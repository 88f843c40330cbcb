package search_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/index"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/search"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/store/memory"
)

// faulty is a store some of whose records cannot be read.
type faulty struct {
	state.Store
	// wait, if set, is called before each scan.
	wait func(ctx context.Context)
	mu   sync.Mutex // guards bad
	bad  map[tvilling.Identity]error
}

func (f *faulty) fault(id tvilling.Identity) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bad[id]
}

func (f *faulty) Twin(ctx context.Context, id tvilling.Identity) (*state.Twin, error) {
	if err := f.fault(id); err != nil {
		return nil, err
	}
	return f.Store.Twin(ctx, id)
}

func (f *faulty) Scan(ctx context.Context, r state.Range) iter.Seq2[state.Entry, error] {
	return func(yield func(state.Entry, error) bool) {
		if f.wait != nil {
			f.wait(ctx)
		}
		for e, err := range f.Store.Scan(ctx, r) {
			if err == nil && e.Twin != nil {
				if err = f.fault(e.Twin.ID); err != nil {
					e.Twin = nil
				}
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// fleet is a core with devices, and the ways to search it.
type fleet struct {
	*hubtest.Core
	store *faulty
}

// newFleet has devices d000, d001, … with a security module each, of which
// every third is at the site "x", and each has its number in tags.n.
func newFleet(t testing.TB, n int) *fleet {
	t.Helper()
	f := &fleet{store: &faulty{Store: memory.New(), bad: map[tvilling.Identity]error{}}}
	f.Core = hubtest.Over(t, f.store)
	for i := range n {
		id := tvilling.Device(device(i))
		f.Register(t, id)
		site := "y"
		if i%3 == 0 {
			site = "x"
		}
		f.patch(t, id, doc.Tags, fmt.Sprintf(`{"site":%q,"n":%d,"list":[%d]}`, site, i, i%5))
	}
	return f
}

func device(i int) tvilling.DeviceID { return tvilling.DeviceID(fmt.Sprintf("d%03d", i)) }

// patch changes a section of a twin.
func (f *fleet) patch(t testing.TB, id tvilling.Identity, part doc.Part, body string) {
	t.Helper()
	u := twin.Update{}
	if part == doc.Tags {
		u.Tags = hubtest.Patch(t, part, body)
	} else {
		u.Desired = hubtest.Patch(t, part, body)
	}
	if _, err := f.Twins.Patch(t.Context(), id, u, tvilling.Match{}, "test"); err != nil {
		t.Fatal(err)
	}
}

func (f *fleet) options(x *index.Index) search.Options {
	return search.Options{Store: f.Store, Sessions: f.Sessions, Index: x, Document: document}
}

// ways are the search by the index, by a scan, and by a scan in parts of which
// two twins each.
func (f *fleet) ways() map[string]*search.Service {
	parted := search.New(f.options(nil))
	all := everywhere(f.Store)
	parted.Split(func(n int) []tvilling.Identity {
		cuts := all(n)
		return slices.DeleteFunc(cuts, func(id tvilling.Identity) bool { return id.IsModule() || id.Device[len(id.Device)-1]%2 == 0 })
	})
	return map[string]*search.Service{"index": f.Search, "scan": search.New(f.options(nil)), "parted scan": parted}
}

func compile(t testing.TB, text string) *query.Query {
	t.Helper()
	q, err := query.Compile(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return q
}

// walk returns the rows of all pages, whose sizes are asked for in turn.
func walk(t *testing.T, s *search.Service, text string, sizes ...int) []string {
	t.Helper()
	var rows []string
	o := query.Options{}
	for i := range 10_000 {
		o.Size = sizes[i%len(sizes)]
		page, err := s.Run(t.Context(), compile(t, text), o)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var body []json.RawMessage
		if err := json.Unmarshal(page.Body, &body); err != nil {
			t.Fatal(err)
		}
		for _, b := range body {
			rows = append(rows, string(b))
		}
		if o.Continuation = page.Next; page.Next == "" {
			return rows
		}
	}
	t.Fatalf("%s: there is no last page", text)
	return nil
}

// list returns the identities that Each gives, and the damage that it tells.
func list(ctx context.Context, s *search.Service, q *query.Query) (ids []string, damage int, err error) {
	for id, err := range s.Each(ctx, q, tvilling.Identity{}) {
		switch {
		case err == nil:
			ids = append(ids, id.String())
		case tvilling.CodeOf(err) == tvilling.Corrupt:
			damage++
		default:
			return ids, damage, err
		}
	}
	return ids, damage, nil
}

func TestEveryWayFindsTheSame(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 130)
	for _, text := range []string{
		"SELECT deviceId FROM devices",
		"SELECT deviceId FROM devices WHERE tags.site = 'x'",
		"SELECT deviceId FROM devices WHERE tags.site = 'x' AND tags.n > 100",
		"SELECT deviceId FROM devices WHERE ARRAY_CONTAINS(tags.list, 3) AND tags.n >= 120",
		"SELECT deviceId FROM devices WHERE ARRAY_CONTAINS(tags.list, 3)",
		"SELECT deviceId FROM devices WHERE tags.n = 7.5",
		"SELECT deviceId, moduleId FROM devices.modules WHERE moduleId = 'azureiotsecurity'",
		"SELECT deviceId, moduleId, tags.n FROM devices JOIN devices.modules WHERE tags.n % 10 = 3",
	} {
		q := compile(t, text)
		want := walk(t, search.New(f.options(nil)), text, 100)
		for name, s := range f.ways() {
			for _, sizes := range [][]int{{100}, {1}, {7, 1, 100}} {
				if diff := cmp.Diff(want, walk(t, s, text, sizes...)); diff != "" {
					t.Errorf("%s: %s, pages of %d (-want +got):\n%s", name, text, sizes, diff)
				}
			}
			ids, damage, err := list(t.Context(), s, q)
			if err != nil || damage != 0 || len(ids) != len(want) || !slices.IsSorted(ids) {
				t.Errorf("%s: Each of %s gave %d identities, %d damaged, %v; want %d in order", name, text, len(ids), damage, err, len(want))
			}
			if n, err := s.Count(t.Context(), q); err != nil || n != int64(len(want)) {
				t.Errorf("%s: %s counts %d, %v; want %d", name, text, n, err, len(want))
			}
		}
	}
}

func TestPlans(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 40)
	for text, want := range map[string]search.Plan{
		"SELECT * FROM devices WHERE deviceId = 'd007' AND tags.n > 3": search.Device,
		"SELECT * FROM devices.modules WHERE deviceId = 'd007'":        search.Device,
		"SELECT * FROM devices":                       search.Index,
		"SELECT * FROM devices WHERE tags.site = 'x'": search.Index,
		"SELECT COUNT() AS n FROM devices WHERE tags.site = 'x' AND connectionState='Connected'": search.Index,
		"SELECT tags.site, COUNT() AS n FROM devices GROUP BY tags.site":                         search.Index,
		"SELECT * FROM devices ORDER BY tags.n DESC":                                             search.Index,
		"SELECT * FROM devices WHERE ARRAY_CONTAINS(tags.list, 3) AND tags.n = 13":               search.Recheck,
		"SELECT * FROM devices WHERE ARRAY_CONTAINS(tags.list, 3)":                               search.Scan,
		"SELECT * FROM devices.jobs":                                                             search.Nothing,
	} {
		for _, run := range []bool{false, true} {
			e, err := f.Search.Explain(t.Context(), compile(t, text), query.Options{}, run)
			if err != nil {
				t.Fatal(err)
			}
			if e.Plan != want {
				t.Errorf("%s: the plan is %s, want %s (%+v)", text, e.Plan, want, e)
			}
			if (e.Page != nil) != run {
				t.Errorf("%s: run=%t, and the page is %+v", text, run, e.Page)
			}
		}
	}
}

// TestExplain: the tale is one row, and its figures are those of the page.
func TestExplain(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 40)
	page, err := f.Search.Run(t.Context(), compile(t, "EXPLAIN SELECT * FROM devices WHERE tags.site = 'x'"), query.Options{Size: 5})
	if err != nil {
		t.Fatal(err)
	}
	var got []search.Explanation
	if err := json.Unmarshal(page.Body, &got); err != nil || len(got) != 1 || page.Count != 1 || page.Next != "" {
		t.Fatalf("got %s with next %q, %v", page.Body, page.Next, err)
	}
	e := got[0]
	if e.Plan != search.Index || e.Estimated == nil || *e.Estimated != 14 || !e.Index.Ready || e.Index.Bytes == 0 {
		t.Errorf("got %s", page.Body)
	}
	if p := e.Page; p == nil || p.Rows != 5 || !p.More || p.Examined != 6 || p.Indexed < 40 || p.Bytes == 0 || p.Milliseconds <= 0 {
		t.Errorf("got the page %+v", e.Page)
	}
	if _, err := f.Search.Run(t.Context(), compile(t, "EXPLAIN SELECT * FROM devices"), query.Options{Continuation: "x"}); tvilling.CodeOf(err) != tvilling.InvalidArgument {
		t.Errorf("a continuation of EXPLAIN is answered with %v", err)
	}
	// Paths that begin like nothing in a twin are named.
	o := f.options(nil)
	o.Owned = []string{"security"}
	odd, err := search.New(o).Explain(t.Context(), compile(t, "SELECT id, Tags.a FROM devices WHERE tags.site = Lund OR reported.x < 2 OR Lund = 1 OR Security.score > 3 OR configurations.a.status = 'Applied'"), query.Options{}, false)
	if err != nil || !slices.Equal(odd.Strange, []string{"Lund", "reported.x"}) {
		t.Errorf("strange are %v, %v", odd, err)
	}
	// Without an index nothing is said of one; before it is ready, that.
	for _, x := range []*index.Index{nil, index.New(index.Options{})} {
		e, err := search.New(f.options(x)).Explain(t.Context(), compile(t, "SELECT * FROM devices WHERE tags.site = 'x'"), query.Options{}, true)
		if err != nil || e.Plan != search.Scan || (e.Index == nil) != (x == nil) || x != nil && len(e.Why) == 0 {
			t.Errorf("got %+v, %v", e, err)
		}
	}
}

// TestDamage: what cannot be read is left out and told, by every way; any other
// fault ends the query.
func TestDamage(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 9)
	bad := tvilling.Device(device(3))
	f.store.bad[bad] = &tvilling.Error{Code: tvilling.Corrupt, Subject: "twin d003", Message: "Damaged."}
	const text = "SELECT deviceId FROM devices WHERE tags.site = 'x'"
	q := compile(t, text)
	for name, s := range f.ways() {
		told := 0
		page, err := s.Run(t.Context(), q, query.Options{Damaged: func(error) { told++ }})
		if err != nil || string(page.Body) != `[{"deviceId":"d000"},{"deviceId":"d006"}]` || told != 1 {
			t.Errorf("%s: got %v, %v, and was told of %d", name, page, err, told)
		}
		if _, err := s.Run(t.Context(), q, query.Options{}); tvilling.CodeOf(err) != tvilling.Corrupt {
			t.Errorf("%s: with nobody to tell, got %v", name, err)
		}
	}
	scan := search.New(f.options(nil))
	if ids, damage, err := list(t.Context(), scan, q); err != nil || damage != 1 || len(ids) != 2 {
		t.Errorf("Each gave %v, %d damaged, %v", ids, damage, err)
	}
	if n, err := scan.Count(t.Context(), q); err != nil || n != 2 {
		t.Errorf("counted %d, %v; want 2", n, err)
	}
	f.store.bad[bad] = tvilling.Errorf(tvilling.Unavailable, "The store is closed.")
	for name, s := range f.ways() {
		if _, err := s.Run(t.Context(), q, query.Options{Damaged: func(error) {}}); tvilling.CodeOf(err) != tvilling.Unavailable {
			t.Errorf("%s: got %v, want the store's error", name, err)
		}
	}
	if _, err := scan.Count(t.Context(), q); tvilling.CodeOf(err) != tvilling.Unavailable {
		t.Errorf("counting got %v, want the store's error", err)
	}
	if _, _, err := list(t.Context(), scan, q); tvilling.CodeOf(err) != tvilling.Unavailable {
		t.Errorf("Each got %v, want the store's error", err)
	}
}

// TestIndexOfDamage: an index that was built over damage answers for all other
// twins, and what cannot be read is told; it is counted again once it can be.
func TestIndexOfDamage(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 9)
	f.store.bad[tvilling.Device(device(3))] = &tvilling.Error{Code: tvilling.Corrupt, Subject: "twin d003", Message: "Damaged."}
	x := built(t, f.Store, live{})
	s := search.New(f.options(x))
	const where = " FROM devices WHERE tags.site = 'x'"
	ask := func(text, want string, damage int) {
		t.Helper()
		told := 0
		page, err := s.Run(t.Context(), compile(t, text), query.Options{Damaged: func(error) { told++ }})
		if err != nil || string(page.Body) != want || told != damage {
			t.Errorf("%s: got %v, %v, and was told of %d; want %s and %d", text, page, err, told, want, damage)
		}
		e, err := s.Explain(t.Context(), compile(t, text), query.Options{}, false)
		if err != nil || e.Plan != search.Index {
			t.Errorf("%s: got the plan %+v, %v; want the index", text, e, err)
		}
	}
	all := func(ids string, n, damage int) {
		t.Helper()
		ask("SELECT tags.n"+where, ids, damage)
		ask("SELECT tags.n"+where+" ORDER BY tags.n", ids, damage)
		ask("SELECT COUNT() AS c"+where, fmt.Sprintf(`[{"c":%d}]`, n), damage)
		q := compile(t, "SELECT *"+where)
		if got, err := s.Count(t.Context(), q); err != nil || got != int64(n) {
			t.Errorf("counted %d, %v; want %d", got, err, n)
		}
		if ids, told, err := list(t.Context(), s, q); err != nil || len(ids) != n || told != damage {
			t.Errorf("Each gave %v, told of %d, %v; want %d and %d", ids, told, err, n, damage)
		}
	}
	all(`[{"n":0},{"n":6}]`, 2, 1)
	clear(f.store.bad)
	all(`[{"n":0},{"n":3},{"n":6}]`, 3, 0)
}

// TestPageTime: a page whose time is over is given out short, and its
// continuations lead to every row.
func TestPageTime(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 9)
	o := f.options(nil)
	o.PageTime = time.Nanosecond
	s := search.New(o)
	const text = "SELECT deviceId FROM devices WHERE tags.site = 'x'"
	page, err := s.Run(t.Context(), compile(t, text), query.Options{})
	if err != nil || page.Count != 1 || page.Next == "" {
		t.Errorf("got %v, %v; want a page of one row", page, err)
	}
	if got, want := strings.Join(walk(t, s, text, 100), ""), `{"deviceId":"d000"}{"deviceId":"d003"}{"deviceId":"d006"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestKeyset: a continuation is good after changes, with another page size, and
// for another service over the same store; nothing is shown twice or left out
// that was there all the time.
func TestKeyset(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"SELECT deviceId FROM devices WHERE tags.site = 'x'",
		"SELECT deviceId FROM devices WHERE tags.site = 'x' ORDER BY tags.n",
	} {
		f := newFleet(t, 30)
		q := compile(t, text)
		var got []string
		o := query.Options{Size: 3}
		for i := 0; ; i++ {
			ways := f.ways()
			s := ways[[]string{"index", "scan", "parted scan"}[i%3]]
			page, err := s.Run(t.Context(), q, o)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(page.Body))
			if page.Next == "" {
				break
			}
			o = query.Options{Size: 2 + i%3, Continuation: page.Next}
			switch i {
			case 0: // what was shown goes, what is ahead comes and goes
				if err := f.Registry.Delete(t.Context(), tvilling.Device("d006"), tvilling.Match{}, "test"); err != nil {
					t.Fatal(err)
				}
				f.patch(t, tvilling.Device("d009"), doc.Tags, `{"site":"y"}`)
				f.patch(t, tvilling.Device("d010"), doc.Tags, `{"site":"x"}`)
			case 1:
				f.patch(t, tvilling.Device("d001"), doc.Tags, `{"site":"x"}`) // behind the page
			}
		}
		flat := strings.NewReplacer("[", "", "]", "", `{"deviceId":"`, "", `"}`, "").Replace(strings.Join(got, ","))
		if want := "d000,d003,d006,d010,d012,d015,d018,d021,d024,d027"; flat != want {
			t.Errorf("%s: got %s, want %s", text, flat, want)
		}
	}
}

// TestAdmission: no more queries than that look at all twins at once, no more
// wait, and one for a device does not wait.
func TestAdmission(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2)
		release := make(chan struct{})
		f.store.wait = func(context.Context) { <-release }
		o := f.options(nil)
		o.Scans, o.Waiting = 1, 1
		s := search.New(o)
		all := compile(t, "SELECT deviceId FROM devices")
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if _, err := s.Run(t.Context(), all, query.Options{}); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if got := s.Stats(); got.Scans != 1 || got.Waiting != 1 {
			t.Errorf("got %+v, want one that runs and one that waits", got)
		}
		if _, err := s.Run(t.Context(), all, query.Options{}); tvilling.CodeOf(err) != tvilling.Throttled {
			t.Errorf("the third got %v, want Throttled at once", err)
		}
		if _, err := s.Run(t.Context(), compile(t, "SELECT * FROM devices WHERE deviceId = 'd001'"), query.Options{}); err != nil {
			t.Errorf("one for a device got %v", err)
		}
		close(release)
		wg.Wait()
		f.store.wait = func(ctx context.Context) { <-ctx.Done() }
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		wg.Go(func() {
			if _, err := s.Run(ctx, all, query.Options{}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the one that ran got %v, want the end of its time", err)
			}
		})
		synctest.Wait()
		if _, err := s.Count(ctx, all); tvilling.CodeOf(err) != tvilling.Throttled {
			t.Errorf("the one that waited got %v, want Throttled", err)
		}
		wg.Wait()
		if got, want := s.Stats(), (search.Stats{Refused: 2}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

// TestAdmissionOfIndex: a query that has the index test all rows one by one waits
// like one that looks at all twins, and every way gives its place back.
func TestAdmissionOfIndex(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2)
		o := f.options(f.Index)
		o.Scans, o.Waiting = 1, 1
		s := search.New(o)
		slow, fast := " FROM devices WHERE STARTSWITH(deviceId, 'd') AND LENGTH(deviceId) = 4", " FROM devices WHERE tags.site = 'x'"
		ways := map[string]func(ctx context.Context, where string) error{
			"rows": func(ctx context.Context, where string) error {
				_, err := s.Run(ctx, compile(t, "SELECT deviceId"+where), query.Options{})
				return err
			},
			"groups": func(ctx context.Context, where string) error {
				_, err := s.Run(ctx, compile(t, "SELECT COUNT() AS n"+where), query.Options{})
				return err
			},
			"order": func(ctx context.Context, where string) error {
				_, err := s.Run(ctx, compile(t, "SELECT deviceId"+where+" ORDER BY tags.n"), query.Options{})
				return err
			},
			"count": func(ctx context.Context, where string) error {
				_, err := s.Count(ctx, compile(t, "SELECT *"+where))
				return err
			},
			"each": func(ctx context.Context, where string) error {
				for _, err := range s.Each(ctx, compile(t, "SELECT *"+where), tvilling.Identity{}) {
					if err != nil {
						return err
					}
				}
				return nil
			},
		}
		release := make(chan struct{})
		f.store.wait = func(context.Context) { <-release }
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := s.Run(t.Context(), compile(t, "SELECT deviceId FROM devices WHERE etag != 'x'"), query.Options{}); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		for name, way := range ways {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if err := way(ctx, slow); tvilling.CodeOf(err) != tvilling.Throttled {
				t.Errorf("%s beside a scan got %v, want Throttled", name, err)
			}
			cancel()
			if err := way(t.Context(), fast); err != nil {
				t.Errorf("%s of few values got %v", name, err)
			}
		}
		close(release)
		wg.Wait()
		for name, way := range ways {
			for range 3 {
				if err := way(t.Context(), slow); err != nil {
					t.Errorf("%s got %v", name, err)
				}
			}
		}
		if got := s.Stats(); got.Scans != 0 || got.Waiting != 0 {
			t.Errorf("got %+v, want nobody", got)
		}
	})
}

// TestCancel: a query whose reader went away ends, whichever way it takes.
func TestCancel(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 20)
	gone := errors.New("the reader went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	for name, s := range f.ways() {
		for _, text := range []string{
			"SELECT * FROM devices WHERE ARRAY_CONTAINS(tags.list, 3)",
			"SELECT COUNT() AS n FROM devices WHERE ARRAY_CONTAINS(tags.list, 3)",
			"SELECT * FROM devices ORDER BY tags.n",
		} {
			if _, err := s.Run(ctx, compile(t, text), query.Options{}); err == nil {
				t.Errorf("%s: %s is answered", name, text)
			}
		}
	}
}

func TestRow(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1)
	id := tvilling.Device(device(0))
	row, err := f.Search.Row(t.Context(), id)
	if err != nil || row == nil || row.ID() != id || !strings.Contains(string(row.AppendJSON(nil)), `"status":"enabled"`) {
		t.Errorf("got %v, %v", row, err)
	}
	if row, err := f.Search.Row(t.Context(), tvilling.Device("none")); row != nil || err != nil {
		t.Errorf("of no device got %v, %v", row, err)
	}
	row, err = f.Search.Row(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Registry.Delete(t.Context(), id, tvilling.Match{}, "test"); err != nil {
		t.Fatal(err)
	}
	if compile(t, "SELECT * FROM devices WHERE status = 'enabled'").Match(row) || tvilling.CodeOf(row.Err()) != tvilling.DeviceNotFound {
		t.Errorf("of a device that went, the error is %v", row.Err())
	}
}
