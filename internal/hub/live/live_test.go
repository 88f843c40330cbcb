package live_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/live"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/search"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// hub is a core with live queries.
type hub struct {
	*hubtest.Core
	live *live.Service
}

func newHub(t testing.TB, change ...func(*live.Options)) *hub {
	t.Helper()
	return over(t, hubtest.New(t), change...)
}

// over starts live queries over a core anew, as a start of the hub does.
func over(t testing.TB, c *hubtest.Core, change ...func(*live.Options)) *hub {
	t.Helper()
	o := live.Options{
		Search: scan{c}, Journal: c.Journal, Store: c.Store, Sessions: c.Sessions, Document: document,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	for _, f := range change {
		f(&o)
	}
	h := &hub{Core: c, live: live.New(o)}
	c.Tell(h.live.Recorded)
	return h
}

// scan finds twins by looking at all of them.
type scan struct{ core *hubtest.Core }

// indexed finds them as a hub does.
func (s scan) indexed() live.Search {
	return search.New(search.Options{Store: s.core.Store, Sessions: s.core.Sessions, Index: s.core.Index, Document: document})
}

func (s scan) Each(ctx context.Context, q *query.Query, after tvilling.Identity) iter.Seq2[tvilling.Identity, error] {
	return func(yield func(tvilling.Identity, error) bool) {
		for v, err := range s.core.Twins.All(ctx, q.Kind(), after) {
			if err == nil && !q.Match(rowOf(v)) {
				continue
			}
			id := tvilling.Identity{}
			if err == nil {
				id = v.ID
			}
			if !yield(id, err) {
				return
			}
		}
	}
}

func (s scan) Row(ctx context.Context, id tvilling.Identity) (query.Row, error) {
	v, err := s.core.Twins.Get(ctx, id)
	if err != nil {
		if code := tvilling.CodeOf(err); code == tvilling.DeviceNotFound || code == tvilling.ModuleNotFound {
			return nil, nil
		}
		return nil, err
	}
	return rowOf(v), nil
}

type row struct {
	query.Twin
	view twin.View
}

func rowOf(v twin.View) *row {
	return &row{Twin: query.Twin{Twin: v.Twin, Identity: v.Identity, Connected: v.Connected, LastActivity: v.LastActivity}, view: v}
}

func (r *row) AppendJSON(dst []byte) []byte { return document(dst, r.view) }

// document writes all of a twin that a test may change.
func document(dst []byte, v twin.View) []byte {
	dst = fmt.Appendf(dst, `{"deviceId":%q,"connected":%t,"disabled":%t,"tags":`, v.ID, v.Connected, v.Identity.Disabled)
	dst = v.Tags.AppendJSON(dst, doc.Form{})
	dst = append(dst, `,"desired":`...)
	dst = v.Twin.Desired.AppendJSON(dst, doc.Form{Version: true})
	dst = append(dst, `,"reported":`...)
	dst = v.Reported.AppendJSON(dst, doc.Form{Version: true})
	for _, o := range v.Owned {
		dst = fmt.Appendf(dst, `,%q:`, o.Name)
		dst = o.Value.AppendJSON(dst, doc.Form{})
	}
	return append(dst, '}')
}

// result returns what the query finds now.
func (h *hub) result(t testing.TB, text string) map[tvilling.Identity]string {
	t.Helper()
	q, err := query.Compile(text)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[tvilling.Identity]string)
	for v, err := range h.Twins.All(t.Context(), q.Kind(), tvilling.Identity{}) {
		if err != nil {
			t.Fatal(err)
		}
		if r := rowOf(v); q.Match(r) {
			found[v.ID] = string(q.Project(nil, r))
		}
	}
	return found
}

// follower is a client: it keeps the rows and the events that it was told.
type follower struct {
	mu     sync.Mutex
	rows   map[tvilling.Identity]string
	told   []string
	cursor string
	err    error
	stop   context.CancelFunc
	done   chan struct{}
}

// follow opens a live query and reads it. Rows, if given, are those that the
// client has from before.
func (h *hub) follow(t testing.TB, text, cursor string, rows map[tvilling.Identity]string) *follower {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l, err := h.live.Open(ctx, text, cursor)
	if err != nil {
		stop()
		t.Fatal(err)
	}
	f := &follower{rows: maps.Clone(rows), cursor: cursor, stop: stop, done: make(chan struct{})}
	if f.rows == nil || cursor == "" { // without a cursor nothing that it has counts
		f.rows = make(map[tvilling.Identity]string)
	}
	go func() {
		defer close(f.done)
		defer l.Close()
		for e, err := range l.Events(ctx) {
			f.take(e, err)
		}
	}()
	t.Cleanup(f.end)
	return f
}

func (f *follower) take(e live.Event, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.err = err
		return
	}
	switch e.Kind {
	case live.Entered, live.Changed:
		f.rows[e.ID] = string(e.Row)
	case live.Left:
		delete(f.rows, e.ID)
	case live.Reset:
		clear(f.rows)
		f.cursor = ""
	case live.Ready, live.Idle:
	}
	if e.Cursor != "" {
		f.cursor = e.Cursor
	}
	line := e.Kind.String()
	switch e.Kind {
	case live.Entered, live.Changed, live.Left:
		line += " " + e.ID.String() + " " + string(e.Row)
	case live.Ready:
		line += " " + strconv.Itoa(e.Members)
	case live.Reset, live.Idle:
	}
	f.told = append(f.told, strings.TrimSpace(line))
}

// end stops the client, as a lost connection does.
func (f *follower) end() {
	f.stop()
	<-f.done
}

// take what was told since the last look.
func (f *follower) events() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	told := f.told
	f.told = nil
	return told
}

func (f *follower) state() (rows map[tvilling.Identity]string, cursor string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.rows), f.cursor, f.err
}

func (h *hub) patch(t testing.TB, id tvilling.Identity, tags, desired string) {
	t.Helper()
	var u twin.Update
	if tags != "" {
		u.Tags = hubtest.Patch(t, doc.Tags, tags)
	}
	if desired != "" {
		u.Desired = hubtest.Patch(t, doc.Desired, desired)
	}
	if _, err := h.Twins.Patch(t.Context(), id, u, tvilling.Match{}, "test"); err != nil {
		t.Fatal(err)
	}
}

func (h *hub) report(t testing.TB, id tvilling.Identity, body string) {
	t.Helper()
	done := make(chan error, 1)
	h.Twins.Report(id, "test", []byte(body), -1, func(_ int64, err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func (h *hub) own(t testing.TB, id tvilling.Identity, name, body string) {
	t.Helper()
	done := make(chan error, 1)
	h.Twins.Own(id, name, []byte(body), "test", func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// settle waits until everybody in the bubble has nothing to do but to wait for
// more.
func settle() {
	time.Sleep(50 * time.Millisecond) //nolint:forbidigo // the bubble's clock, at once
	synctest.Wait()
}

func want(t testing.TB, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("told\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

const bySite = `SELECT deviceId, tags.site, properties.reported.t FROM devices WHERE tags.site = 'lab'`

// TestFollow: first what there is, then what changes, and nothing of what the
// query cannot see.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		a, b := tvilling.Device("a"), tvilling.Device("b")
		h.Register(t, a)
		h.patch(t, a, `{"site":"lab"}`, "")
		h.Register(t, b)
		f := h.follow(t, bySite, "", nil)
		settle()
		want(t, f.events(), `entered a {"deviceId":"a","site":"lab"}`, "ready 1")

		h.patch(t, b, `{"site":"lab"}`, "")
		h.report(t, a, `{"t":1}`)
		settle()
		want(t, f.events(), `entered b {"deviceId":"b","site":"lab"}`, `changed a {"deviceId":"a","site":"lab","t":1}`)

		// What is not shown, what is as it was, another kind, another site.
		h.report(t, a, `{"u":1}`)
		h.report(t, a, `{"t":1}`)
		h.patch(t, a, `{"site":"lab"}`, `{"x":1}`)
		h.patch(t, tvilling.Identity{Device: "a", Module: tvilling.SecurityModule}, `{"site":"lab"}`, "")
		h.Register(t, tvilling.Device("c"))
		_, client, _ := h.Connect(t, a, true)
		settle()
		want(t, f.events())
		if closed := client.Closed(); len(closed) > 0 {
			t.Error(closed)
		}

		h.patch(t, a, `{"site":"roof"}`, "")
		if err := h.Registry.Delete(t.Context(), b, tvilling.Match{}, "test"); err != nil {
			t.Fatal(err)
		}
		settle()
		want(t, f.events(), "left a", "left b")
		if s := h.live.Stats(); s.Open != 1 || s.Members != 0 || s.Events != 5 {
			t.Errorf("stats are %+v", s)
		}
		f.end()
		if s := h.live.Stats(); s.Open != 0 {
			t.Errorf("stats after the end are %+v", s)
		}
	})
}

// TestFollowConnection: who is connected, and what the hub keeps of itself in a
// twin, is told as it moves.
func TestFollowConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		a := tvilling.Device("a")
		m := tvilling.Identity{Device: "a", Module: tvilling.SecurityModule}
		h.Register(t, a)
		online := h.follow(t, `SELECT deviceId FROM devices WHERE connectionState = 'Connected'`, "", nil)
		whole := h.follow(t, `SELECT * FROM devices`, "", nil)
		bad := h.follow(t, `SELECT deviceId, security.score FROM devices.modules WHERE security.state = 'unhealthy'`, "", nil)
		settle()
		online.events()
		whole.events()
		bad.events()

		s, _, _ := h.Connect(t, a, true)
		settle()
		want(t, online.events(), `entered a {"deviceId":"a"}`)
		if got := whole.events(); len(got) != 1 || !strings.HasPrefix(got[0], "changed a ") || !strings.Contains(got[0], `"connected":true`) {
			t.Errorf("told %q", got)
		}
		s.Done(nil)
		h.own(t, m, "security", `{"state":"unhealthy","score":40}`)
		settle()
		want(t, online.events(), `left a`)
		want(t, bad.events(), `entered a/azureiotsecurity {"deviceId":"a","score":40}`)
		h.own(t, m, "security", `{"state":"healthy","score":90}`)
		settle()
		want(t, bad.events(), `left a/azureiotsecurity`)
	})
}

// TestIdle: a quiet stream tells its cursor now and then, and a change of the
// policies at once.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		f := h.follow(t, bySite, "", nil)
		settle()
		f.events()
		_, first, _ := f.state()
		h.Register(t, tvilling.Device("a")) // moves the cursor, and no more
		time.Sleep(16 * time.Second)        //nolint:forbidigo // the bubble's clock, at once
		settle()
		want(t, f.events(), "idle")
		if _, cursor, _ := f.state(); cursor == first {
			t.Error("the cursor stays where it was")
		}
		if _, err := h.Policies.Regenerate(t.Context(), "service", "primary", "test"); err != nil {
			t.Fatal(err)
		}
		settle()
		want(t, f.events(), "idle")
	})
}

// TestUnsupported: what cannot be followed says so, and what to do.
func TestUnsupported(t *testing.T) {
	h := newHub(t)
	for text, word := range map[string]string{
		"SELECT COUNT() AS n FROM devices":                          "count those",
		"SELECT tags.site, COUNT() FROM devices GROUP BY tags.site": "count those",
		"SELECT TOP 5 * FROM devices":                               "TOP",
		"SELECT * FROM devices ORDER BY deviceId":                   "ORDER BY",
		"SELECT * FROM devices.jobs":                                "FROM devices",
		"SELECT * FROM devices JOIN devices.modules":                "FROM devices",
		"EXPLAIN SELECT * FROM devices":                             "EXPLAIN",
	} {
		_, err := h.live.Open(t.Context(), text, "")
		if tvilling.CodeOf(err) != tvilling.Unsupported || !strings.Contains(tvilling.MessageOf(err), word) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := h.live.Open(t.Context(), "SELECT", ""); tvilling.CodeOf(err) != tvilling.InvalidArgument {
		t.Errorf("half a query: %v", err)
	}
	if s := h.live.Stats(); s.Open != 0 {
		t.Errorf("stats are %+v", s)
	}
}

// TestLimits: too many rows, live queries, or rows of all are refused, at the
// limit they are not, and what was refused leaves nothing behind.
func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, func(o *live.Options) { o.Members, o.Queries = 3, 2 })
		for i := range 3 {
			h.Register(t, tvilling.Device(tvilling.DeviceID(fmt.Sprint("d", i))))
		}
		f := h.follow(t, "SELECT deviceId FROM devices", "", nil)
		g := h.follow(t, "SELECT deviceId FROM devices", "", nil)
		settle()
		want(t, f.events(), `entered d0 {"deviceId":"d0"}`, `entered d1 {"deviceId":"d1"}`, `entered d2 {"deviceId":"d2"}`, "ready 3")
		if _, err := h.live.Open(t.Context(), "SELECT deviceId FROM devices", ""); tvilling.CodeOf(err) != tvilling.Throttled {
			t.Errorf("a third one: %v", err)
		}
		g.end()
		// One row more while it is followed ends it; and then it is not begun.
		h.Register(t, tvilling.Device("d3"))
		settle()
		if _, _, err := f.state(); tvilling.CodeOf(err) != tvilling.TooLarge {
			t.Errorf("a fourth row: %v", err)
		}
		if _, err := h.live.Open(t.Context(), "SELECT deviceId FROM devices", ""); tvilling.CodeOf(err) != tvilling.TooLarge {
			t.Errorf("four rows: %v", err)
		}
		want := live.Stats{Events: h.live.Stats().Events, Refused: 1, TooLarge: 2}
		if s := h.live.Stats(); s != want {
			t.Errorf("stats are %+v, want %+v", s, want)
		}
	})
}

// TestAllMembers: all live queries together have a bound.
func TestAllMembers(t *testing.T) {
	h := newHub(t, func(o *live.Options) { o.Members = 2 })
	for i := range 2 {
		h.Register(t, tvilling.Device(tvilling.DeviceID(fmt.Sprint("d", i))))
	}
	for i := range 11 {
		l, err := h.live.Open(t.Context(), "SELECT deviceId FROM devices", "")
		switch {
		case i < 10 && err != nil:
			t.Fatal(err)
		case i < 10:
			defer l.Close()
		case tvilling.CodeOf(err) != tvilling.Throttled:
			t.Errorf("the rows of the eleventh: %v", err)
		}
	}
	if s := h.live.Stats(); s.Members != 20 {
		t.Errorf("stats are %+v", s)
	}
}

// TestBehind: a reader that was away reads on in the journal, and ends when it
// is too far behind, knowing where to go on.
func TestBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, func(o *live.Options) { o.Feed, o.Behind = 4, 40 })
		a := tvilling.Device("a")
		h.Register(t, a)
		h.patch(t, a, `{"site":"lab"}`, "")
		l, err := h.live.Open(t.Context(), bySite, "")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		next, stop := iter.Pull2(l.Events(t.Context()))
		defer stop()
		read := func() (string, error) {
			e, err, ok := next()
			if !ok {
				t.Fatal("the end")
			}
			return e.Kind.String() + " " + string(e.Row), err
		}
		for _, want := range []string{`entered {"deviceId":"a","site":"lab"}`, "ready "} {
			if got, err := read(); got != want || err != nil {
				t.Fatalf("told %q, %v, want %q", got, err, want)
			}
		}
		for i := range 20 {
			h.report(t, a, fmt.Sprintf(`{"t":%d}`, i))
		}
		if got, err := read(); got != `changed {"deviceId":"a","site":"lab","t":19}` || err != nil {
			t.Errorf("after 20 changes told %q, %v", got, err)
		}
		for i := range 61 {
			h.report(t, a, fmt.Sprintf(`{"t":%d}`, i))
		}
		if _, err := read(); tvilling.CodeOf(err) != tvilling.Throttled || !strings.Contains(err.Error(), "cursor") {
			t.Errorf("after 61 changes: %v", err)
		}
		if s := h.live.Stats(); s.Slow != 1 {
			t.Errorf("stats are %+v", s)
		}
	})
}

// TestFault: an error of the store ends the stream, and is told.
func TestFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		h := newHub(t, func(o *live.Options) { o.Search = failing{o.Search, func() error { return broken }} })
		f := h.follow(t, bySite, "", nil)
		settle()
		f.events()
		a := tvilling.Device("a")
		h.Register(t, a)
		settle()
		if _, _, err := f.state(); !errors.Is(err, broken) {
			t.Errorf("told %v", err)
		}
	})
}

// failing fails to read rows.
type failing struct {
	live.Search
	err func() error
}

func (f failing) Row(context.Context, tvilling.Identity) (query.Row, error) { return nil, f.err() }

// TestDamaged: a twin whose bytes are damaged is not in the result, and the
// others are followed.
func TestDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		damaged := false
		h := newHub(t, func(o *live.Options) {
			o.Search = damaging{o.Search, &damaged}
		})
		a, b := tvilling.Device("a"), tvilling.Device("b")
		h.Register(t, a)
		h.Register(t, b)
		h.patch(t, a, `{"site":"lab"}`, "")
		f := h.follow(t, bySite, "", nil)
		settle()
		f.events()
		damaged = true
		h.report(t, a, `{"t":1}`)
		h.patch(t, b, `{"site":"lab"}`, "")
		settle()
		want(t, f.events(), "left a", `entered b {"deviceId":"b","site":"lab"}`)
	})
}

// damaging says that the twin of a is damaged.
type damaging struct {
	live.Search
	on *bool
}

func (d damaging) Row(ctx context.Context, id tvilling.Identity) (query.Row, error) {
	if *d.on && id.Device == "a" {
		return nil, tvilling.Errorf(tvilling.Corrupt, "The twin is damaged.")
	}
	return d.Search.Row(ctx, id)
}
