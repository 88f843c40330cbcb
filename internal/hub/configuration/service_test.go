package configuration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/configuration"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// scan runs queries by looking at every twin. It fails as often as it is told
// to, and takes as long to begin.
type scan struct {
	twins *twin.Service
	fails atomic.Int64
	takes atomic.Int64 // a [time.Duration]
}

func (s *scan) rows(ctx context.Context, q *query.Query, after tvilling.Identity) iter.Seq2[query.Row, error] {
	return func(yield func(query.Row, error) bool) {
		select {
		case <-time.After(time.Duration(s.takes.Load())):
		case <-ctx.Done():
			yield(nil, context.Cause(ctx))
			return
		}
		for v, err := range s.twins.All(ctx, q.Kind(), after) {
			if err == nil && s.fails.Load() > 0 && s.fails.Add(-1) >= 0 {
				err = tvilling.Errorf(tvilling.Unavailable, "The disk is slow.")
			}
			if err != nil {
				yield(nil, err)
				return
			}
			row := &row{query.Twin{Identity: v.Identity, Twin: v.Twin, Connected: v.Connected, LastActivity: v.LastActivity}}
			if q.Match(row) && !yield(row, nil) {
				return
			}
		}
	}
}

type row struct{ query.Twin }

func (r *row) AppendJSON(dst []byte) []byte { return append(dst, "{}"...) }

func (s *scan) Each(ctx context.Context, q *query.Query, after tvilling.Identity) iter.Seq2[tvilling.Identity, error] {
	return func(yield func(tvilling.Identity, error) bool) {
		for r, err := range s.rows(ctx, q, after) {
			var id tvilling.Identity
			if err == nil {
				id = r.ID()
			}
			if !yield(id, err) {
				return
			}
		}
	}
}

func (s *scan) Count(ctx context.Context, q *query.Query) (n int64, err error) {
	for _, err := range s.rows(ctx, q, tvilling.Identity{}) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

func (s *scan) Run(ctx context.Context, q *query.Query, o query.Options) (*query.Page, error) {
	return q.Run(ctx, func(after tvilling.Identity) iter.Seq2[query.Row, error] { return s.rows(ctx, q, after) }, o)
}

// hub is a core with the service, running.
type hub struct {
	*hubtest.Core

	t       *testing.T
	search  *scan
	service *configuration.Service
	stop    func()
}

// start runs the service over a core; stop ends it, and another may be started.
func start(t *testing.T, c *hubtest.Core) *hub {
	t.Helper()
	h := &hub{Core: c, t: t, search: &scan{twins: c.Twins}}
	var err error
	h.service, err = configuration.New(t.Context(), configuration.Options{
		Committer: c.Committer, Store: c.Store, Sessions: c.Sessions, Twins: c.Twins, Journal: c.Journal, Search: h.search,
		Whole: []string{"agent"}, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { h.service.Run(ctx) })
	h.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(h.stop)
	return h
}

func (h *hub) put(c configuration.Configuration, match string) configuration.Configuration {
	h.t.Helper()
	out, err := h.service.Put(h.t.Context(), c, tvilling.ParseMatch(match), "test")
	if err != nil {
		h.t.Fatalf("put %s: %v", c.ID, err)
	}
	return out
}

func devices(id, values, target string) configuration.Configuration {
	return configuration.Configuration{ID: id, Content: json.RawMessage(`{"deviceContent":` + values + `}`), Target: target}
}

func (h *hub) tags(id, text string) {
	h.t.Helper()
	if _, err := h.Twins.Patch(h.t.Context(), tvilling.Device(tvilling.DeviceID(id)), twin.Update{Tags: hubtest.Patch(h.t, doc.Tags, text)}, tvilling.Match{}, "test"); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hub) desired(id, text string) {
	h.t.Helper()
	if _, err := h.Twins.Patch(h.t.Context(), tvilling.Device(tvilling.DeviceID(id)), twin.Update{Desired: hubtest.Patch(h.t, doc.Desired, text)}, tvilling.Match{}, "test"); err != nil {
		h.t.Fatal(err)
	}
}

// show is the desired section of a twin and its marks.
func (h *hub) show(id string) string {
	h.t.Helper()
	device, module, _ := strings.Cut(id, "/")
	v, err := h.Twins.Get(h.t.Context(), tvilling.Identity{Device: tvilling.DeviceID(device), Module: tvilling.ModuleID(module)})
	if err != nil {
		h.t.Fatal(err)
	}
	b := v.Desired.AppendJSON(nil, doc.Form{})
	for _, m := range v.Owned {
		b = m.Value.AppendJSON(append(b, ' '), doc.Form{})
	}
	return string(b)
}

// expect demands what the twins of devices are after a while.
func (h *hub) expect(after time.Duration, want map[string]string) {
	h.t.Helper()
	time.Sleep(after) //nolint:forbidigo // in a bubble
	synctest.Wait()
	for id, text := range want {
		if got := h.show(id); got != text {
			h.t.Errorf("%s is %s, want %s", id, got, text)
		}
	}
}

const applied = ` {"fw":{"status":"Applied"}}`

func TestConfigurationLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, hubtest.New(t))
		for _, id := range []string{"a", "b"} {
			h.Register(t, tvilling.Device(tvilling.DeviceID(id)))
		}
		h.tags("a", `{"site":1}`)
		h.put(devices("fw", `{"properties.desired.fw":{"v":5}}`, "tags.site = 1"), "")
		h.expect(time.Second, map[string]string{"a": `{"fw":{"v":5}}` + applied, "b": `{}`})
		// A twin that comes to match has it within a second, one that no longer
		// does has not.
		h.tags("b", `{"site":1}`)
		h.tags("a", `{"site":2}`)
		h.expect(time.Second, map[string]string{"b": `{"fw":{"v":5}}` + applied, "a": `{}`})
		h.Register(t, tvilling.Device("c"))
		h.put(update("fw", "*"), "*")
		h.expect(time.Second, map[string]string{"a": `{"fw":{"v":5}}` + applied, "c": `{"fw":{"v":5}}` + applied})
		h.desired("a", `{"fw":null}`)
		h.expect(time.Second, map[string]string{"a": `{"fw":{"v":5}}` + applied})
		m, err := h.service.Metrics(t.Context(), "fw")
		if err != nil || m.Targeted != 3 || m.Applied != 3 {
			t.Errorf("metrics %+v, %v", m, err)
		}
		if err := h.service.Delete(t.Context(), "fw", tvilling.Match{}, "test"); err != nil {
			t.Fatal(err)
		}
		h.expect(5*time.Second, map[string]string{"a": `{}`, "b": `{}`, "c": `{}`})
		for _, name := range []string{"configuration/fw", "configuration-progress/fw"} {
			if v, err := h.Store.Setting(t.Context(), name); v != nil || err != nil {
				t.Errorf("%s is left: %s, %v", name, v, err)
			}
		}
	})
}

func TestModuleConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, hubtest.New(t))
		id := tvilling.Device("d")
		h.Register(t, id)
		module := tvilling.Identity{Device: "d", Module: tvilling.SecurityModule}
		s, client, _ := h.Connect(t, module, true)
		if err := s.Subscribe(t.Context(), state.TwinDesired, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Twins.Patch(t.Context(), module, twin.Update{Desired: hubtest.Patch(t, doc.Desired, `{"agent":{"x":{"value":1},"y":{"value":2}}}`)}, tvilling.Match{}, "test"); err != nil {
			t.Fatal(err)
		}
		h.put(configuration.Configuration{
			ID: "fw", Content: json.RawMessage(`{"deviceContent":null,"moduleContent":{"properties.desired.agent.x.value":7,"properties.desired.agent.z.value":"PT1M"}}`),
			Target: "FROM devices.modules WHERE moduleId = 'azureiotsecurity'",
		}, "")
		h.expect(time.Second, map[string]string{"d/azureiotsecurity": `{"agent":{"x":{"value":7},"y":{"value":2},"z":{"value":"PT1M"}}}` + applied, "d": `{}`})
		if err := h.service.Delete(t.Context(), "fw", tvilling.Match{}, "test"); err != nil {
			t.Fatal(err)
		}
		h.expect(time.Second, map[string]string{"d/azureiotsecurity": `{"agent":{"y":{"value":2}}}`})
		// The agent is told the whole object each time.
		want := []string{
			`{"agent":{"x":{"value":1},"y":{"value":2}},"$version":2}`,
			`{"agent":{"x":{"value":7},"y":{"value":2},"z":{"value":"PT1M"}},"$version":3}`,
			`{"agent":{"y":{"value":2},"x":null,"z":null},"$version":4}`,
		}
		if got := strings.Join(client.Patches(), "\n"); got != strings.Join(want, "\n") {
			t.Errorf("the agent got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
	})
}

func TestRollout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, hubtest.New(t))
		const n = 40
		for i := range n {
			h.Register(t, tvilling.Device(tvilling.DeviceID(fmt.Sprintf("d%02d", i))))
		}
		have := func(status string) (count int) {
			for i := range n {
				if strings.HasSuffix(h.show(fmt.Sprintf("d%02d", i)), `{"fw":{"status":"`+status+`"}}`) {
					count++
				}
			}
			return count
		}
		is := func(after time.Duration, count int, state configuration.State, step int) {
			t.Helper()
			h.expect(after, nil)
			p, err := h.service.Progress(t.Context(), "fw")
			if err != nil || have("Applied") != count || have("Targeted") != n-count || p.State != state || p.Step != step {
				t.Errorf("%d applied, %d targeted, %+v, %v; want %d in %s %d", have("Applied"), have("Targeted"), p, err, count, state, step)
			}
		}
		c := devices("fw", `{"properties.desired.fw":5}`, "*")
		c.Rollout = &configuration.Rollout{
			Steps: []configuration.Step{{Count: 3}, {Percent: 50}}, Wait: configuration.Duration(10 * time.Minute),
			Unhealthy: "properties.reported.bad = true", Limit: configuration.Share{Count: 1}, OnUnhealthy: configuration.RollBack,
		}
		h.put(c, "")
		is(3*time.Second, 3, configuration.Waiting, 1)
		is(9*time.Minute, 3, configuration.Waiting, 1)
		is(2*time.Minute, 20, configuration.Waiting, 2)
		if _, err := h.service.Pause(t.Context(), "fw", "test"); err != nil {
			t.Fatal(err)
		}
		is(time.Hour, 20, configuration.Paused, 2)
		if _, err := h.service.Advance(t.Context(), "fw", "test"); tvilling.CodeOf(err) != tvilling.InvalidArgument {
			t.Errorf("advance while paused: %v", err)
		}
		if _, err := h.service.Resume(t.Context(), "fw", "test"); err != nil {
			t.Fatal(err)
		}
		is(time.Minute, 20, configuration.Waiting, 2)
		h.stop()
		h = start(t, h.Core)
		if _, err := h.service.Advance(t.Context(), "fw", "test"); err != nil {
			t.Fatal(err)
		}
		is(time.Minute, n, configuration.Waiting, 3)
		is(10*time.Minute, n, configuration.Applied, 3)
		// From the start once more, and this time two are unhealthy.
		if _, err := h.service.Rollback(t.Context(), "fw", "test"); err != nil {
			t.Fatal(err)
		}
		is(time.Minute, 0, configuration.RolledBack, 3)
		if _, err := h.service.Resume(t.Context(), "fw", "test"); err != nil {
			t.Fatal(err)
		}
		is(time.Minute, 3, configuration.Waiting, 1)
		for i := range n {
			if id := tvilling.Device(tvilling.DeviceID(fmt.Sprintf("d%02d", i))); strings.Contains(h.show(string(id.Device)), "Applied") {
				done := make(chan error, 1)
				h.Twins.Report(id, "device:"+string(id.Device), []byte(`{"bad":true}`), -1, func(_ int64, err error) { done <- err })
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
		}
		is(time.Minute, 0, configuration.RolledBack, 1)
		if p, _ := h.service.Progress(t.Context(), "fw"); p.Reason != "3 of 3 twins are unhealthy, and the limit is 1" {
			t.Errorf("reason: %q", p.Reason)
		}
		if got := h.show("d00"); !strings.HasPrefix(got, `{} `) {
			t.Errorf("after the roll-back: %s", got)
		}
	})
}

// TestLoop: a configuration that makes its own condition false, and a service
// that sets the same value, cost some writes and then few.
func TestLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, hubtest.New(t))
		id := tvilling.Device("d")
		h.Register(t, id)
		h.put(devices("fw", `{"properties.desired.fw":5}`, "NOT IS_DEFINED(properties.desired.fw)"), "")
		h.expect(10*time.Minute, nil)
		v, err := h.Twins.Get(t.Context(), id)
		if err != nil || v.Desired.Version() > 60 {
			t.Errorf("%d versions in ten minutes, %v", v.Desired.Version(), err)
		}
		p, err := h.service.Progress(t.Context(), "fw")
		if err != nil || p.Damped != 1 {
			t.Errorf("progress %+v, %v", p, err)
		}
		why, err := h.service.Why(t.Context(), id)
		if err != nil || len(why.Configurations) != 1 || !strings.Contains(why.Configurations[0].Reason, "undone again and again") {
			t.Errorf("why: %+v, %v", why, err)
		}
		h.put(update("fw", "*"), "*")
		h.expect(30*time.Minute, map[string]string{"d": `{"fw":5}` + applied})
	})
}

// TestLoopEverywhere: a configuration that does so on many twins is halted as a
// whole, for good.
func TestLoopEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, hubtest.New(t))
		for i := range 1100 {
			h.Register(t, tvilling.Device(tvilling.DeviceID(fmt.Sprintf("d%04d", i))))
		}
		h.put(devices("fw", `{"properties.desired.fw":5}`, "NOT IS_DEFINED(properties.desired.fw)"), "")
		h.expect(time.Minute, nil)
		h.stop()
		h = start(t, h.Core)
		p, err := h.service.Progress(t.Context(), "fw")
		if err != nil || p.State != configuration.Halted || !strings.Contains(p.Reason, "undone again and again on more than 1000 twins") {
			t.Errorf("progress %+v, %v", p, err)
		}
		head, _ := h.Store.Head()
		h.expect(time.Hour, nil)
		if now, _ := h.Store.Head(); now > head+1100 {
			t.Errorf("%d changes in an hour of halt", now-head)
		}
	})
}

// TestFailingScan: a pass that fails half-way is gone on with.
func TestFailingScan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, hubtest.New(t))
		for i := range 10 {
			h.Register(t, tvilling.Device(tvilling.DeviceID(fmt.Sprintf("d%d", i))))
		}
		h.search.fails.Store(3)
		h.put(devices("fw", `{"properties.desired.fw":5}`, "*"), "")
		h.expect(500*time.Millisecond, nil)
		if p, err := h.service.Progress(t.Context(), "fw"); err != nil || p.State != configuration.Applying || p.Reason != "The disk is slow." {
			t.Errorf("progress %+v, %v", p, err)
		}
		h.expect(time.Minute, map[string]string{"d0": `{"fw":5}` + applied, "d9": `{"fw":5}` + applied})
		if p, err := h.service.Progress(t.Context(), "fw"); err != nil || p.State != configuration.Applied || p.Reason != "" {
			t.Errorf("progress %+v, %v", p, err)
		}
	})
}

// update is a new definition that leaves the content as it is.
func update(id, target string) configuration.Configuration {
	return configuration.Configuration{ID: id, Target: target}
}
