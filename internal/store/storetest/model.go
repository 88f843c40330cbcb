package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/store/memory"
)

// testReopen demands that a persistent store is the same after Close, and
// after a crash if it can be made to have one.
func testReopen(t *testing.T, setup func(testing.TB) Factory) {
	f := setup(t)
	if !f.Persistent {
		return // it promises nothing here
	}
	end := []func(state.Store) error{state.Store.Close}
	if f.Crash != nil {
		end = append(end, f.Crash)
	}
	var ids []tvilling.Identity
	sequence := uint64(0)
	for round := range 6 {
		s, err := f.Open()
		if err != nil {
			t.Fatalf("Open %d: %v", round, err)
		}
		if got := len(scan(t, s, state.Range{})); got != len(ids) {
			t.Fatalf("after reopening %d: %d identities, want %d", round, got, len(ids))
		}
		for _, i := range ids {
			d, w, n := full(i)
			wantRecords(t, s, i, d, w, n)
		}
		if got, _ := s.Head(); got != sequence {
			t.Fatalf("after reopening %d: Head = %d, want %d", round, got, sequence)
		}
		if got := changes(t, s, 0); uint64(len(got)) != sequence {
			t.Fatalf("after reopening %d: %d changes, want %d", round, len(got), sequence)
		}
		for range 50 {
			i := id(fmt.Sprint("d", len(ids)), []string{"", "m"}[len(ids)%2])
			ids = append(ids, i)
			d, w, n := full(i)
			sequence++
			err := s.Commit(t.Context(), &state.Batch{
				Writes:  []state.Write{putIdentity(d), putTwin(w), putSession(n)},
				Changes: []state.Change{changeOf(sequence)},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := end[round%len(end)](s); err != nil {
			t.Fatalf("ending %d: %v", round, err)
		}
	}
}

// testModel compares the store with the one in memory under random batches,
// reads and, if it is persistent, ends of its process.
func testModel(t *testing.T, setup func(testing.TB) Factory) {
	rapid.Check(t, func(rt *rapid.T) {
		f := setup(t)
		s, err := f.Open()
		if err != nil {
			rt.Fatalf("Open: %v", err)
		}
		m := &model{f: f, s: s, ref: memory.New()}
		defer func() {
			if err := m.s.Close(); err != nil {
				rt.Errorf("Close: %v", err)
			}
		}()
		actions := map[string]func(*rapid.T){
			"commit": m.commit,
			"read":   m.read,
			"scan":   m.scan,
			"past":   m.history,
			"":       m.check,
		}
		if f.Persistent {
			actions["reopen"] = func(rt *rapid.T) { m.reopen(rt, state.Store.Close) }
		}
		if f.Crash != nil {
			actions["crash"] = func(rt *rapid.T) { m.reopen(rt, f.Crash) }
		}
		rt.Repeat(actions)
		m.scanRange(rt, state.Range{})
		m.scanRange(rt, state.Range{Bare: true})
		m.history(rt)
	})
}

type model struct {
	f        Factory
	s, ref   state.Store
	sequence uint64
}

var (
	modelIDs = rapid.Custom(func(t *rapid.T) tvilling.Identity {
		return id(rapid.SampledFrom([]string{"a", "A", "b", "b.1", "c"}).Draw(t, "device"),
			rapid.SampledFrom([]string{"", "m", "azureiotsecurity"}).Draw(t, "module"))
	})
	modelSettings = rapid.SampledFrom([]string{"policies", "rule", "a"})
)

func drawWrite(t *rapid.T) state.Write {
	i := modelIDs.Draw(t, "id")
	n := rapid.IntRange(0, 1000).Draw(t, "n")
	switch rapid.IntRange(0, 6).Draw(t, "write") {
	case 0:
		return putIdentity(identityOf(i, uint64(n)))
	case 1:
		w := twinOf(i, int64(n))
		w.Desired = rapid.SliceOfN(rapid.Byte(), 1, 3000).Draw(t, "desired")
		return putTwin(w)
	case 2:
		return putSession(sessionOf(i, n%100))
	case 3:
		return state.Write{Counters: &state.Counters{Devices: int64(n), Modules: int64(n % 7)}}
	case 4:
		return putSetting(modelSettings.Draw(t, "setting"), fmt.Append(nil, n))
	case 5:
		return putSetting(modelSettings.Draw(t, "setting"), nil)
	default:
		return remove(i)
	}
}

func (m *model) commit(t *rapid.T) {
	var b state.Batch
	for range rapid.IntRange(0, 5).Draw(t, "writes") {
		b.Writes = append(b.Writes, drawWrite(t))
	}
	for range rapid.IntRange(0, 3).Draw(t, "changes") {
		m.sequence++
		c := changeOf(m.sequence)
		c.ID = modelIDs.Draw(t, "changed")
		b.Changes = append(b.Changes, c)
	}
	for _, s := range []state.Store{m.ref, m.s} {
		if err := s.Commit(context.Background(), &b); err != nil {
			t.Fatalf("Commit: %v", err)
		}
	}
}

func (m *model) read(t *rapid.T) {
	ctx, i := context.Background(), modelIDs.Draw(t, "id")
	same(ctx, t, "Identity", i, m.s.Identity, m.ref.Identity)
	same(ctx, t, "Twin", i, m.s.Twin, m.ref.Twin)
	same(ctx, t, "Session", i, m.s.Session, m.ref.Session)
	same(ctx, t, "Setting", modelSettings.Draw(t, "setting"), m.s.Setting, m.ref.Setting)
}

// same compares what two stores return for a key.
func same[K, V any](ctx context.Context, t *rapid.T, name string, k K, got, want func(context.Context, K) (V, error)) {
	w, err := want(ctx, k)
	if err != nil {
		t.Fatal(err)
	}
	g, err := got(ctx, k)
	if err != nil || cmp.Diff(w, g) != "" {
		t.Fatalf("%s(%v): %v; -want +got:\n%s", name, k, err, cmp.Diff(w, g))
	}
}

func (m *model) scan(t *rapid.T) {
	r := state.Range{Kind: rapid.SampledFrom([]state.Kind{state.All, state.Devices, state.Modules}).Draw(t, "kind")}
	if rapid.Bool().Draw(t, "one device") {
		r.Device = modelIDs.Draw(t, "device").Device
	}
	if rapid.Bool().Draw(t, "resume") {
		r.After = modelIDs.Draw(t, "after")
	}
	if rapid.Bool().Draw(t, "end early") {
		r.Until = modelIDs.Draw(t, "until")
	}
	r.Bare = rapid.Bool().Draw(t, "bare")
	m.scanRange(t, r)
}

func (m *model) scanRange(t *rapid.T, r state.Range) {
	var got, want []state.Entry
	for _, side := range []struct {
		s   state.Store
		out *[]state.Entry
	}{{m.s, &got}, {m.ref, &want}} {
		for e, err := range side.s.Scan(context.Background(), r) {
			if err != nil {
				t.Fatalf("Scan: %v", err)
			}
			*side.out = append(*side.out, e)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("Scan(%+v): -want +got:\n%s", r, d)
	}
}

// history compares what the stores keep of one identity. Only the times at
// which batches were committed differ.
func (m *model) history(t *rapid.T) {
	i := modelIDs.Draw(t, "id")
	until := rapid.Uint64Range(0, m.sequence).Draw(t, "until")
	stop := rapid.IntRange(1, 20).Draw(t, "stop")
	var sides [2][]state.Past
	for n, s := range []state.Store{m.s, m.ref} {
		for p, err := range s.History(context.Background(), i, until) {
			if err != nil {
				t.Fatalf("History(%s, %d): %v", i, until, err)
			}
			if p.Time.IsZero() {
				t.Fatalf("History(%s, %d) yields %+v without a time", i, until, p)
			}
			if p.Change == nil {
				p.Time = time.Time{}
			}
			if sides[n] = append(sides[n], p); len(sides[n]) == stop {
				break
			}
		}
	}
	if d := cmp.Diff(sides[1], sides[0]); d != "" {
		t.Fatalf("History(%s, %d): -want +got:\n%s", i, until, d)
	}
}

// check is what holds after every action.
func (m *model) check(t *rapid.T) {
	ws, wt := m.ref.Head()
	if gs, gt := m.s.Head(); gs != ws || gt != wt {
		t.Fatalf("Head = %d, %d; want %d, %d", gs, gt, ws, wt)
	}
	want, _ := m.ref.Counters(context.Background())
	if got, err := m.s.Counters(context.Background()); got != want || err != nil {
		t.Fatalf("Counters = %v, %v; want %v", got, err, want)
	}
	after := max(m.sequence, 4) - 4
	var got []uint64
	for c, err := range m.s.Changes(context.Background(), after) {
		if err != nil {
			t.Fatalf("Changes: %v", err)
		}
		got = append(got, c.Sequence)
	}
	var all []uint64
	for seq := after + 1; seq <= m.sequence; seq++ {
		all = append(all, seq)
	}
	if !slices.Equal(got, all) {
		t.Fatalf("Changes(%d) = %v, want %v", after, got, all)
	}
}

func (m *model) reopen(t *rapid.T, end func(state.Store) error) {
	if err := end(m.s); err != nil {
		t.Fatalf("end: %v", err)
	}
	s, err := m.f.Open()
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	m.s = s
}
