package index_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/index"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// devices returns an index with a device for each text of tags, d00 on.
func devices(tb testing.TB, o index.Options, tags ...string) *index.Index {
	tb.Helper()
	x := index.New(o)
	for i, text := range tags {
		x.Committed([]commit.Touched{put(tb, device(i), nil, text)})
	}
	return x
}

func device(i int) tvilling.Identity {
	return tvilling.Device(tvilling.DeviceID(fmt.Sprintf("d%02d", i)))
}

// TestPlan says what the index knows, and why not more.
func TestPlan(t *testing.T) {
	long := strings.Repeat("long", 100)
	x := devices(t, index.Options{}, `{"a":1,"s":"x","list":[1,2],"hash":"`+long+`"}`, `{"a":2,"s":"y","list":[],"o":{"p":true}}`)
	for _, tt := range []struct {
		where          string
		exact, narrows bool
		sure, doubtful int64
	}{
		{"tags.a = 1", true, true, 1, 0},
		{"tags.s = 'x' AND tags.a < 5", true, true, 1, 0},
		{"NOT (tags.s = 'x')", true, true, 1, 0},
		{"IS_DEFINED(tags.o.p) OR tags.a = 1", true, true, 2, 0},
		{"tags.none = 1", true, true, 0, 0},
		{"IS_DEFINED(tags.list)", true, true, 2, 0},
		{"IS_ARRAY(tags.list)", true, true, 2, 0},
		{"ARRAY_CONTAINS(tags.list, 1)", false, true, 0, 2},
		{"tags.hash = '" + long + "'", false, true, 0, 1},
		{"tags.hash = 'x'", false, true, 0, 0},
		{"tags.hash != 'x'", false, true, 1, 0},
		{"IS_DEFINED(tags.hash)", true, true, 1, 0},
		{"tags.hash < 'x'", false, true, 0, 1},
		{"etag = 'x'", false, false, 0, 2},
		{"etag = 'x' AND tags.a = 1", false, true, 0, 1},
		{"etag = 'x' OR tags.a = 1", false, false, 1, 1},
		{"IS_DEFINED(etag)", true, true, 2, 0},
		{"properties.desired.$metadata.a.$lastUpdated > '2026-01-01'", false, false, 0, 2},
		{"tags.a = properties.desired.$version", true, true, 1, 0},
	} {
		q := compile(t, "SELECT * FROM devices WHERE "+tt.where)
		p := x.Plan(q)
		n, err := x.Count(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if p.Exact != tt.exact || p.Narrows != tt.narrows || n.Sure != tt.sure || n.Doubtful != tt.doubtful {
			t.Errorf("%s: exact %t, narrows %t, %d sure and %d doubtful; want %t, %t, %d and %d", tt.where,
				p.Exact, p.Narrows, n.Sure, n.Doubtful, tt.exact, tt.narrows, tt.sure, tt.doubtful)
		}
		if p.Exact != (len(p.Missing) == 0) {
			t.Errorf("%s: exact %t, but missing %v", tt.where, p.Exact, p.Missing)
		}
	}
}

// TestBudget fills more than there is room for: what is told stays right, and
// what is not known any more is said.
func TestBudget(t *testing.T) {
	var tags []string
	for i := range 40 {
		tags = append(tags, fmt.Sprintf(`{"a":%d,"b":"text %d","even":%t,"o":{"x":%d}}`, i, i, i%2 == 0, i))
	}
	whole := devices(t, index.Options{}, tags...)
	base := devices(t, index.Options{}).Stats().Bytes
	need := whole.Stats().Bytes - base
	a := compile(t, "SELECT * FROM devices WHERE tags.a = 7")
	for percent := range int64(101) {
		budget := base + need*percent/100
		x := devices(t, index.Options{Budget: max(budget, 1)}, tags...)
		for _, text := range []string{"tags.a = 7", "tags.even", "tags.b = 'text 7' OR tags.o.x = 9", "IS_DEFINED(tags.o.x)", "status = 'enabled'"} {
			q := compile(t, "SELECT * FROM devices WHERE "+text)
			want, err := whole.Count(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			n, err := x.Count(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if n.Sure > want.Sure || n.Sure+n.Doubtful < want.Sure {
				t.Errorf("budget %d of %d: %s: %+v, want %+v", budget, need, text, n, want)
			}
			if p := x.Plan(q); p.Exact && n.Sure != want.Sure || !p.Exact && p.Missing == nil {
				t.Errorf("budget %d of %d: %s: plan %+v, counted %+v, want %+v", budget, need, text, p, n, want)
			}
		}
		if wrong := index.Check(x); wrong != nil {
			t.Fatalf("budget %d of %d: %q", budget, need, wrong)
		}
	}
	if p := devices(t, index.Options{Budget: 1}, tags...).Plan(a); p.Exact || p.Narrows || p.Missing[0].Path != "tags.a" {
		t.Errorf("without any room: %+v", p)
	}
	if p := devices(t, index.Options{Budget: base + need}, tags...).Plan(a); !p.Exact {
		t.Errorf("with room for all: %+v", p)
	}
}

// TestBuildFails: a scan that fails leaves an index that is not ready, that
// follows changes, and that the next build makes whole.
func TestBuildFails(t *testing.T) {
	failure := errors.New("the disk is away")
	m := newModel()
	for i := range 70 {
		c := put(t, device(i), nil, fmt.Sprintf(`{"a":%d}`, i))
		m.twins[c.ID] = &entry{identity: c.Identity, twin: c.Twin}
	}
	x := index.New(index.Options{})
	failing := func(ctx context.Context, kind state.Kind) iter.Seq2[state.Entry, error] {
		return func(yield func(state.Entry, error) bool) {
			n := 0
			for e, err := range m.scan(ctx, kind) {
				if n++; n == 50 {
					yield(state.Entry{}, failure)
					return
				}
				if !yield(e, err) {
					return
				}
			}
		}
	}
	if err := x.Build(t.Context(), failing, m.session); !errors.Is(err, failure) {
		t.Errorf("got %v, want %v", err, failure)
	}
	if x.Ready(state.Devices) {
		t.Error("an index that was not built is ready")
	}
	x.Committed([]commit.Touched{gone(device(3))})
	stale := m.twins[device(3)]
	if err := x.Build(t.Context(), m.scan, m.session); err != nil { // whose scan has seen the deleted one, too
		t.Fatal(err)
	}
	if stale == nil || !x.Ready(state.All) {
		t.Error("the index is not ready once it is built")
	}
	if n, err := x.Count(t.Context(), compile(t, "SELECT * FROM devices WHERE tags.a >= 0")); err != nil || n.Sure != 69 || n.Doubtful != 0 {
		t.Errorf("counted %+v, %v, want 69", n, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := index.New(index.Options{}).Build(ctx, m.scan, m.session); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v once the context has ended", err)
	}
}

// TestDamaged: a twin that cannot be read may be what any query finds, until it
// is written anew.
func TestDamaged(t *testing.T) {
	good, bad := put(t, device(1), nil, `{"a":1}`), put(t, device(2), nil, `{"a":2}`)
	corrupt := tvilling.Errorf(tvilling.Corrupt, "damaged")
	scan := func(_ context.Context, kind state.Kind) iter.Seq2[state.Entry, error] {
		return func(yield func(state.Entry, error) bool) {
			if kind == state.Devices && yield(state.Entry{ID: good.Identity.ID, Identity: good.Identity, Twin: good.Twin}, nil) &&
				yield(state.Entry{ID: bad.Identity.ID, Identity: bad.Identity}, corrupt) {
				yield(state.Entry{}, corrupt)
			}
		}
	}
	x := index.New(index.Options{})
	if err := x.Build(t.Context(), scan, noSession); err != nil {
		t.Fatal(err)
	}
	if s := x.Stats(); s.Devices != 2 || s.Damaged != 1 || s.Unreadable != 1 {
		t.Errorf("%d devices, %d damaged, %d unreadable; want 2, 1 and 1", s.Devices, s.Damaged, s.Unreadable)
	}
	q := compile(t, "SELECT * FROM devices WHERE tags.a = 1")
	if n, err := x.Count(t.Context(), q); err != nil || n.Sure != 1 || n.Doubtful != 0 || n.Damaged != 1 {
		t.Errorf("%+v, %v; want one for sure and one damaged", n, err)
	}
	f, err := x.FindDoubtful(t.Context(), q, tvilling.Identity{}, 10)
	if diff := cmp.Diff([]tvilling.Identity{bad.ID}, f.IDs); err != nil || diff != "" || f.Damaged != 1 {
		t.Errorf("in doubt (-want +got):\n%s%v", diff, err)
	}
	bad.HasIdentity = false
	x.Committed([]commit.Touched{bad})
	if n, err := x.Count(t.Context(), q); err != nil || n.Sure != 1 || n.Doubtful != 0 || n.Damaged != 0 {
		t.Errorf("%+v, %v; want one for sure once the other is mended", n, err)
	}
	if wrong := index.Check(x); wrong != nil {
		t.Errorf("the index is not sound: %q", wrong)
	}
}

// TestSplit cuts a fleet into ranges of about one size.
func TestSplit(t *testing.T) {
	x := index.New(index.Options{})
	if cuts := x.Split(4); cuts != nil {
		t.Errorf("cuts of nothing: %v", cuts)
	}
	const n = 5000
	for i := range n {
		x.Committed([]commit.Touched{put(t, tvilling.Device(tvilling.DeviceID(fmt.Sprintf("d%05d", i*7919%n))), nil, `{}`)})
	}
	cuts := x.Split(4)
	if len(cuts) != 3 || !slices.IsSortedFunc(cuts, tvilling.Identity.Compare) {
		t.Fatalf("cuts %v, want 3", cuts)
	}
	q := compile(t, "SELECT * FROM devices")
	for i, after := range append([]tvilling.Identity{{}}, cuts...) {
		f, err := x.Find(t.Context(), q, after, n)
		if want := n * (4 - i) / 4; err != nil || len(f.IDs) < want-600 || len(f.IDs) > want+600 {
			t.Errorf("%d behind cut %d, want about %d (%v)", len(f.IDs), i, want, err)
		}
	}
}

// TestFullIsCounted: paths that the index leaves out, and columns that the budget
// takes, are told of.
func TestFullIsCounted(t *testing.T) {
	x := index.New(index.Options{})
	index.Narrow(x)
	x.Committed([]commit.Touched{put(t, tvilling.Device("d"), nil, `{"a":1,"b":1,"c":1,"o":{"p":1}}`)})
	if got := x.Stats().Full; got != 1 {
		t.Errorf("%d objects have more members than columns, want 1", got)
	}
	x = devices(t, index.Options{Budget: 1}, `{"a":1}`)
	at := slices.IndexFunc(x.Stats().Columns, func(c index.ColumnStats) bool { return c.Path == "tags.a" && !c.Modules })
	if c := x.Stats().Columns[at]; !c.Dropped {
		t.Errorf("%+v, want it dropped", c)
	}
}
