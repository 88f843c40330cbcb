package follow_test

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/journal"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/security/follow"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/store/securitymem"
)

// lossy is a journal that has lost the changes up to a sequence, and in which
// one change is damaged.
type lossy struct {
	*journal.Journal
	lost, damaged atomic.Uint64
}

func (l *lossy) Read(ctx context.Context, after uint64, wait bool) iter.Seq2[state.Change, error] {
	return func(yield func(state.Change, error) bool) {
		for c, err := range l.Journal.Read(ctx, max(after, l.lost.Load()), wait) {
			if err == nil && c.Sequence == l.damaged.Load() {
				c, err = state.Change{}, tvilling.Errorf(tvilling.Corrupt, "A change is damaged.")
			}
			if !yield(c, err) {
				return
			}
		}
	}
}

// TestLostChanges: when the journal does not reach back to where the follower
// stopped, everything is looked at, and what was deleted in between is gone.
func TestLostChanges(t *testing.T) {
	for _, all := range []bool{false, true} {
		t.Run(fmt.Sprintf("all of them %v", all), func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				l := &lossy{Journal: r.Journal}
				r.journal = l
				key := auth.NewKey()
				r.register(t, "a", key, key)
				r.register(t, "b", key, key)
				r.start(t)
				r.settle()
				r.stop()
				r.remove(t, "b")
				r.register(t, "c")
				head, _ := r.Store.Head()
				l.lost.Store(head)
				if !all {
					r.report(t, "c", `{"x":1}`)
				}
				r.take()
				r.start(t)
				r.settle()
				if p := r.follower.Progress(); p.Rescans != 1 || p.Cursor != p.Head {
					t.Errorf("progress is %+v, want one rescan to the head", p)
				}
				if got := r.kept(t, "a", "credentials"); got != `""` {
					t.Errorf("a is told that it shares with %s", got)
				}
				if got := r.kept(t, "b", "credentials") + r.kept(t, "b", "configuration"); got != "" {
					t.Errorf("the ledger still has %s of b", got)
				}
				if got := r.kept(t, "c", "configuration"); got != `"{}{}"` {
					t.Errorf("the configuration of c is %s", got)
				}
				if marks, err := r.store.Fingerprints(t.Context(), identity("b")); err != nil || marks != nil {
					t.Errorf("the ledger still has the fingerprints %x of b, %v", marks, err)
				}
			})
		})
	}
}

func TestDamagedChange(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		l := &lossy{Journal: r.Journal}
		r.journal = l
		r.register(t, "a")
		r.start(t)
		r.settle()
		r.take()
		head, _ := r.Store.Head()
		l.damaged.Store(head + 1)
		r.desire(t, "a/azureiotsecurity", `{"x":1}`)
		r.settle()
		if got := r.kept(t, "a", "configuration"); got != `"{\"x\":1}{}"` {
			t.Errorf("the configuration is %s", got)
		}
		r.take()
		r.desire(t, "a/azureiotsecurity", `{"x":2}`)
		r.settle()
		want(t, "the change after it", r.take(), `configuration a {"x":2}{}`)
		if p := r.follower.Progress(); p.Rescans != 2 {
			t.Errorf("progress is %+v, want a rescan beside that of the first start", p)
		}
	})
}

// unreadable is a registry that cannot open the keys of one identity.
type unreadable struct {
	follow.Registry
	id tvilling.Identity
}

func (u unreadable) Fingerprints(rec *state.Identity) ([][]byte, error) {
	if rec.ID == u.id {
		return nil, tvilling.Errorf(tvilling.Corrupt, "The sealed key does not open.")
	}
	return u.Registry.Fingerprints(rec)
}

// TestDamagedIdentity: keys that do not open stop nobody, and what was known of
// them stays.
func TestDamagedIdentity(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		key := auth.NewKey()
		r.register(t, "a", key, key)
		r.register(t, "b", key, key)
		r.start(t)
		r.settle()
		r.stop()
		r.marks = unreadable{r.Registry, identity("a")}
		if _, err := r.Registry.Regenerate(t.Context(), identity("a"), "primary", "test"); err != nil {
			t.Fatal(err)
		}
		r.start(t)
		r.register(t, "c", key, key)
		r.settle()
		for device, want := range map[string]string{"a": `"b c"`, "b": `"a c"`, "c": `"a b"`} {
			if got := r.kept(t, device, "credentials"); got != want {
				t.Errorf("%s is told of %s, want %s", device, got, want)
			}
		}
		if p := r.follower.Progress(); p.Damaged != 1 || p.Cursor != p.Head {
			t.Errorf("progress is %+v, want one damaged record", p)
		}
	})
}

// TestHubSetBack: a hub that was restored to before what the ledger has seen.
func TestHubSetBack(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.register(t, "a")
		if err := r.ledger.Do(t.Context(), func(tx *ledger.Tx) error {
			tx.SetCursor(follow.CursorName, 1_000)
			return tx.PutRecommendation(&ledger.Recommendation{Device: "later", Type: "credentials", State: ledger.Active}, "active", "test")
		}); err != nil {
			t.Fatal(err)
		}
		r.start(t)
		r.settle()
		want(t, "looked at", r.take("registered", "gone"), "registered a 00:00:00", "gone later")
		head, _ := r.Store.Head()
		if got := r.cursor(t); got != head {
			t.Errorf("the cursor is %d, want %d", got, head)
		}
	})
}

// TestUnavailableLedger: nothing is left out, and effects and cursor are one.
func TestUnavailableLedger(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.start(t)
		r.register(t, "a")
		r.settle()
		before := r.cursor(t)
		r.store.Refuse(tvilling.Errorf(tvilling.Unavailable, "There is no space left."))
		r.register(t, "b")
		<-time.After(time.Minute)
		if got := r.cursor(t); got != before || r.kept(t, "b", "registered") != "" {
			t.Errorf("the cursor is %d and the ledger has %s of a transaction that was refused", got, r.kept(t, "b", "registered"))
		}
		r.store.Refuse(nil)
		<-time.After(time.Minute)
		head, _ := r.Store.Head()
		if got := r.cursor(t); got != head || r.kept(t, "b", "registered") == "" {
			t.Errorf("the cursor is %d, want %d; the ledger has %q", got, head, r.kept(t, "b", "registered"))
		}
	})
}

func TestLostLedger(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.start(t)
		r.store.Refuse(tvilling.Errorf(tvilling.Internal, "The disk is broken."))
		r.register(t, "a")
		r.settle()
		r.stop()
		if tvilling.CodeOf(r.fatal) != tvilling.Internal {
			t.Errorf("the follower said %v, want that it gave up", r.fatal)
		}
		r.fatal = nil
	})
}

// TestIdleChangesAreCheap: the traffic of a fleet that concerns nobody here
// costs the ledger no commit each.
func TestIdleChangesAreCheap(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.start(t)
		r.register(t, "a")
		r.settle()
		before, _ := r.store.Commits()
		for range 200 {
			r.report(t, "a", `{"x":1}`)
			<-time.After(100 * time.Millisecond)
		}
		r.settle()
		if after, _ := r.store.Commits(); after != before {
			t.Errorf("%d commits for changes that concern nobody", after-before)
		}
		if p := r.follower.Progress(); p.Cursor != p.Head {
			t.Errorf("progress is %+v", p)
		}
	})
}

// TestModel: whatever happens to a fleet, with restarts, full disks and lost
// journals in between, the ledger ends up as a fresh look at everything has it.
func TestModel(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) { playModel(t, r, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func playModel(t *testing.T, r *rig, rnd *rand.Rand) {
	l := &lossy{Journal: r.Journal}
	r.journal = l
	keys := []string{auth.NewKey(), auth.NewKey(), auth.NewKey()}
	exists := map[string]bool{}
	r.start(t)
	for range 120 {
		name := fmt.Sprint("d", rnd.IntN(6))
		module := name + "/azureiotsecurity"
		switch act := rnd.IntN(12); {
		case act < 4 && !exists[name]:
			r.register(t, name, keys[rnd.IntN(3)], keys[rnd.IntN(3)])
			exists[name], exists[module] = true, true
		case act == 4 && exists[name]:
			r.remove(t, name)
			delete(exists, name)
			delete(exists, module)
		case act == 5 && exists[module]:
			r.remove(t, module)
			delete(exists, module)
		case act == 6 && exists[name]:
			if _, err := r.Registry.Regenerate(t.Context(), identity(name), "primary", "test"); err != nil {
				t.Fatal(err)
			}
		case act == 7 && exists[module]:
			r.desire(t, module, fmt.Sprintf(`{"x":%d}`, rnd.IntN(100)))
		case act == 8 && exists[module]:
			r.report(t, module, fmt.Sprintf(`{"x":%d}`, rnd.IntN(100)))
		case act == 9:
			r.stop()
			if rnd.IntN(3) == 0 {
				head, _ := r.Store.Head()
				l.lost.Store(head)
			}
			r.start(t)
		case act == 10:
			r.store.Refuse(tvilling.Errorf(tvilling.Unavailable, "There is no space left."))
		default:
			r.store.Refuse(nil)
			<-time.After(time.Duration(rnd.IntN(200)) * time.Millisecond)
		}
	}
	r.store.Refuse(nil)
	<-time.After(time.Minute)
	r.settle()
	got := contents(t, r.store)
	r.stop()

	fresh := &rig{Core: r.Core, recorder: new(recorder), store: securitymem.New(), journal: r.Journal, marks: r.Registry}
	fresh.ledger = ledger.NewLedger(fresh.store)
	fresh.start(t)
	fresh.settle()
	fresh.stop()
	if fresh.fatal != nil {
		t.Fatal(fresh.fatal)
	}
	if diff := cmp.Diff(contents(t, fresh.store), got); diff != "" {
		t.Errorf("the ledger differs from that of a fresh look (-fresh +followed):\n%s", diff)
	}
	for _, name := range slices.Sorted(maps.Keys(exists)) {
		marks, err := r.store.Fingerprints(t.Context(), identity(name))
		freshMarks, freshErr := fresh.store.Fingerprints(t.Context(), identity(name))
		if err != nil || freshErr != nil || !cmp.Equal(marks, freshMarks) {
			t.Errorf("%s has the fingerprints %x, %v; a fresh look %x, %v", name, marks, err, freshMarks, freshErr)
		}
	}
}

// contents writes what a ledger has.
func contents(t *testing.T, s *securitymem.Store) string {
	t.Helper()
	var b strings.Builder
	for r, err := range s.Recommendations(t.Context(), ledger.RecommendationFilter{}, "", "") {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %s %s\n", r.Device, r.Type, r.Details)
	}
	return b.String()
}
