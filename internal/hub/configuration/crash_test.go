package configuration_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/configuration"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/store/memory"
)

// mortal is a store whose hub is killed at a commit: it keeps nothing more, or
// keeps that one and nobody is told.
type mortal struct {
	state.Store

	left atomic.Int64
	kept bool
	dead atomic.Bool
}

func (m *mortal) Commit(ctx context.Context, b *state.Batch) error {
	killed := tvilling.Errorf(tvilling.Unavailable, "The hub was killed.")
	if m.dead.Load() {
		return killed
	}
	if m.left.Add(-1) >= 0 {
		return m.Store.Commit(ctx, b)
	}
	m.dead.Store(true)
	if m.kept {
		if err := m.Store.Commit(ctx, b); err != nil {
			return err
		}
	}
	return killed
}

// TestKilledAtEveryCommit kills the hub at each commit of a rollout and of the
// removal after it. The next hub over what is left ends where one that was not
// killed does, and each twin has been written to once.
func TestKilledAtEveryCommit(t *testing.T) {
	const twins = 5
	for _, removal := range []bool{false, true} {
		for _, kept := range []bool{false, true} {
			for n := int64(0); ; n++ {
				if !killedAt(t, twins, n, kept, removal) {
					if n < 3 {
						t.Errorf("only %d commits were tried", n)
					}
					break
				}
			}
		}
	}
}

// killedAt reports whether the hub got as far as to be killed.
func killedAt(t *testing.T, twins int, n int64, kept, removal bool) (killed bool) {
	t.Helper()
	name := fmt.Sprintf("kept=%t/removal=%t/%d", kept, removal, n)
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			inner := memory.New()
			store := &mortal{Store: inner, kept: kept}
			store.left.Store(1 << 40)
			core := hubtest.Over(t, store)
			for i := range twins {
				core.Register(t, tvilling.Device(tvilling.DeviceID(fmt.Sprintf("d%d", i))))
			}
			h := start(t, core)
			c := devices("fw", `{"properties.desired.fw":{"v":5}}`, "*")
			c.Rollout = &configuration.Rollout{Steps: []configuration.Step{{Count: 2}}, Wait: configuration.Duration(time.Minute)}
			h.put(c, "")
			want, version := `{"fw":{"v":5}}`+applied, int64(2)
			if removal {
				h.expect(5*time.Minute, nil)
				if err := h.service.Delete(t.Context(), "fw", tvilling.Match{}, "test"); err != nil {
					t.Fatal(err)
				}
				want, version = `{}`, 3
			}
			store.left.Store(n)
			h.expect(5*time.Minute, nil)
			h.stop()
			killed = store.dead.Load()

			again := start(t, hubtest.Over(t, inner))
			again.expect(5*time.Minute, nil)
			for i := range twins {
				id := fmt.Sprintf("d%d", i)
				if got := again.show(id); got != want {
					t.Errorf("%s is %s, want %s", id, got, want)
				}
				v, err := again.Twins.Get(t.Context(), tvilling.Device(tvilling.DeviceID(id)))
				if err != nil || v.Desired.Version() != version {
					t.Errorf("%s has version %d, want %d, %v", id, v.Desired.Version(), version, err)
				}
			}
			if list, err := again.service.List(t.Context()); err != nil || len(list) == 0 != removal {
				t.Errorf("configurations: %v, %v", list, err)
			}
			if removal {
				if v, err := inner.Setting(t.Context(), "configuration-progress/fw"); v != nil || err != nil {
					t.Errorf("traces are left: %s, %v", v, err)
				}
			} else if p, err := again.service.Progress(t.Context(), "fw"); err != nil || p.State != configuration.Applied {
				t.Errorf("progress %+v, %v", p, err)
			}
		})
	})
	return killed
}
