package index

import (
	"fmt"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// TestCoarsenFreesTheDictionary: what a coarse column took for its values is
// given back, not only accounted as if it were.
func TestCoarsenFreesTheDictionary(t *testing.T) {
	x := New(Options{})
	for i := range 300 {
		id := tvilling.Device(tvilling.DeviceID(fmt.Sprint("d", i)))
		twin := state.NewTwin(id)
		p, err := doc.Parse(fmt.Appendf(nil, `{"text":"t%d","number":%d}`, i, i), doc.Tags)
		if err == nil {
			twin.Tags, err = twin.Tags.Merge(p, doc.Tags, doc.Stamp{Time: time.Unix(1, 0), Actor: "test"})
		}
		if err != nil {
			t.Fatal(err)
		}
		x.Committed([]commit.Touched{{ID: id, HasIdentity: true, HasTwin: true, Identity: &state.Identity{ID: id}, Twin: twin}})
	}
	for _, name := range []string{"text", "number"} {
		c := x.devices.tags.member(name).column
		if len(c.values) != 300 {
			t.Fatalf("%s has %d values, want 300", name, len(c.values))
		}
		x.hold(func() { x.coarsen(&x.devices, c) })
		if c.values != nil || len(c.refs) != int(firstCode) || c.condemned != nil || c.free != nil {
			t.Errorf("%s keeps %d values, %d counts, %d codes", name, len(c.values), len(c.refs), len(c.condemned)+len(c.free))
		}
		if got, want := c.bytes.Load(), int64(blockRows); got != want {
			t.Errorf("%s takes %d bytes, want the %d of a block", name, got, want)
		}
	}
	if wrong := x.check(); wrong != nil {
		t.Errorf("the index is not sound: %q", wrong)
	}
}
