package history_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/history"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/store/memory"
)

var (
	device = tvilling.Device("d")
	module = tvilling.Identity{Device: "d", Module: tvilling.SecurityModule}
)

// recorder keeps the batches that a store is given.
type recorder struct {
	state.Store
	mu      sync.Mutex
	batches []state.Batch
}

func (r *recorder) Commit(ctx context.Context, b *state.Batch) error {
	r.mu.Lock()
	r.batches = append(r.batches, state.Batch{Writes: slices.Clone(b.Writes), Changes: slices.Clone(b.Changes)})
	r.mu.Unlock()
	return r.Store.Commit(ctx, b)
}

// life is a random life of a device and its module, with what they were after
// each batch.
type life struct {
	*hubtest.Core
	rec    *recorder
	rnd    *rand.Rand
	states map[tvilling.Identity]map[uint64]moment // by the newest sequence
}

type moment struct {
	identity *state.Identity
	twin     *state.Twin
}

func newLife(t *testing.T, seed uint64) *life {
	l := &life{rec: &recorder{Store: memory.New()}, rnd: rand.New(rand.NewPCG(seed, 1)), states: map[tvilling.Identity]map[uint64]moment{device: {}, module: {}}}
	l.Core = hubtest.Over(t, l.rec)
	l.Registry.SetCompanion(&registry.Companion{Module: tvilling.SecurityModule, Desired: hubtest.Patch(t, doc.Desired, `{"agent":{"x":{"value":1}}}`)})
	return l
}

// live makes changes, one a batch, and notes what they leave.
func (l *life) live(t *testing.T, n int) {
	t.Helper()
	l.Register(t, device)
	for range n {
		if err := l.step(t); err != nil && tvilling.CodeOf(err) == tvilling.Internal {
			t.Fatal(err)
		}
		for _, id := range []tvilling.Identity{device, module} {
			var m moment
			var err error
			if m.identity, err = l.Store.Identity(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			if m.twin, err = l.Store.Twin(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			head, _ := l.Store.Head()
			l.states[id][head] = m
		}
	}
}

func (l *life) step(t *testing.T) error {
	ctx := t.Context()
	id := []tvilling.Identity{device, module}[l.rnd.IntN(2)]
	patch := func(part doc.Part) *doc.Patch { return hubtest.Patch(t, part, l.object(2)) }
	var err error
	done := make(chan error, 1)
	switch n := l.rnd.IntN(20); {
	case n < 6:
		_, err = l.Twins.Patch(ctx, id, twin.Update{Tags: patch(doc.Tags), Desired: patch(doc.Desired), Cause: "a reason"}, tvilling.Match{}, "policy:a")
	case n < 8:
		_, err = l.Twins.Replace(ctx, id, twin.Update{Desired: patch(doc.Desired)}, tvilling.Match{}, "policy:b")
	case n == 8:
		_, err = l.Twins.Patch(ctx, id, twin.Update{ClearTags: true, Desired: patch(doc.Desired)}, tvilling.Match{}, "policy:a")
	case n == 9:
		_, err = l.Twins.Patch(ctx, id, twin.Update{ClearDesired: true}, tvilling.Match{}, "policy:a")
	case n < 14:
		l.Twins.Report(id, "device:d", []byte(l.object(2)), -1, func(_ int64, err error) { done <- err })
		err = <-done
	case n < 16:
		value := []byte(`{"score":` + fmt.Sprint(l.rnd.IntN(3)) + `}`)
		if l.rnd.IntN(4) == 0 {
			value = nil
		}
		l.Twins.Own(id, "security", value, "hub:posture", func(err error) { done <- err })
		err = <-done
	case n < 18:
		_, err = l.Registry.Put(ctx, registry.Spec{ID: device, Disabled: l.rnd.IntN(2) == 0, StatusReason: fmt.Sprint(l.rnd.IntN(3))}, tvilling.Match{Given: true, Any: true}, "policy:r")
	case n == 18:
		err = l.Registry.Delete(ctx, id, tvilling.Match{}, "policy:r")
	default:
		_, err = l.Registry.Put(ctx, registry.Spec{ID: device}, tvilling.Match{}, "policy:r")
	}
	return err
}

// object is a random object of few keys, with nulls.
func (l *life) object(depth int) string {
	var members []string
	for _, key := range []string{"a", "b", "c"} {
		if l.rnd.IntN(3) == 0 {
			continue
		}
		value := []string{"null", "1", "2", `"x"`, `[1]`, "{}"}[l.rnd.IntN(6)]
		if depth > 0 && l.rnd.IntN(2) == 0 {
			value = l.object(depth - 1)
		}
		members = append(members, `"`+key+`":`+value)
	}
	return "{" + strings.Join(members, ",") + "}"
}

// batched is the same life in a store that took it in larger batches, of up to
// most of the original ones, and forgot the first of them.
func (l *life) batched(t *testing.T, most, forget int) *past {
	t.Helper()
	var batches []state.Batch
	for rest := l.rec.batches; len(rest) > 0; {
		n := min(1+l.rnd.IntN(most), len(rest))
		var b state.Batch
		for _, one := range rest[:n] {
			b.Writes = append(b.Writes, one.Writes...)
			b.Changes = append(b.Changes, one.Changes...)
		}
		batches, rest = append(batches, b), rest[n:]
	}
	s := &past{Store: memory.New(), batch: map[uint64]int{}}
	for i, b := range batches {
		for _, c := range b.Changes {
			if s.batch[c.Sequence] = i; i < forget {
				s.last = c.Sequence
			}
		}
		if err := s.Commit(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// past is a store that has forgotten the beginning of its journal.
type past struct {
	state.Store
	// last is the newest change that is forgotten.
	last uint64
	// batch tells in which batch a change is.
	batch map[uint64]int
	// damage, if set, is yielded in the place of an entry.
	damage func(state.Past) bool
}

func (s *past) Changes(ctx context.Context, after uint64) iter.Seq2[state.Change, error] {
	return s.Store.Changes(ctx, max(after, s.last))
}

var errDamaged = &tvilling.Error{Code: tvilling.Corrupt, Message: "damaged"}

func (s *past) History(ctx context.Context, id tvilling.Identity, until uint64) iter.Seq2[state.Past, error] {
	return func(yield func(state.Past, error) bool) {
		for p, err := range s.Store.History(ctx, id, until) {
			if p.Sequence <= s.last {
				return
			}
			if s.damage != nil && s.damage(p) {
				p, err = state.Past{}, errDamaged
			}
			if !yield(p, err) {
				return
			}
		}
	}
}

func service(s history.Store) *history.Service {
	return history.New(s, nil, func(tvilling.Identity) bool { return false })
}

func text(v *state.Twin) string {
	if v == nil {
		return "none"
	}
	all := doc.Form{Metadata: true, UpdatedVersion: true, Version: true, Actors: true}
	parts := []string{fmt.Sprintf("%d %d %s %s %s", v.Version, v.Revision, v.Tags.AppendJSON(nil, all), v.Desired.AppendJSON(nil, all), v.Reported.AppendJSON(nil, all))}
	for _, m := range v.Owned {
		parts = append(parts, m.Name+string(m.Value.AppendJSON(nil, doc.Form{})))
	}
	return strings.Join(parts, " ")
}

// TestBatchesDoNotMatter: however changes came together in batches, the states
// between them and the edits of each are the same, down to the metadata. What
// cannot be told apart is refused, and said to be told elsewhere.
func TestBatchesDoNotMatter(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		l := newLife(t, seed)
		l.live(t, 100)
		exact := service(l.Store)
		for _, most := range []int{1, 3, 20} {
			store := l.batched(t, most, 0)
			s := service(store)
			for id, moments := range l.states {
				told, refused := 0, 0
				for seq, want := range moments {
					got, err := s.At(t.Context(), id, history.Point{Sequence: seq})
					switch {
					case err == nil && want.twin != nil && text(got.Twin) == text(want.twin) && len(history.DiffIdentities(got.Identity, want.identity)) == 0:
						told++
					case want.twin == nil && err != nil && tvilling.CodeOf(err) != tvilling.Internal:
						told++
					case most > 1 && tvilling.CodeOf(err) == tvilling.NotFound:
						refused++
					default:
						t.Fatalf("seed %d, batches of %d: %s at %d: %v\n got %s\nwant %s", seed, most, id, seq, err, textOf(got), text(want.twin))
					}
				}
				// The journal does not tell what is in an identity, so that of
				// several changes of one in a batch only the last is known.
				if most <= 3 && refused > told/2 || told == 0 {
					t.Errorf("seed %d, batches of %d: %s: %d states told, %d refused", seed, most, id, told, refused)
				}
				want := all(t, exact, id, 7)
				compareVersions(t, id, want, all(t, s, id, 1000), store.batch)
				compareVersions(t, id, want, all(t, s, id, 7), store.batch)
			}
		}
	}
}

// all reads all versions page by page.
func all(t *testing.T, s *history.Service, id tvilling.Identity, limit int) (list []history.Version) {
	t.Helper()
	q := history.Query{Limit: limit}
	for {
		p, err := s.Versions(t.Context(), id, q)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Versions) > limit {
			t.Fatalf("%d versions on a page of %d", len(p.Versions), limit)
		}
		list = append(list, p.Versions...)
		if p.Next == 0 {
			if !p.Complete {
				t.Fatalf("the history of %s is not complete", id)
			}
			return list
		}
		q.Before = p.Next
	}
}

// TestNarrowed: the versions with edits in one part are those of all versions
// that have some there, on whatever pages.
func TestNarrowed(t *testing.T) {
	t.Parallel()
	l := newLife(t, 7)
	l.live(t, 150)
	s := service(l.Store)
	for id := range l.states {
		for _, part := range history.Parts() {
			var want, got []string
			for _, v := range all(t, s, id, 1000) {
				v.Edits = slices.DeleteFunc(v.Edits, func(e history.Edit) bool { return e.Part != part })
				if len(v.Edits) > 0 {
					want = append(want, fmt.Sprint(v.Sequence, show(v.Edits)))
				}
			}
			q := history.Query{Limit: 3, Parts: []history.Part{part}}
			for {
				p, err := s.Versions(t.Context(), id, q)
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range p.Versions {
					got = append(got, fmt.Sprint(v.Sequence, show(v.Edits)))
				}
				if q.Before = p.Next; q.Before == 0 {
					break
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s, %s (-want +got):\n%s", id, part, d)
			}
		}
	}
}

// compareVersions compares versions of all but the batches in which some cannot
// be told apart.
func compareVersions(t *testing.T, id tvilling.Identity, want, got []history.Version, batch map[uint64]int) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%s: %d versions, want %d", id, len(got), len(want))
	}
	size, together := map[int]int{}, map[int]bool{}
	for _, b := range batch {
		size[b]++
	}
	for _, v := range got {
		together[batch[v.Sequence]] = together[batch[v.Sequence]] || v.Together
	}
	for i, w := range want {
		g := got[i]
		if w.Sequence != g.Sequence || w.Actor != g.Actor || w.Cause != g.Cause || w.Together || w.Partial || g.Partial {
			t.Fatalf("%s: version %+v, want %+v", id, g, w)
		}
		if b := batch[g.Sequence]; g.Together && size[b] == 1 {
			t.Fatalf("%s: a version alone in its batch is told with another: %+v", id, g)
		} else if together[b] {
			continue
		}
		if d := cmp.Diff(show(w.Edits), show(g.Edits)); d != "" {
			t.Fatalf("%s, %s %d (-want +got):\n%s", id, w.Op, w.Sequence, d)
		}
	}
}

// TestForgotten: what the journal no longer has is said to be gone; what is
// there is right.
func TestForgotten(t *testing.T) {
	t.Parallel()
	l := newLife(t, 42)
	l.live(t, 120)
	s := l.batched(t, 2, 30)
	h := service(s)
	kept, err := h.Kept(t.Context())
	if err != nil || kept.Sequence != s.last+1 {
		t.Fatalf("kept since %+v, %v; want %d", kept, err, s.last+1)
	}
	for id, moments := range l.states {
		for seq, want := range moments {
			got, err := h.At(t.Context(), id, history.Point{Sequence: seq})
			if err == nil && (want.twin == nil || text(got.Twin) != text(want.twin)) {
				t.Fatalf("%s at %d: %s, want %s", id, seq, text(got.Twin), text(want.twin))
			}
			if seq < s.last && err == nil {
				t.Errorf("%s at %d is told, and the journal begins at %d", id, seq, s.last+1)
			}
		}
		p, err := h.Versions(t.Context(), id, history.Query{Limit: 1000})
		if tvilling.CodeOf(err) == tvilling.ModuleNotFound {
			continue // it was deleted, and so long ago
		}
		if err != nil || p.Kept != kept {
			t.Fatalf("%+v, %v", p, err)
		}
		partial := 0
		for _, v := range p.Versions {
			if v.Partial {
				partial++
			}
			for _, e := range v.Edits {
				if v.Partial && e.Old != nil {
					t.Errorf("an old value that nobody knows: %+v", v)
				}
			}
		}
		if p.Complete != (partial == 0) {
			t.Errorf("%s: complete %t with %d versions of unknown before", id, p.Complete, partial)
		}
	}
}

// TestDamage: a lost entry is never papered over: a state is right or refused.
func TestDamage(t *testing.T) {
	t.Parallel()
	l := newLife(t, 7)
	l.live(t, 120)
	s := l.batched(t, 3, 0)
	told := 0
	for lost := uint64(0); lost < 60; lost += 4 {
		n := uint64(0)
		for id, moments := range l.states {
			for seq, want := range moments {
				n = 0
				s.damage = func(state.Past) bool { n++; return n == lost+1 }
				got, err := service(s).At(t.Context(), id, history.Point{Sequence: seq})
				if err != nil {
					continue
				}
				if told++; want.twin != nil && text(got.Twin) != text(want.twin) {
					// When the point itself is what was lost, the one before it
					// answers, and says so.
					if got.Sequence == seq {
						t.Fatalf("entry %d lost: %s at %d: %s\nwant %s", lost, id, seq, text(got.Twin), text(want.twin))
					}
				}
			}
		}
	}
	if told == 0 {
		t.Error("nothing is told")
	}
}

// TestPoints: by version, by time, now, and what there is not.
func TestPoints(t *testing.T) {
	t.Parallel()
	c := hubtest.New(t)
	c.Register(t, device)
	h := history.New(c.Store, c.Twins, func(tvilling.Identity) bool { return true })
	var views []twin.View
	for i := range 3 {
		v, err := c.Twins.Patch(t.Context(), device, twin.Update{Tags: hubtest.Patch(t, doc.Tags, fmt.Sprintf(`{"n":%d,"k%d":1}`, i, i)), Desired: hubtest.Patch(t, doc.Desired, fmt.Sprintf(`{"d%d":1}`, i))}, tvilling.Match{}, "policy:a")
		if err != nil {
			t.Fatal(err)
		}
		views = append(views, v)
	}
	for _, v := range views {
		got, err := h.At(t.Context(), device, history.Point{Version: v.Version})
		if err != nil || text(got.Twin) != text(v.Twin) || got.Sequence == 0 {
			t.Errorf("version %d: %+v, %v", v.Version, got, err)
		}
		again, err := h.At(t.Context(), device, history.Point{Time: got.Time})
		if err != nil || again.Time.After(got.Time) {
			t.Errorf("at %v: %+v, %v", got.Time, again, err)
		}
	}
	now, err := h.At(t.Context(), device, history.Point{Now: true})
	if err != nil || text(now.Twin) != text(views[2].Twin) || !now.Connected {
		t.Errorf("now: %+v, %v", now, err)
	}
	created, err := h.Versions(t.Context(), device, history.Query{})
	if err != nil || len(created.Versions) != 4 || !created.Complete {
		t.Fatalf("%+v, %v", created, err)
	}
	for _, tt := range []struct {
		id    tvilling.Identity
		point history.Point
		want  tvilling.Code
	}{
		{device, history.Point{Version: 99}, tvilling.NotFound},
		{device, history.Point{Time: created.Versions[3].Time.AddDate(-1, 0, 0)}, tvilling.NotFound},
		{tvilling.Device("none"), history.Point{Version: 1}, tvilling.DeviceNotFound},
		{tvilling.Identity{Device: "d", Module: "none"}, history.Point{Now: true}, tvilling.ModuleNotFound},
	} {
		if got, err := h.At(t.Context(), tt.id, tt.point); tvilling.CodeOf(err) != tt.want {
			t.Errorf("%s at %s: %+v, %v", tt.id, tt.point, got, err)
		}
	}
	if _, err := h.Versions(t.Context(), tvilling.Device("none"), history.Query{}); tvilling.CodeOf(err) != tvilling.DeviceNotFound {
		t.Error(err)
	}
}

// TestRestore: tags and desired properties are then as they were, as one
// change with its cause; a stale etag changes nothing.
func TestRestore(t *testing.T) {
	t.Parallel()
	c := hubtest.New(t)
	c.Register(t, device)
	h := history.New(c.Store, c.Twins, func(tvilling.Identity) bool { return false })
	change := func(tags, desired string) twin.View {
		v, err := c.Twins.Patch(t.Context(), device, twin.Update{Tags: hubtest.Patch(t, doc.Tags, tags), Desired: hubtest.Patch(t, doc.Desired, desired)}, tvilling.Match{}, "policy:a")
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	was := change(`{"site":"lab"}`, `{"fps":30,"net":{"mtu":1500}}`)
	change(`{"site":null,"x":1}`, `{"fps":5,"net":null,"new":true}`)
	if _, err := h.Restore(t.Context(), device, history.Point{Version: was.Version}, tvilling.Match{Given: true, Tag: was.ETag()}, "policy:b"); tvilling.CodeOf(err) != tvilling.PreconditionFailed {
		t.Errorf("with a stale etag: %v", err)
	}
	v, err := h.Restore(t.Context(), device, history.Point{Version: was.Version}, tvilling.Match{}, "policy:b")
	if err != nil || v.Version != was.Version+2 {
		t.Fatalf("%+v, %v", v, err)
	}
	if d := show(history.DiffTwins(was.Twin, v.Twin)); len(d) > 0 {
		t.Errorf("still differs: %q", d)
	}
	p, err := h.Versions(t.Context(), device, history.Query{Limit: 1})
	if err != nil || len(p.Versions) != 1 || p.Next == 0 {
		t.Fatalf("%+v, %v", p, err)
	}
	last := p.Versions[0]
	want := []string{`tags.x 1 -`, `tags.site - "lab"`, `properties.desired.fps 5 30`, `properties.desired.new true -`, `properties.desired.net - {"mtu":1500}`}
	if d := cmp.Diff(want, show(last.Edits)); d != "" || last.Actor != "policy:b" || last.Cause[:20] != "restore of version 3" {
		t.Errorf("%+v (-want +got):\n%s", last.Change, d)
	}
}

// TestNarrow: parts and connections.
func TestNarrow(t *testing.T) {
	t.Parallel()
	c := hubtest.New(t)
	c.Register(t, device)
	s, _, _ := c.Connect(t, device, true)
	s.Done(errors.New("gone"))
	for i := range 5 {
		if _, err := c.Twins.Patch(t.Context(), device, twin.Update{Tags: hubtest.Patch(t, doc.Tags, fmt.Sprintf(`{"n":%d}`, i))}, tvilling.Match{}, "policy:a"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Twins.Patch(t.Context(), device, twin.Update{Desired: hubtest.Patch(t, doc.Desired, fmt.Sprintf(`{"n":%d}`, i))}, tvilling.Match{}, "policy:a"); err != nil {
			t.Fatal(err)
		}
	}
	h := service(c.Store)
	count := func(q history.Query) (n int) {
		q.Limit = 3
		for {
			p, err := h.Versions(t.Context(), device, q)
			if err != nil {
				t.Fatal(err)
			}
			n += len(p.Versions)
			if q.Before = p.Next; p.Next == 0 {
				return n
			}
		}
	}
	for _, tt := range []struct {
		q    history.Query
		want int
	}{
		{history.Query{}, 11},
		{history.Query{Connections: true}, 13},
		{history.Query{Parts: []history.Part{history.Tags}}, 5},
		{history.Query{Parts: []history.Part{history.Desired, history.Identity}}, 6},
		{history.Query{Parts: []history.Part{history.Hub}}, 0},
	} {
		if got := count(tt.q); got != tt.want {
			t.Errorf("%+v: %d versions, want %d", tt.q, got, tt.want)
		}
	}
}

func textOf(s *history.State) string {
	if s == nil {
		return "nothing"
	}
	return text(s.Twin)
}
