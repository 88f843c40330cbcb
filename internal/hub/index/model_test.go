package index_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/index"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// model is what an index is about, in the plainest form.
type model struct {
	twins map[tvilling.Identity]*entry
	// mu guards connected: the index asks while changes are made.
	mu        sync.Mutex
	connected map[tvilling.Identity]time.Time
}

type entry struct {
	identity *state.Identity
	twin     *state.Twin
	session  *state.Session
}

func newModel() *model {
	return &model{twins: map[tvilling.Identity]*entry{}, connected: map[tvilling.Identity]time.Time{}}
}

func (m *model) live(id tvilling.Identity) (bool, time.Time, time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.connected[id]
	return ok, at, at
}

func (m *model) disconnect(id tvilling.Identity) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.connected, id)
}

// row returns the row of an identity as a scan would see it.
func (m *model) row(id tvilling.Identity) query.Fields {
	e := m.twins[id]
	row := &query.Twin{Twin: e.twin, Identity: e.identity}
	if at, ok := m.connected[id]; ok {
		row.Connected, row.LastActivity = true, at
	} else if e.session != nil {
		row.LastActivity = e.session.LastActivity
	}
	return row
}

// fields returns the row of an identity in a query.
func (m *model) fields(q *query.Query, id tvilling.Identity) query.Fields {
	if q.Collection() == query.Joined {
		return &pair{device: m.row(tvilling.Device(id.Device)), module: m.row(id)}
	}
	return m.row(id)
}

// find returns what a query finds, by looking at every twin.
func (m *model) find(q *query.Query) []tvilling.Identity {
	var ids []tvilling.Identity
	for id := range m.twins {
		if id.IsModule() != (q.Kind() == state.Modules) {
			continue
		}
		if q.Collection() == query.Joined && m.twins[tvilling.Device(id.Device)] == nil {
			continue
		}
		if q.Match(m.fields(q, id)) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, tvilling.Identity.Compare)
	return ids
}

type pair struct{ device, module query.Fields }

func (p *pair) Member(m *query.Member) query.Value {
	if m.Module {
		return p.module.Member(m)
	}
	return p.device.Member(m)
}

// scan yields the entries of a kind, in the order of their identities.
func (m *model) scan(_ context.Context, kind state.Kind) iter.Seq2[state.Entry, error] {
	ids := slices.SortedFunc(maps.Keys(m.twins), tvilling.Identity.Compare)
	return func(yield func(state.Entry, error) bool) {
		for _, id := range ids {
			e := m.twins[id]
			if id.IsModule() == (kind == state.Modules) && !yield(state.Entry{ID: id, Identity: e.identity, Twin: e.twin}, nil) {
				return
			}
		}
	}
}

func (m *model) session(_ context.Context, id tvilling.Identity) (*state.Session, error) {
	if e := m.twins[id]; e != nil {
		return e.session, nil
	}
	return nil, nil
}

var start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// change makes one random change and returns what a round leaves of it.
func (m *model) change(t *rapid.T) commit.Touched {
	id := tvilling.Device(tvilling.DeviceID(rapid.SampledFrom([]string{"a", "b", "bb", "c", "d0", "e"}).Draw(t, "device")))
	if rapid.Bool().Draw(t, "a module") {
		id.Module = tvilling.ModuleID(rapid.SampledFrom([]string{"m", "n", "azureiotsecurity"}).Draw(t, "module"))
	}
	c := commit.Touched{ID: id}
	if id.IsModule() && m.twins[tvilling.Device(id.Device)] == nil {
		id.Module, c.ID.Module = "", ""
	}
	old := m.twins[id]
	what := rapid.IntRange(0, 9).Draw(t, "what")
	if old != nil && what == 0 && !m.hasModules(id) {
		delete(m.twins, id)
		m.disconnect(id)
		return commit.Touched{ID: id, HasIdentity: true, HasTwin: true, HasSession: true, Before: old.twin}
	}
	e := &entry{identity: &state.Identity{ID: id, Auth: state.Authentication{Type: state.SAS}}, twin: state.NewTwin(id)}
	if old != nil {
		*e = *old
		c.Before = old.twin
		if rapid.IntRange(0, 9).Draw(t, "before is not known") == 0 {
			c.Before = nil
		}
	}
	m.twins[id] = e
	c.HasIdentity, c.HasTwin = old == nil, old == nil
	if what == 1 || old == nil {
		rec := *e.identity
		rec.Disabled = rapid.Bool().Draw(t, "disabled")
		rec.StatusReason = rapid.SampledFrom([]string{"", "x", "late"}).Draw(t, "reason")
		rec.StatusUpdated = start.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "hours")) * time.Hour)
		rec.Edge = rapid.Bool().Draw(t, "edge")
		rec.Auth.PrimaryThumbprint = rapid.SampledFrom([]string{"", "AB"}).Draw(t, "thumbprint")
		e.identity, c.HasIdentity = &rec, true
	}
	if what == 2 {
		e.session = &state.Session{ID: id, LastActivity: start.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "days")) * 24 * time.Hour)}
		c.HasSession = true
	}
	if what > 2 {
		next := *e.twin
		changeTwin(t, &next)
		e.twin, c.HasTwin = &next, true
	}
	c.Identity, c.Twin, c.Session = e.identity, e.twin, e.session
	return c
}

func (m *model) hasModules(id tvilling.Identity) bool {
	for other := range m.twins {
		if !id.IsModule() && other.Device == id.Device && other.IsModule() {
			return true
		}
	}
	return false
}

// changeTwin changes one section, or an owned member, of a twin.
func changeTwin(t *rapid.T, twin *state.Twin) {
	body := object(2).Draw(t, "body")
	replace := rapid.IntRange(0, 3).Draw(t, "replace") == 0
	change := func(s doc.Section, part doc.Part) doc.Section {
		p, err := doc.Parse([]byte(body), part)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		stamp := doc.Stamp{Time: start.Add(time.Duration(twin.Version) * time.Minute), Actor: "test"}
		next := s.Merge
		if replace {
			next = s.Replace
		}
		changed, err := next(p, part, stamp)
		if err != nil {
			t.Fatal(err)
		}
		return changed
	}
	switch rapid.IntRange(0, 3).Draw(t, "part") {
	case 0:
		twin.Tags = change(twin.Tags, doc.Tags)
		twin.Version++
	case 1:
		twin.Desired = change(twin.Desired, doc.Desired)
		twin.Version++
	case 2:
		twin.Reported = change(twin.Reported, doc.Reported)
	case 3:
		name := rapid.SampledFrom([]string{"configurations", "security"}).Draw(t, "owned")
		owned := map[string]doc.Section{}
		for _, o := range twin.Owned {
			owned[o.Name] = o.Value
		}
		owned[name] = change(owned[name], doc.Owned)
		if rapid.IntRange(0, 4).Draw(t, "remove") == 0 {
			delete(owned, name)
		}
		twin.Owned = nil
		for _, name := range slices.Sorted(maps.Keys(owned)) {
			twin.Owned = append(twin.Owned, state.Owned{Name: name, Value: owned[name]})
		}
	}
}

// object generates JSON objects with few names, so that they meet.
func object(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		var members []string
		for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"p", "q", "r", "s"}), 0, 3, rapid.ID[string]).Draw(t, "keys") {
			members = append(members, fmt.Sprintf("%q:%s", key, value(depth).Draw(t, key)))
		}
		return "{" + strings.Join(members, ",") + "}"
	})
}

func value(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if depth > 0 && rapid.IntRange(0, 3).Draw(t, "nest") == 0 {
			return object(depth-1).Draw(t, "object")
		}
		return rapid.SampledFrom([]string{
			"null", "true", "false", "0", "1", "2.5", "-3", `"x"`, `"y"`, `""`, `"2026-03-01T00:30:00Z"`, `[1,"x"]`, `[]`, `{}`,
			`"` + strings.Repeat("long", 100) + `"`,
		}).Draw(t, "leaf")
	})
}

var paths = []string{
	"deviceId", "status", "statusReason", "statusUpdateTime", "connectionState", "lastActivityTime", "authenticationType",
	"etag", "deviceEtag", "version", "modelId", "cloudToDeviceMessageCount", "capabilities", "capabilities.iotEdge",
	"x509Thumbprint", "x509Thumbprint.primaryThumbprint", "x509Thumbprint.secondaryThumbprint", "deviceScope", "parentScopes",
	"tags", "tags.p", "tags.q", "tags.p.q", "tags.r", "tags.none", "properties", "properties.desired", "properties.desired.p",
	"properties.desired.q.r", "properties.desired.$version", "properties.desired.$metadata.$lastUpdated",
	"properties.desired.$metadata.p.$lastUpdated", "properties.reported.p", "properties.reported.q", "properties.reported.s",
	"properties.reported.p.q.r", "properties.reported.$version", "configurations", "configurations.p", "configurations.q.r",
	"security", "security.p", "Security.s", "nosuch", "nosuch.p",
}

var literals = []string{
	"true", "false", "null", "0", "1", "2.5", "-3", "2", "'x'", "'y'", "''", "'enabled'", "'Connected'", "'late'", "'a'", "'bb'", "'AB'",
	"'2026-03-01'", "'2026-03-01T00:30:00Z'", "'2026-03-02T00:00:00Z'", "'sas'",
}

// conditions generates the text of conditions.
func conditions(depth int, joined bool) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		operand := func(name string) string {
			if rapid.IntRange(0, 1).Draw(t, name+" is a constant") == 0 {
				return rapid.SampledFrom(literals).Draw(t, name)
			}
			return member(t, name, joined)
		}
		shape := rapid.IntRange(0, 13).Draw(t, "shape")
		if depth == 0 {
			shape %= 8
		}
		switch shape {
		case 0:
			return member(t, "path", joined)
		case 1:
			return "IS_DEFINED(" + member(t, "path", joined) + ")"
		case 2:
			f := rapid.SampledFrom([]string{"STARTSWITH", "ENDSWITH", "CONTAINS", "ARRAY_CONTAINS"}).Draw(t, "function")
			return fmt.Sprintf("%s(%s, %s)", f, member(t, "path", joined), operand("item"))
		case 3:
			f := rapid.SampledFrom([]string{"IS_STRING", "IS_NUMBER", "IS_OBJECT", "IS_ARRAY", "IS_BOOL", "IS_PRIMITIVE", "IS_NULL"}).Draw(t, "function")
			return fmt.Sprintf("%s(%s)", f, member(t, "path", joined))
		case 4:
			in := rapid.SampledFrom([]string{"IN", "NOT IN"}).Draw(t, "in")
			items := rapid.SliceOfN(rapid.SampledFrom(literals), 1, 4).Draw(t, "items")
			return fmt.Sprintf("%s %s [%s]", member(t, "path", joined), in, strings.Join(items, ", "))
		case 5, 6, 7:
			op := rapid.SampledFrom([]string{"=", "!=", "<", "<=", ">", ">="}).Draw(t, "op")
			return fmt.Sprintf("%s %s %s", member(t, "left", joined), op, operand("right"))
		case 8, 9:
			return "NOT (" + conditions(depth-1, joined).Draw(t, "x") + ")"
		default:
			op := rapid.SampledFrom([]string{" AND ", " OR "}).Draw(t, "join")
			terms := rapid.SliceOfN(conditions(depth-1, joined), 2, 3).Draw(t, "terms")
			return "(" + strings.Join(terms, ")"+op+"(") + ")"
		}
	})
}

func member(t *rapid.T, name string, joined bool) string {
	path := rapid.SampledFrom(paths).Draw(t, name)
	if joined && rapid.Bool().Draw(t, name+" of the module") {
		return "modules." + path
	}
	return path
}

// TestModel makes random changes, and asks random questions of the index and
// of every twin.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel()
		x := index.New(index.Options{Live: m.live})
		if narrow := rapid.Bool().Draw(t, "narrow"); narrow {
			index.Narrow(x)
		}
		for range rapid.IntRange(0, 8).Draw(t, "before the start") {
			m.change(t)
		}
		for range rapid.IntRange(0, 3).Draw(t, "before the build") {
			x.Committed([]commit.Touched{m.change(t)})
		}
		// The scan yields what there is now, once changes were told that came later.
		scanned := map[state.Kind]iter.Seq2[state.Entry, error]{}
		for _, kind := range []state.Kind{state.Devices, state.Modules} {
			scanned[kind] = snapshot(m.scan(t.Context(), kind))
		}
		// The two scans of a build run side by side; here one waits for the other,
		// so that a run can be repeated.
		first := rapid.SampledFrom([]state.Kind{state.Devices, state.Modules}).Draw(t, "scanned first")
		over := make(chan struct{})
		scan := func(_ context.Context, kind state.Kind) iter.Seq2[state.Entry, error] {
			return func(yield func(state.Entry, error) bool) {
				if kind == first {
					defer close(over)
				} else {
					<-over
				}
				for range rapid.IntRange(0, 5).Draw(t, "while building") {
					x.Committed([]commit.Touched{m.change(t)})
				}
				scanned[kind](yield)
			}
		}
		if err := x.Build(t.Context(), scan, m.session); err != nil {
			t.Fatal(err)
		}
		ask(t, x, m)
		for range rapid.IntRange(0, 20).Draw(t, "changes") {
			if ids := slices.SortedFunc(maps.Keys(m.twins), tvilling.Identity.Compare); len(ids) > 0 && rapid.IntRange(0, 4).Draw(t, "connect") == 0 {
				id := rapid.SampledFrom(ids).Draw(t, "who")
				if _, ok := m.connected[id]; ok {
					delete(m.connected, id)
				} else {
					m.connected[id] = start.Add(time.Duration(rapid.IntRange(0, 50).Draw(t, "hour")) * time.Hour)
				}
				x.Moved(id)
			}
			x.Committed([]commit.Touched{m.change(t)})
			ask(t, x, m)
			if wrong := index.Check(x); wrong != nil {
				t.Fatalf("the index is not sound: %q", wrong)
			}
		}
	})
}

func snapshot(entries iter.Seq2[state.Entry, error]) iter.Seq2[state.Entry, error] {
	var list []state.Entry
	for e := range entries {
		list = append(list, e)
	}
	return func(yield func(state.Entry, error) bool) {
		for _, e := range list {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// ask puts a random question.
func ask(t *rapid.T, x *index.Index, m *model) {
	from := rapid.SampledFrom([]string{"devices", "devices.modules", "devices JOIN devices.modules"}).Draw(t, "from")
	joined := strings.Contains(from, "JOIN")
	text := "SELECT * FROM " + from + " WHERE " + conditions(2, joined).Draw(t, "where")
	q, err := query.Compile(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	check(t, x, m, q, text)
	from += " WHERE " + conditions(1, joined).Draw(t, "where of a group")
	askGroups(t, x, m, from, joined)
	askOrder(t, x, m, from, joined)
}

// askGroups puts a random question for groups.
func askGroups(t *rapid.T, x *index.Index, m *model, from string, joined bool) {
	var keys, items []string
	for i := range rapid.IntRange(0, 3).Draw(t, "keys") {
		keys = append(keys, member(t, "key", joined))
		items = append(items, fmt.Sprintf("%s AS k%d", keys[i], i))
	}
	items = append(items, "COUNT() AS n")
	for i, f := range rapid.SliceOfN(rapid.SampledFrom([]string{"AVG", "SUM", "MIN", "MAX"}), 0, 2).Draw(t, "aggregates") {
		items = append(items, fmt.Sprintf("%s(%s) AS a%d", f, member(t, "operand", joined), i))
	}
	text := "SELECT " + strings.Join(items, ", ") + " FROM " + from
	if keys != nil {
		text += " GROUP BY " + strings.Join(keys, ", ")
	}
	q, err := query.Compile(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	want, got := q.NewGroups(), q.NewGroups()
	for _, id := range m.find(q) {
		if err := want.Add(m.fields(q, id)); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	n, err := x.Group(t.Context(), q, got)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if n.Doubtful > 0 {
		return
	}
	wantPage, err := want.Page(100, "")
	if err != nil {
		t.Fatal(err)
	}
	gotPage, err := got.Page(100, "")
	if err != nil {
		t.Fatal(err)
	}
	if string(wantPage.Body) != string(gotPage.Body) {
		t.Fatalf("%s: %s, want %s", text, gotPage.Body, wantPage.Body)
	}
}

// askOrder puts a random question with an order, page by page.
func askOrder(t *rapid.T, x *index.Index, m *model, from string, joined bool) {
	text := "SELECT * FROM " + from + " ORDER BY " + member(t, "first term", joined) + rapid.SampledFrom([]string{"", " DESC"}).Draw(t, "direction") +
		", " + member(t, "second term", joined)
	q, err := query.Compile(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	want := m.find(q)
	slices.SortStableFunc(want, func(a, b tvilling.Identity) int {
		return bytes.Compare(q.AppendSortKey(nil, m.fields(q, a)), q.AppendSortKey(nil, m.fields(q, b)))
	})
	var got []tvilling.Identity
	for at := (query.Position{}); ; {
		f, err := x.Top(t.Context(), q, at, 2)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if f.Doubtful > 0 {
			return
		}
		got = append(got, f.IDs...)
		if !f.More {
			break
		}
		last := f.IDs[len(f.IDs)-1]
		at = query.Position{After: last, Key: q.AppendSortKey(nil, m.fields(q, last))}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%s: %v, want %v", text, got, want)
	}
}

// check compares what the index says with what is.
func check(t testingT, x *index.Index, m *model, q *query.Query, text string) {
	want := m.find(q)
	n, err := x.Count(context.Background(), q)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if got := int64(len(want)); n.Sure > got || n.Sure+n.Doubtful < got {
		t.Fatalf("%s: %d, and of %d more it is not sure; want %d", text, n.Sure, n.Doubtful, got)
	}
	if e := x.Plan(q); e.Exact && n.Doubtful > 0 {
		t.Fatalf("%s: the plan is exact, but %d rows are not sure", text, n.Doubtful)
	}
	found, doubtful := []tvilling.Identity(nil), 0
	for after := (tvilling.Identity{}); ; {
		f, err := x.Find(context.Background(), q, after, 2)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		found = append(found, f.IDs...)
		doubtful += f.Doubtful
		if !f.More {
			break
		}
		after = f.IDs[len(f.IDs)-1]
	}
	if !slices.IsSortedFunc(found, tvilling.Identity.Compare) || int64(len(found)) != n.Sure+n.Doubtful || int64(doubtful) != n.Doubtful {
		t.Fatalf("%s: found %v, of %d not sure; counted %+v", text, found, doubtful, n)
	}
	isFound := map[tvilling.Identity]bool{}
	for _, id := range found {
		isFound[id] = true
	}
	for _, id := range want {
		if !isFound[id] {
			t.Fatalf("%s: %v is not among %v", text, id, found)
		}
	}
}

type testingT interface {
	Fatalf(format string, args ...any)
}
