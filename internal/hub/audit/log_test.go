package audit_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/audit"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// journal has changes, one in ten of them a user's.
type journal struct {
	mu      sync.Mutex
	n       uint64
	changed chan struct{}
}

func newJournal() *journal { return &journal{changed: make(chan struct{})} }

func (j *journal) grow(n uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.n += n
	close(j.changed)
	j.changed = make(chan struct{})
}

func (j *journal) wait() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.changed
}

func (j *journal) Read(_ context.Context, after uint64, _ bool) iter.Seq2[state.Change, error] {
	j.mu.Lock()
	n := j.n
	j.mu.Unlock()
	return func(yield func(state.Change, error) bool) {
		for i := after + 1; i <= n; i++ {
			c := state.Change{Sequence: i, Time: time.Unix(int64(i), 0), Op: state.ReportTwin, ID: tvilling.Device("d"), Actor: "device:d"}
			if i%10 == 0 {
				c.Op, c.Actor = state.UpdateTwin, "user:anna"
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

// failing is a store that fails once, after a number of appends.
type failing struct {
	hubtest.AuditStore
	mu   sync.Mutex
	left int
}

func (f *failing) Append(entries []audit.Entry, cursors map[string]uint64) error {
	f.mu.Lock()
	f.left--
	failed := f.left == 0
	f.mu.Unlock()
	if failed {
		return errors.New("no space left")
	}
	return f.AuditStore.Append(entries, cursors)
}

func run(t *testing.T, store audit.Store, j *journal) (*audit.Log, func()) {
	t.Helper()
	l, err := audit.New(audit.Options{Store: store, Sources: []audit.Source{audit.JournalSource(j, j.wait)}, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { l.Run(ctx) })
	return l, func() { stop(); wg.Wait() }
}

// TestFollow: every act is in the log once, although the store fails in between
// and the hub restarts.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, j := &failing{left: 2}, newJournal()
		j.grow(12_000)
		_, stop := run(t, store, j)
		time.Sleep(time.Minute) //nolint:forbidigo // in the bubble
		stop()
		_, stop = run(t, store, j)
		j.grow(100)
		time.Sleep(time.Second) //nolint:forbidigo // in the bubble
		stop()
		l, stop := run(t, store, j)
		defer stop()
		synctest.Wait()
		want := uint64(10)
		for e, err := range l.All(t.Context(), audit.Filter{}) {
			if err != nil || e.Number != want || e.Action != "twin.update" || e.Subject != "d" || e.Source != "hub" {
				t.Fatalf("got %+v, %v, want number %d", e, err, want)
			}
			want += 10
		}
		if want != 12_110 {
			t.Errorf("the log ends before %d, want 12110", want)
		}
	})
}

// TestPage walks the log from its end, whole and filtered.
func TestPage(t *testing.T) {
	t.Parallel()
	store := new(hubtest.AuditStore)
	var list []audit.Entry
	for i := range 50_000 {
		e := audit.Entry{Time: time.Unix(int64(i), 0), Actor: "policy:service", Action: "twin.update", Subject: fmt.Sprint("d", i)}
		if i == 100 {
			e.Actor, e.Action = "user:anna", "device.create"
		}
		list = append(list, e)
	}
	if err := store.Append(list, nil); err != nil {
		t.Fatal(err)
	}
	l, err := audit.New(audit.Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	walk := func(f audit.Filter, limit int) (found, pages int) {
		last := uint64(1 << 40)
		for before := uint64(0); ; {
			p, err := l.Page(t.Context(), f, before, limit)
			if err != nil {
				t.Fatal(err)
			}
			pages++
			for _, e := range p.Entries {
				if e.Sequence >= last || !f.Takes(&e) {
					t.Fatalf("%+v after %d", e, last)
				}
				last = e.Sequence
			}
			found += len(p.Entries)
			if before = p.Next; before == 0 {
				return found, pages
			}
		}
	}
	for _, test := range []struct {
		f            audit.Filter
		limit        int
		found, pages int
	}{
		{audit.Filter{}, 1000, 50_000, 50},
		{audit.Filter{Actor: "user"}, 100, 1, 3},
		{audit.Filter{Actor: "user:anna", Action: "device", Subject: "10"}, 100, 1, 3},
		{audit.Filter{Actor: "user:ann"}, 100, 0, 3},
		{audit.Filter{Action: "device.delete"}, 100, 0, 3},
		{audit.Filter{From: time.Unix(49_990, 0), To: time.Unix(49_995, 0)}, 100, 5, 1},
	} {
		if found, pages := walk(test.f, test.limit); found != test.found || pages != test.pages {
			t.Errorf("%+v: %d entries in %d pages, want %d in %d", test.f, found, pages, test.found, test.pages)
		}
	}
}

// TestOfChange: what of the journal is an act, and what it is called.
func TestOfChange(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		c    state.Change
		want string
	}{
		{state.Change{Op: state.ReportTwin, Actor: "device:d", ID: tvilling.Device("d")}, ""},
		{state.Change{Op: state.Connected, Actor: "module:d/m", ID: tvilling.Device("d")}, ""},
		{state.Change{Op: state.UpdateTwin, Actor: "configuration:fw@1", ID: tvilling.Device("d")}, ""},
		{state.Change{Op: state.CreateDevice, Actor: "user:anna", ID: tvilling.Device("d")}, "user:anna device.create d"},
		{state.Change{Op: state.UpdateTwin, Actor: "policy:x", ID: tvilling.Identity{Device: "d", Module: "m"}}, "policy:x twin.update d/m"},
		{state.Change{Op: state.ChangePolicy, Actor: "user:anna", Body: []byte(`{"policy":"p","change":"regenerate primary"}`)}, "user:anna policy.regenerate-primary p"},
		{state.Change{Op: state.ChangeSetting, Actor: "user:anna", Body: []byte(`{"configuration":"c","change":"paused"}`)}, "user:anna configuration.paused c"},
		{state.Change{Op: state.ChangeSetting, Actor: "user:anna", Body: []byte(`{"guardSecurityTwin":true}`)}, "user:anna settings.change hub"},
		{state.Change{Op: state.Acted, Actor: "user:anna", Body: []byte(`{"action":"sink.test","subject":"siem"}`)}, "user:anna sink.test siem"},
		{state.Change{Op: state.ChangeUser, Actor: "hub:setup", Body: []byte(`{"user":"anna","change":"created","role":"admin"}`)}, "hub:setup user.created anna"},
		{state.Change{Op: state.SignInRefused, Actor: "nobody", Body: []byte(`{"count":3}`)}, "nobody session.refused "},
	} {
		e, ok := audit.OfChange(test.c)
		got := strings.Join([]string{e.Actor, e.Action, e.Subject}, " ")
		if ok != (test.want != "") || ok && got != test.want {
			t.Errorf("%s by %s: got %q, %t, want %q", test.c.Op, test.c.Actor, got, ok, test.want)
		}
	}
	large, ok := audit.OfChange(state.Change{Op: state.UpdateTwin, Actor: "user:a", ID: tvilling.Device("d"), Body: []byte(`{"tags":{"x":"` + strings.Repeat("y", 5000) + `"}}`)})
	if !ok || len(large.Detail) > 200 {
		t.Errorf("a large change has a detail of %d bytes", len(large.Detail))
	}
}
