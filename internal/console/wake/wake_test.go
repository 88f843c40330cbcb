package wake_test

import (
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/wake"
	"github.com/tvilling/tvilling/internal/hub/state"
)

func woken(w *wake.Watch) bool {
	select {
	case <-w.C():
		return true
	default:
		return false
	}
}

func TestWatchWakesForItsDevicesOnly(t *testing.T) {
	var h wake.Hub
	some, all := h.Devices("a", "b"), h.Everything()
	defer all.Close()
	h.Recorded([]state.Change{{ID: tvilling.Device("c")}})
	if woken(some) {
		t.Error("a change of c woke who shows a and b")
	}
	if !woken(all) {
		t.Error("a change of c did not wake who shows everything")
	}
	h.Recorded([]state.Change{
		{ID: tvilling.Identity{Device: "b", Module: "m"}}, {ID: tvilling.Device("a")},
	})
	if !woken(some) || woken(some) {
		t.Error("two changes at once are to wake once")
	}
	some.Watch("c")
	h.Recorded([]state.Change{{ID: tvilling.Device("a")}})
	if woken(some) {
		t.Error("a change of a woke who no longer shows it")
	}
	h.Recorded([]state.Change{{ID: tvilling.Device("c")}})
	if !woken(some) {
		t.Error("a change of c did not wake who shows it now")
	}
	some.Close()
	h.Recorded([]state.Change{{ID: tvilling.Device("c")}})
	if woken(some) {
		t.Error("a closed watch was woken")
	}
}
