package index

import (
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// TestWalkLeavesOutWhatIsGone: a slot whose row was gone before the query began
// may be another one's when the query looks at it, so it must not be given.
func TestWalkLeavesOutWhatIsGone(t *testing.T) {
	for name, module := range map[string]tvilling.ModuleID{"devices": "", "modules": "m"} {
		t.Run(name, func(t *testing.T) {
			x := New(Options{})
			put := func(device tvilling.DeviceID) {
				id := tvilling.Identity{Device: device, Module: module}
				x.Committed([]commit.Touched{{ID: id, HasIdentity: true, HasTwin: true, Identity: &state.Identity{ID: id}, Twin: state.NewTwin(id)}})
			}
			put("b")
			put("a")
			x.Committed([]commit.Touched{{ID: tvilling.Identity{Device: "a", Module: module}, HasIdentity: true, HasTwin: true, HasSession: true}})
			text := "SELECT * FROM devices"
			if module != "" {
				text += ".modules"
			}
			q, err := query.Compile(text)
			if err != nil {
				t.Fatal(err)
			}
			r := x.begin(q)
			defer r.end()
			slots := x.walk(module != "", tvilling.Identity{}).next()
			put("c")
			var got []string
			for _, slot := range slots {
				got = append(got, string(r.key(r.t.block(slot), int(slot%blockRows)).device))
			}
			if len(got) != 1 || got[0] != "b" {
				t.Errorf("the walk went along %v, want b alone", got)
			}
		})
	}
}
