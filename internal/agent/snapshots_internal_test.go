//go:build linux

package agent

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling/internal/agent/collect"
	"github.com/tvilling/tvilling/internal/security/event"
)

// fakeSnapshot is a source of users.
type fakeSnapshot struct {
	start time.Time
	mu    sync.Mutex // for what follows
	users []event.Item
	err   error
	takes []time.Duration
}

func (f *fakeSnapshot) Kind() event.Kind     { return event.LocalUsersKind }
func (f *fakeSnapshot) Sight() collect.Sight { return collect.Sight{} }
func (f *fakeSnapshot) Take(context.Context) ([]event.Item, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.takes = append(f.takes, time.Since(f.start))
	return f.users, f.err
}

// shows sets what is taken from now on.
func (f *fakeSnapshot) shows(err error, users ...event.Item) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.users, f.err = users, err
}

// taken returns when snapshots were taken.
func (f *fakeSnapshot) taken() []time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.takes)
}

// root is a user.
var root = &event.LocalUsers{UserName: "root", UserID: "0"}

// snapshotWorld is a world of snapshots: one source of users, and how often they were given.
type snapshotWorld struct {
	*snapshots
	source *fakeSnapshot
	given  atomic.Int64
	log    strings.Builder
}

func takeSnapshots(t *testing.T) *snapshotWorld {
	t.Helper()
	w := &snapshotWorld{source: &fakeSnapshot{start: time.Now(), users: []event.Item{root}}}
	w.snapshots = newSnapshots([]collect.Snapshot{w.source}, func(_ time.Time, k event.Kind, _ []event.Item) {
		if k != event.LocalUsersKind {
			t.Errorf("a snapshot of %s is given", k)
		}
		w.given.Add(1)
	}, func(ctx context.Context) error { return ctx.Err() }, slog.New(slog.NewTextHandler(&w.log, nil)))
	w.snapshots.after = func() {}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return w
}

func (w *snapshotWorld) want(t *testing.T, takes, given int) {
	t.Helper()
	synctest.Wait()
	if n, m := len(w.source.taken()), int(w.given.Load()); n != takes || m != given {
		t.Fatalf("taken %d times, given %d times; want %d, %d", n, m, takes, given)
	}
}

func TestSnapshotsAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := takeSnapshots(t)
		w.want(t, 0, 0)
		w.ask(setOf(event.FirewallConfigurationKind)) // nobody makes it
		w.want(t, 0, 0)
		w.ask(setOf(event.LocalUsersKind, event.OSBaselineKind))
		w.want(t, 1, 1)
		w.ask(setOf(event.LocalUsersKind)) // the same is sent again if it was asked for
		w.want(t, 2, 2)
		<-time.After(100 * time.Hour)
		w.want(t, 2, 2)
		given := int64(0)
		w.askThen(setOf(event.LocalUsersKind), func() { given = w.given.Load() })
		w.want(t, 3, 3)
		if given != 3 {
			t.Errorf("when the one who asked is called, %d are given", given)
		}
		w.ask(setOf(event.LocalUsersKind))
		given = 0
		w.want(t, 4, 4)
		if given != 0 {
			t.Error("who asked is called twice")
		}
	})
}

func TestSnapshotsOfChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := takeSnapshots(t)
		w.ask(setOf(event.LocalUsersKind))
		w.want(t, 1, 1)
		// Nothing that is shown has changed.
		w.changed(event.LocalUsersKind)
		w.want(t, 1, 1)
		<-time.After(changeWait)
		w.want(t, 2, 1)
		// Many changes at once are one.
		w.source.shows(nil, root, &event.LocalUsers{UserName: "eve", UserID: "1000"})
		for range 100 {
			w.changed(event.LocalUsersKind)
		}
		<-time.After(changeWait)
		w.want(t, 3, 2)
		// That there are none is something else than no snapshot.
		w.source.shows(nil)
		w.changed(event.LocalUsersKind)
		<-time.After(changeWait)
		w.want(t, 4, 3)
	})
}

// TestSnapshotsFlood changes something every 50 ms for six hours.
func TestSnapshotsFlood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := takeSnapshots(t)
		for range int(6 * time.Hour / (50 * time.Millisecond)) {
			w.changed(event.LocalUsersKind)
			<-time.After(50 * time.Millisecond)
		}
		<-time.After(changeRefill)
		synctest.Wait()
		if n, most := len(w.source.taken()), changeBurst+int(6*time.Hour/changeRefill)+2; n > most || n < most-5 {
			t.Errorf("taken %d times, want %d or a little less", n, most)
		}
		if at := last(w.source.taken()); at < 6*time.Hour-time.Second {
			t.Errorf("the last change is not seen: the last snapshot is of %v", at)
		}
		// Once it is quiet, a change is seen at once again.
		<-time.After(changeBurst * changeRefill)
		synctest.Wait()
		before := time.Since(w.source.start)
		w.changed(event.LocalUsersKind)
		<-time.After(time.Minute)
		synctest.Wait()
		if at := last(w.source.taken()); at != before+changeWait {
			t.Errorf("a change at %v is seen at %v", before, at)
		}
	})
}

func TestSnapshotsFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := takeSnapshots(t)
		ask := func() {
			w.ask(setOf(event.LocalUsersKind))
			synctest.Wait()
		}
		lines := func(want int) {
			t.Helper()
			if n := strings.Count(w.log.String(), "a snapshot could not be taken"); n != want {
				t.Fatalf("it is said %d times, want %d:\n%s", n, want, &w.log)
			}
		}
		w.source.shows(errors.New("no passwd"))
		ask()
		ask()
		w.want(t, 2, 0)
		lines(1)
		w.source.shows(errors.New("no group"))
		ask()
		lines(2)
		w.source.shows(nil, root)
		ask()
		w.want(t, 4, 1)
		w.source.shows(errors.New("no group"))
		ask()
		lines(3)
		// What failed has changed nothing of what is known.
		w.source.shows(nil, root)
		w.changed(event.LocalUsersKind)
		<-time.After(changeWait)
		w.want(t, 6, 1)
	})
}

func last(all []time.Duration) time.Duration { return all[len(all)-1] }
