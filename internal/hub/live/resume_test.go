package live_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/live"
	"github.com/tvilling/tvilling/internal/hub/registry"
)

// TestResume: a client that comes back is told what is different, and nothing
// that it knows.
func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		id := func(name string) tvilling.Identity { return tvilling.Device(tvilling.DeviceID(name)) }
		for _, name := range []string{"stays", "changes", "leaves", "goes", "comes", "idle"} {
			h.Register(t, id(name))
			if name != "comes" {
				h.patch(t, id(name), `{"site":"lab"}`, "")
			}
		}
		f := h.follow(t, bySite, "", nil)
		settle()
		f.end()
		rows, cursor, _ := f.state()

		// Those that end as they were are not told.
		h.patch(t, id("stays"), `{"site":"roof"}`, "")
		h.patch(t, id("stays"), `{"site":"lab"}`, "")
		h.report(t, id("changes"), `{"t":1}`)
		h.patch(t, id("leaves"), `{"site":"roof"}`, "")
		if err := h.Registry.Delete(t.Context(), id("goes"), tvilling.Match{}, "test"); err != nil {
			t.Fatal(err)
		}
		h.patch(t, id("comes"), `{"site":"lab"}`, "")
		h.Register(t, id("new"))
		h.patch(t, id("new"), `{"site":"lab"}`, "")
		h.Register(t, id("other"))
		h.patch(t, id("other"), `{"site":"lab"}`, "")
		h.patch(t, id("other"), `{"site":"roof"}`, "")

		told := []string{
			`changed changes {"deviceId":"changes","site":"lab","t":1}`, "left leaves", "left goes",
			`entered comes {"deviceId":"comes","site":"lab"}`, `entered new {"deviceId":"new","site":"lab"}`, "ready 5",
		}
		g := h.follow(t, bySite, cursor, rows)
		settle()
		want(t, g.events(), told...)
		got, again, _ := g.state()
		if want := h.result(t, bySite); !maps.Equal(got, want) {
			t.Errorf("rows are %v, want %v", got, want)
		}
		g.end()
		// The same cursor tells the same once more, the new one nothing.
		g = h.follow(t, bySite, cursor, rows)
		settle()
		want(t, g.events(), told...)
		g.end()
		g = h.follow(t, bySite, again, got)
		settle()
		want(t, g.events(), "ready 5")
		h.report(t, id("comes"), `{"t":7}`)
		settle()
		want(t, g.events(), `changed comes {"deviceId":"comes","site":"lab","t":7}`)
		g.end()

		// A start of the hub in between makes no difference to what it keeps.
		_, cursor, _ = g.state()
		h.patch(t, id("idle"), `{"site":"roof"}`, "")
		h = over(t, h.Core)
		h.patch(t, id("idle"), `{"floor":1}`, "")
		g = h.follow(t, bySite, cursor, got)
		settle()
		want(t, g.events(), "left idle", "ready 4")
	})
}

// TestReset: what cannot be told from a cursor is told anew.
func TestReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		a := tvilling.Device("a")
		h.Register(t, a)
		const online = `SELECT deviceId FROM devices WHERE connectionState = 'Disconnected'`
		const heard = `SELECT deviceId FROM devices WHERE lastActivityTime < '2030-01-01'`
		for _, tt := range []struct {
			name, text string
			between    func()
			told       []string
		}{
			{"nothing", online, func() {}, []string{"ready 1"}},
			{"a start", online, func() { h = over(t, h.Core) }, []string{"reset", `entered a {"deviceId":"a"}`, "ready 1"}},
			{"a start, for who does not look at connections", "SELECT tags FROM devices", func() { h = over(t, h.Core) }, []string{"ready 1"}},
			{"activity", heard, func() {}, []string{"reset", `entered a {"deviceId":"a"}`, "ready 1"}},
		} {
			f := h.follow(t, tt.text, "", nil)
			settle()
			f.end()
			rows, cursor, _ := f.state()
			tt.between()
			f = h.follow(t, tt.text, cursor, rows)
			settle()
			got := f.events()
			f.end()
			t.Log(tt.name)
			want(t, got, tt.told...)
		}
		// A cursor of a hub that has forgotten, as one that was restored from a backup.
		f := h.follow(t, bySite, "", nil)
		h.Register(t, tvilling.Device("b"))
		settle()
		f.end()
		_, cursor, _ := f.state()
		other := newHub(t)
		g := other.follow(t, bySite, cursor, nil)
		settle()
		want(t, g.events(), "reset", "ready 0")
	})
}

// TestCursor: only a cursor of the same query is taken.
func TestCursor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		f := h.follow(t, bySite, "", nil)
		settle()
		f.end()
		_, cursor, _ := f.state()
		for _, bad := range []string{"x", cursor + "AA", cursor[:len(cursor)-2], cursor + "\n", "AAAA"} {
			if _, err := h.live.Open(t.Context(), bySite, bad); tvilling.CodeOf(err) != tvilling.InvalidArgument {
				t.Errorf("%q: %v", bad, err)
			}
		}
		if _, err := h.live.Open(t.Context(), "SELECT * FROM devices", cursor); tvilling.CodeOf(err) != tvilling.InvalidArgument {
			t.Errorf("of another query: %v", err)
		}
	})
}

// fleet changes a small fleet at random.
type fleet struct {
	*hub
	r     *rand.Rand
	names []tvilling.Identity
	open  map[tvilling.Identity]func()
}

func (f *fleet) step(t *testing.T) {
	t.Helper()
	id := f.names[f.r.IntN(len(f.names))]
	if rec, err := f.Store.Identity(t.Context(), id); err != nil {
		t.Fatal(err)
	} else if rec == nil {
		f.Register(t, id)
		return
	}
	site := []string{"lab", "roof"}[f.r.IntN(2)]
	switch f.r.IntN(9) {
	case 0:
		f.hang(id)
		if err := f.Registry.Delete(t.Context(), id, tvilling.Match{}, "test"); err != nil {
			t.Fatal(err)
		}
	case 1, 2:
		f.patch(t, id, fmt.Sprintf(`{"site":%q}`, site), "")
	case 3:
		f.patch(t, id, "", fmt.Sprintf(`{"fps":%d}`, f.r.IntN(3)))
	case 4, 5:
		f.report(t, id, fmt.Sprintf(`{"t":%d}`, f.r.IntN(4)))
	case 6:
		f.own(t, id, "security", fmt.Sprintf(`{"state":%q}`, site))
	case 7:
		disabled := f.r.IntN(2) == 0
		v, err := f.Registry.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		spec := registry.Spec{ID: id, Disabled: disabled}
		if _, err := f.Registry.Put(t.Context(), spec, tvilling.Match{Given: true, Tag: v.ETag()}, "test"); err != nil {
			t.Fatal(err)
		}
	case 8:
		rec, err := f.Store.Identity(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if f.open[id] != nil {
			f.hang(id)
		} else if rec != nil && !rec.Disabled {
			s, _, _ := f.Connect(t, id, true)
			f.open[id] = func() { s.Done(nil) }
		}
	}
}

// hang ends the connection of an identity, if it has one.
func (f *fleet) hang(id tvilling.Identity) {
	if done := f.open[id]; done != nil {
		done()
		delete(f.open, id)
	}
}

// TestFollowedIsFound is the promise of the package: whatever happens, whoever
// applies the events has what the query finds; with connections lost and hubs
// started anew as they come, and readers that have to read on in the journal.
func TestFollowedIsFound(t *testing.T) {
	queries := []string{
		`SELECT * FROM devices`,
		`SELECT deviceId, properties.reported.t FROM devices WHERE tags.site = 'lab'`,
		`SELECT deviceId, tags.site FROM devices WHERE properties.reported.t > 1 OR properties.desired.fps = 2`,
		`SELECT deviceId, status FROM devices WHERE connectionState = 'Connected' OR status = 'disabled'`,
		`SELECT deviceId, connectionState FROM devices WHERE NOT (security.state = 'lab')`,
	}
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			small := func(o *live.Options) { o.Feed = 8 }
			if seed%2 == 0 { // over the index, as in a hub
				small = func(o *live.Options) { o.Feed, o.Search = 8, o.Search.(scan).indexed() } //nolint:forcetypeassert // it is what over sets
			}
			f := &fleet{hub: newHub(t, small), r: rand.New(rand.NewPCG(seed, 1)), open: make(map[tvilling.Identity]func())}
			for i := range 6 {
				f.names = append(f.names, tvilling.Device(tvilling.DeviceID(fmt.Sprint("d", i))))
			}
			for range 20 {
				f.step(t)
			}
			clients := make([]*follower, len(queries))
			for i, text := range queries {
				clients[i] = f.follow(t, text, "", nil)
			}
			for round := range 25 {
				for range f.r.IntN(12) {
					f.step(t) // the clients run meanwhile
				}
				if f.r.IntN(3) == 0 {
					i := f.r.IntN(len(queries))
					clients[i].end()
					if f.r.IntN(4) == 0 {
						// The others, of the run before, go on with a hub that is no more.
						for j := range clients {
							clients[j].end()
						}
						f.hub = over(t, f.Core, small)
					}
					for range f.r.IntN(6) {
						f.step(t)
					}
					for j := range clients {
						select {
						case <-clients[j].done:
							rows, cursor, _ := clients[j].state()
							clients[j] = f.follow(t, queries[j], cursor, rows)
						default:
						}
					}
				}
				if f.r.IntN(2) == 0 {
					continue
				}
				settle()
				for i, text := range queries {
					got, _, err := clients[i].state()
					if want := f.result(t, text); err != nil || !maps.Equal(got, want) {
						t.Fatalf("seed %d, round %d, %s:\n got %v, %v\nwant %v", seed, round, text, got, err, want)
					}
				}
			}
			for _, done := range f.open {
				done()
			}
		})
	}
}
