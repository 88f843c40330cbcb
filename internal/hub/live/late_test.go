package live_test

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/live"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// blind finds nothing, as a search does by an index that was not told yet.
type blind struct{ scan }

func (blind) Each(context.Context, *query.Query, tvilling.Identity) iter.Seq2[tvilling.Identity, error] {
	return func(func(tvilling.Identity, error) bool) {}
}

// TestDurableBeforeFound: a change that is in the journal, but that the search
// was not told of yet when the live query began, is told all the same.
func TestDurableBeforeFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hubtest.New(t)
		a := tvilling.Device("a")
		c.Register(t, a)
		h := over(t, c, func(o *live.Options) { o.Search = blind{scan{c}} })
		tags := hubtest.Patch(t, doc.Tags, `{"site":"lab"}`)
		told := make(chan struct{})
		c.Tell(func(changes []state.Change) { <-told; h.live.Recorded(changes) })
		patched := make(chan error, 1)
		go func() {
			_, err := h.Twins.Patch(t.Context(), a, twin.Update{Tags: tags}, tvilling.Match{}, "test")
			patched <- err
		}()
		synctest.Wait() // the change is durable, and nobody was told
		f := h.follow(t, bySite, "", nil)
		close(told)
		if err := <-patched; err != nil {
			t.Fatal(err)
		}
		settle()
		want(t, f.events(), "ready 0", `entered a {"deviceId":"a","site":"lab"}`)
	})
}

// TestIdleBesides: who is told nothing since what happens does not concern the
// query hears that, and gets on, however much that is.
func TestIdleBesides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		other := tvilling.Device("other")
		h.Register(t, other)
		f := h.follow(t, bySite, "", nil)
		settle()
		f.events()
		for i := range 4 {
			time.Sleep(10 * time.Second) //nolint:forbidigo // the bubble's clock, at once
			h.report(t, other, fmt.Sprintf(`{"t":%d}`, i))
		}
		settle()
		want(t, f.events(), "idle", "idle")
	})
}

// TestAllMembersGrow: rows that enter count among those that all live queries may have.
func TestAllMembersGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, func(o *live.Options) { o.Members = 1 })
		var last *follower
		for i := range 11 {
			id := tvilling.Device(tvilling.DeviceID(fmt.Sprintf("d%02d", i)))
			h.Register(t, id)
			last = h.follow(t, fmt.Sprintf(`SELECT deviceId FROM devices WHERE tags.n = %d`, i), "", nil)
		}
		for i := range 11 {
			h.patch(t, tvilling.Device(tvilling.DeviceID(fmt.Sprintf("d%02d", i))), fmt.Sprintf(`{"n":%d}`, i), "")
			settle()
		}
		if _, _, err := last.state(); tvilling.CodeOf(err) != tvilling.Throttled {
			t.Errorf("the eleventh row of ten: %v, want Throttled", err)
		}
		if n := h.live.Stats().Members; n != 10 {
			t.Errorf("%d rows, want 10", n)
		}
	})
}
