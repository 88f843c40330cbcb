package live_test

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"testing/synctest"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/live"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// holed is a journal in which changes up to a sequence are gone, or one is damaged.
type holed struct {
	live.Journal
	gone, damaged uint64
}

func (h *holed) Read(ctx context.Context, after uint64, follow bool) iter.Seq2[state.Change, error] {
	return func(yield func(state.Change, error) bool) {
		for c, err := range h.Journal.Read(ctx, after, follow) {
			switch {
			case c.Sequence == h.damaged && h.damaged > 0:
				c, err = state.Change{}, tvilling.Errorf(tvilling.Corrupt, "A change is damaged.")
			case c.Sequence <= h.gone:
				continue
			}
			if !yield(c, err) {
				return
			}
		}
	}
}

// TestGap: what cannot be told change by change is told anew, while a query is
// followed as well as when a client comes back.
func TestGap(t *testing.T) {
	for name, damage := range map[string]func(h *holed, at uint64){
		"gone":     func(h *holed, at uint64) { h.gone = at },
		"all gone": func(h *holed, _ uint64) { h.gone = 1 << 62 },
		"damaged":  func(h *holed, at uint64) { h.damaged = at },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := new(holed)
				h := newHub(t, func(o *live.Options) {
					j.Journal = o.Journal
					o.Journal, o.Feed = j, 2
				})
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
				var cursor string
				read := func(want live.Kind) {
					t.Helper()
					e, err, ok := next()
					if !ok || err != nil || e.Kind != want {
						t.Fatalf("told %v %s, %v, %t, want %v", e.Kind, e.Row, err, ok, want)
					}
					if e.Kind == live.Reset && e.Reason == "" {
						t.Error("it does not say why")
					}
					if e.Cursor != "" {
						cursor = e.Cursor
					}
				}
				read(live.Entered)
				read(live.Ready)
				back := cursor
				for i := range 8 {
					h.report(t, a, fmt.Sprintf(`{"t":%d}`, i))
				}
				damage(j, h.Journal.Head()-4)
				read(live.Reset)
				read(live.Entered)
				read(live.Ready)
				h.report(t, a, `{"t":100}`)
				read(live.Changed)
				if s := h.live.Stats(); s.Resets != 1 {
					t.Errorf("stats are %+v", s)
				}

				f := h.follow(t, bySite, back, map[tvilling.Identity]string{a: "old", tvilling.Device("b"): "gone"})
				settle()
				want(t, f.events(), "reset", `entered a {"deviceId":"a","site":"lab","t":100}`, "ready 1")
			})
		})
	}
}

// TestMuchSince: more rows than are looked up one by one are told anew; as many
// are not.
func TestMuchSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		h.Registry.SetCompanion(nil)
		const most = 4096
		f := h.follow(t, "SELECT deviceId FROM devices", "", nil)
		settle()
		f.end()
		rows, cursor, _ := f.state()
		for i := range most + 1 {
			if i == most {
				f = h.follow(t, "SELECT deviceId FROM devices", cursor, rows)
				settle()
				if told := f.events(); len(told) != most+1 || told[0] == "reset" {
					t.Errorf("of %d new rows told %d events, the first %s", most, len(told), told[0])
				}
				f.end()
			}
			h.Register(t, tvilling.Device(tvilling.DeviceID(fmt.Sprintf("d%05d", i))))
		}
		f = h.follow(t, "SELECT deviceId FROM devices", cursor, rows)
		settle()
		if told := f.events(); len(told) != most+3 || told[0] != "reset" {
			t.Errorf("of %d new rows told %d events, the first %s", most+1, len(told), told[0])
		}
	})
}
