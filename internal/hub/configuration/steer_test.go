package configuration_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/configuration"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/query"
)

// TestLeavingWhileKeptApart: a configuration that is kept from a twin for a
// while takes its values away after that, if it no longer targets the twin, or
// at once if it is rolled back.
func TestLeavingWhileKeptApart(t *testing.T) {
	for _, back := range []bool{false, true} {
		t.Run(fmt.Sprintf("back=%t", back), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t, hubtest.New(t))
				h.Register(t, tvilling.Device("d"))
				h.put(devices("fw", `{"properties.desired.fw":5}`, "tags.on = true"), "")
				for i := 0; ; i++ {
					h.tags("d", `{"on":true}`)
					h.expect(100*time.Millisecond, nil)
					h.tags("d", `{"on":false}`)
					h.expect(100*time.Millisecond, nil)
					if strings.Contains(h.show("d"), "Applied") {
						break // it is kept from leaving
					}
					if i > 20 {
						t.Fatal("it was never kept apart")
					}
				}
				if !back {
					h.expect(time.Minute, map[string]string{"d": `{}`})
					return
				}
				h.search.fails.Store(1)
				p, err := h.service.Rollback(t.Context(), "fw", "test")
				if err != nil || p.State != configuration.RollingBack {
					t.Fatalf("%+v, %v", p, err)
				}
				h.expect(3*time.Second, map[string]string{"d": `{}`})
				if p, err := h.service.Progress(t.Context(), "fw"); err != nil || p.State != configuration.RolledBack {
					t.Errorf("%+v, %v", p, err)
				}
			})
		})
	}
}

// TestAnotherDefinition: what one definition has suffered is not held against
// the next one, nor against another configuration of the same id.
func TestAnotherDefinition(t *testing.T) {
	for _, anew := range []bool{false, true} {
		t.Run(fmt.Sprintf("anew=%t", anew), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t, hubtest.New(t))
				h.Register(t, tvilling.Device("d"))
				h.put(devices("fw", `{"properties.desired.fw":5}`, "NOT IS_DEFINED(properties.desired.fw)"), "")
				h.expect(5*time.Minute, nil)
				if p, err := h.service.Progress(t.Context(), "fw"); err != nil || p.Damped != 1 {
					t.Fatalf("%+v, %v", p, err)
				}
				if !anew {
					h.put(update("fw", "*"), "*")
				} else {
					if err := h.service.Delete(t.Context(), "fw", tvilling.Match{}, "test"); err != nil {
						t.Fatal(err)
					}
					h.put(devices("fw", `{"properties.desired.fw":5}`, "*"), "")
				}
				h.expect(2*time.Second, map[string]string{"d": `{"fw":5}` + applied})
				if p, err := h.service.Progress(t.Context(), "fw"); err != nil || p.Damped != 0 {
					t.Errorf("%+v, %v", p, err)
				}
			})
		})
	}
}

// TestRetriesGrowRarer: a pass that fails again and again is tried ever more
// rarely, also if there is nothing else to do for its configuration.
func TestRetriesGrowRarer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, hubtest.New(t))
		h.Register(t, tvilling.Device("d"))
		h.search.fails.Store(1 << 30)
		h.put(devices("fw", `{"properties.desired.fw":5}`, "*"), "")
		h.expect(time.Hour, nil)
		if tries := 1<<30 - h.search.fails.Load(); tries > 100 {
			t.Errorf("%d tries in an hour", tries)
		}
		h.search.fails.Store(0)
		h.expect(2*time.Minute, map[string]string{"d": `{"fw":5}` + applied})
	})
}

// TestStepOfAnotherTarget: a step is of the twins that are targeted now, also
// if the target was another one when it began.
func TestStepOfAnotherTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, hubtest.New(t))
		have := func() (n int) {
			for i := range 60 {
				if strings.Contains(h.show(fmt.Sprintf("d%02d", i)), "Applied") {
					n++
				}
			}
			return n
		}
		for i := range 60 {
			id := fmt.Sprintf("d%02d", i)
			h.Register(t, tvilling.Device(tvilling.DeviceID(id)))
			if i < 5 {
				h.tags(id, `{"site":1}`)
			}
		}
		c := devices("fw", `{"properties.desired.fw":5}`, "tags.site = 1")
		c.Rollout = &configuration.Rollout{Steps: []configuration.Step{{Count: 5}}, Wait: configuration.Duration(time.Hour)}
		h.put(c, "")
		h.expect(time.Minute, nil)
		if n := have(); n != 5 {
			t.Fatalf("%d have it, want 5", n)
		}
		h.put(update("fw", "*"), "*")
		h.expect(time.Minute, nil)
		// What the others had they keep: a step takes nothing back.
		if n := have(); n > 10 {
			t.Errorf("a step of 5 has come to %d", n)
		}
		if p, err := h.service.Progress(t.Context(), "fw"); err != nil || p.State != configuration.Waiting || p.Reach != 5 {
			t.Errorf("%+v, %v", p, err)
		}
		h.expect(2*time.Hour, nil)
		if n := have(); n != 60 {
			t.Errorf("%d have it in the end, want 60", n)
		}
	})
}

// TestHealthLimitInPercent: a limit in percent is that part, and no whole twin
// more: in a small step the first unhealthy twin may be too many.
func TestHealthLimitInPercent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, hubtest.New(t))
		for i := range 10 {
			h.Register(t, tvilling.Device(tvilling.DeviceID(fmt.Sprintf("d%d", i))))
		}
		c := devices("fw", `{"properties.desired.fw":5}`, "*")
		c.Rollout = &configuration.Rollout{
			Steps: []configuration.Step{{Percent: 100}}, Wait: configuration.Duration(time.Hour),
			Unhealthy: "tags.bad = true", Limit: configuration.Share{Percent: 10},
		}
		h.put(c, "")
		h.tags("d1", `{"bad":true}`)
		h.expect(time.Minute, nil)
		if p, _ := h.service.Progress(t.Context(), "fw"); p.State != configuration.Waiting {
			t.Errorf("with 10 %%: %+v", p)
		}
		c.Rollout.Limit.Percent, c.Content = 9, nil
		h.put(c, "*")
		h.expect(time.Minute, nil)
		if p, _ := h.service.Progress(t.Context(), "fw"); p.State != configuration.Halted || p.Reason != "1 of 10 twins are unhealthy, and the limit is 9%" {
			t.Errorf("with 11 %%: %+v", p)
		}
	})
}

// TestLongConditions: a condition that is taken can be applied.
func TestLongConditions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, hubtest.New(t))
		h.Register(t, tvilling.Device("d"))
		long := func(n int) string {
			s := "tags.x = '" + strings.Repeat("x", n-len("tags.x = '")-1) + "'"
			return s
		}
		id := strings.Repeat("i", configuration.MaxID)
		taken := 0
		for n := query.MaxLength + 10; n > query.MaxLength-1000 && taken == 0; n-- {
			c := configuration.Configuration{ID: id, Content: json.RawMessage(`{"deviceContent":{"properties.desired.a":1}}`), Target: long(n)}
			_, err := h.service.Put(t.Context(), c, tvilling.Match{}, "test")
			switch tvilling.CodeOf(err) {
			case "":
				taken = n
			case tvilling.InvalidTargetCondition:
			default:
				t.Fatal(err)
			}
		}
		if taken == 0 {
			t.Fatal("none is taken")
		}
		h.expect(10*time.Second, nil)
		if p, err := h.service.Progress(t.Context(), id); err != nil || p.State != configuration.Applied || p.Reason != "" {
			t.Errorf("a condition of %d bytes: %+v, %v", taken, p, err)
		}
		c := devices("r", `{"properties.desired.r":1}`, "*")
		c.Rollout = &configuration.Rollout{Steps: []configuration.Step{{Count: 1}}, Unhealthy: long(query.MaxLength - 10)}
		if _, err := h.service.Put(t.Context(), c, tvilling.Match{}, "test"); tvilling.CodeOf(err) != tvilling.InvalidArgument {
			t.Errorf("a health condition that cannot be asked: %v", err)
		}
	})
}

// TestConnectionsAfterStart: who was connected when the hub was killed is not
// any more, and no change tells of it.
func TestConnectionsAfterStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core := hubtest.New(t)
		h := start(t, core)
		h.Register(t, tvilling.Device("d"))
		h.put(devices("fw", `{"properties.desired.fw":5}`, "connectionState = 'Connected'"), "")
		h.Connect(t, tvilling.Device("d"), true)
		h.expect(10*time.Second, map[string]string{"d": `{"fw":5}` + applied})
		h.stop()
		h = start(t, hubtest.Over(t, core.Store))
		h.expect(10*time.Second, map[string]string{"d": `{}`})
	})
}

// TestSlowFigures: who asks for figures waits no longer than it has time for,
// and finds them ready later; nothing is counted beyond the life of the service.
func TestSlowFigures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, hubtest.New(t))
		h.Register(t, tvilling.Device("d"))
		c := devices("fw", `{"properties.desired.fw":5}`, "*")
		c.Metrics = map[string]string{"some": "SELECT deviceId FROM devices WHERE tags.a = 1", "top": "SELECT TOP 1 deviceId FROM devices"}
		h.put(c, "")
		h.expect(time.Second, nil)
		h.search.takes.Store(int64(2 * time.Second))
		for range 3 {
			begin := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := h.service.Metrics(ctx, "fw")
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
				t.Errorf("%v after %v, want the asker's time to be over after 1s", err, time.Since(begin))
			}
		}
		h.expect(10*time.Second, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if m, err := h.service.Metrics(ctx, "fw"); err != nil || m.Targeted != 1 || m.Applied != 1 || m.Custom["some"] != 0 || m.Custom["top"] != 1 {
			t.Errorf("later: %+v, %v", m, err)
		}
		h.expect(2*time.Minute, nil)
		begin := time.Now()
		go func() { _, _ = h.service.Metrics(t.Context(), "fw") }()
		h.expect(time.Second, nil)
		h.stop()
		if time.Since(begin) > 2*time.Second {
			t.Errorf("the service took %v to end", time.Since(begin))
		}
	})
}

// TestOwnedInAnyCase: a condition finds the hub's own members however their
// names are written, and so does what is told of their changes.
func TestOwnedInAnyCase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, hubtest.New(t))
		h.Register(t, tvilling.Device("d"))
		h.put(devices("fw", `{"properties.desired.fw":5}`, "Security.state = 'bad'"), "")
		h.expect(time.Second, nil)
		done := make(chan error, 1)
		h.Twins.Own(tvilling.Device("d"), "security", []byte(`{"state":"bad"}`), "test", func(err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		h.expect(time.Second, map[string]string{"d": `{"fw":5} {"fw":{"status":"Applied"}} {"state":"bad"}`})
	})
}
