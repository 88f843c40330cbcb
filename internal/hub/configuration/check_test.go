package configuration_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/configuration"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
)

// TestRefusals: what breaks a rule is refused with its code and place, and
// changes nothing.
func TestRefusals(t *testing.T) {
	h := start(t, hubtest.New(t))
	with := func(f func(*configuration.Configuration)) configuration.Configuration {
		c := devices("new", `{"properties.desired.a":1}`, "*")
		f(&c)
		return c
	}
	content := func(text string) configuration.Configuration {
		return with(func(c *configuration.Configuration) { c.Content = json.RawMessage(text) })
	}
	rollout := func(r configuration.Rollout) configuration.Configuration {
		return with(func(c *configuration.Configuration) { c.Rollout = &r })
	}
	step := []configuration.Step{{Count: 1}}
	for _, tt := range []struct {
		name string
		c    configuration.Configuration
		want tvilling.Code
		path string
	}{
		{"no id", with(func(c *configuration.Configuration) { c.ID = "" }), tvilling.InvalidArgument, "id"},
		{"upper case", with(func(c *configuration.Configuration) { c.ID = "New" }), tvilling.InvalidArgument, "id"},
		{"long id", with(func(c *configuration.Configuration) { c.ID = strings.Repeat("a", 129) }), tvilling.InvalidArgument, "id"},
		{"brackets", with(func(c *configuration.Configuration) { c.ID = "a]]b" }), tvilling.InvalidArgument, "id"},
		{"dollar", with(func(c *configuration.Configuration) { c.ID = "$a" }), tvilling.InvalidArgument, "id"},
		{"priority", with(func(c *configuration.Configuration) { c.Priority = -1 }), tvilling.InvalidArgument, "priority"},
		{"no content", content(``), tvilling.InvalidConfigurationContent, "content"},
		{"no object", content(`[]`), tvilling.InvalidConfigurationContent, "content"},
		{"no kind", content(`{}`), tvilling.InvalidConfigurationContent, "content"},
		{"another kind", content(`{"edgeContent":{}}`), tvilling.InvalidConfigurationContent, "content.edgeContent"},
		{"both kinds", content(`{"deviceContent":{},"moduleContent":{}}`), tvilling.InvalidConfigurationContent, "content"},
		{"deployment", content(`{"modulesContent":{"$edgeAgent":{}}}`), tvilling.Unsupported, "content.modulesContent"},
		{"reported", content(`{"deviceContent":{"properties.reported.a":1}}`), tvilling.InvalidConfigurationContent, "content.properties.reported.a"},
		{"cut path", content(`{"deviceContent":{"properties.desired.":1}}`), tvilling.InvalidConfigurationContent, "content.properties.desired."},
		{"section of null", content(`{"deviceContent":{"properties.desired":null}}`), tvilling.InvalidConfigurationContent, "content.properties.desired"},
		{"twice", content(`{"deviceContent":{"properties.desired.a":1,"properties.desired":{"a":2}}}`), tvilling.InvalidConfigurationContent, "content.properties.desired"},
		{"inside", content(`{"deviceContent":{"properties.desired.a.b":1,"properties.desired.a":2}}`), tvilling.InvalidConfigurationContent, "content.properties.desired.a"},
		{"same member", content(`{"deviceContent":{"properties.desired.a":1,"properties.desired.a":1}}`), tvilling.InvalidConfigurationContent, "content"},
		{"number", content(`{"deviceContent":{"properties.desired.a":1e400}}`), tvilling.InvalidConfigurationContent, "properties.desired.a"},
		{"depth", content(`{"deviceContent":{"properties.desired.a.b.c.d.e.f.g.h.i.j.k.l":1}}`), tvilling.InvalidConfigurationContent, "content.properties.desired.a.b.c.d.e.f.g.h.i.j.k.l"},
		{"bomb", content(`{"deviceContent":{"properties.desired":` + strings.Repeat(`{"a":`, 9000) + `1` + strings.Repeat(`}`, 9000) + `}}`), tvilling.InvalidConfigurationContent, "content.properties.desired"},
		{"long content", content(`{"deviceContent":{"properties.desired.a":"` + strings.Repeat("x", 256<<10) + `"}}`), tvilling.InvalidConfigurationContent, "content"},
		{"long string", content(`{"deviceContent":{"properties.desired.a":"` + strings.Repeat("x", 4097) + `"}}`), tvilling.InvalidConfigurationContent, "properties.desired.a"},
		{"target", with(func(c *configuration.Configuration) { c.Target = "tags.a =" }), tvilling.InvalidTargetCondition, "targetCondition"},
		{"more than a target", with(func(c *configuration.Configuration) { c.Target = "tags.a = 1 GROUP BY tags.a" }), tvilling.InvalidTargetCondition, "targetCondition"},
		{"out of the brackets", with(func(c *configuration.Configuration) { c.Target = "tags.a = 1) OR (tags.b = 2" }), tvilling.InvalidTargetCondition, "targetCondition"},
		{"collection", with(func(c *configuration.Configuration) { c.Target = "from devices where tags.a = 1" }), tvilling.InvalidTargetCondition, "targetCondition"},
		{"modules without", configuration.Configuration{ID: "new", Content: json.RawMessage(`{"moduleContent":{}}`), Target: "*"}, tvilling.InvalidTargetCondition, "targetCondition"},
		{"metric", with(func(c *configuration.Configuration) { c.Metrics = map[string]string{"m": "SELECT"} }), tvilling.InvalidMetricsQuery, "metrics.queries.m"},
		{"steps", rollout(configuration.Rollout{Steps: make([]configuration.Step, 21)}), tvilling.InvalidArgument, "rollout.steps"},
		{"empty step", rollout(configuration.Rollout{Steps: []configuration.Step{{}}}), tvilling.InvalidArgument, "rollout.steps[0]"},
		{"step back", rollout(configuration.Rollout{Steps: []configuration.Step{{Percent: 20}, {Percent: 10}}}), tvilling.InvalidArgument, "rollout.steps[1]"},
		{"percentage", rollout(configuration.Rollout{Steps: []configuration.Step{{Percent: 101}}}), tvilling.InvalidArgument, "rollout.steps[0]"},
		{"health", rollout(configuration.Rollout{Steps: step, Unhealthy: "x ="}), tvilling.InvalidArgument, "rollout.unhealthy"},
		{"reaction", rollout(configuration.Rollout{Steps: step, OnUnhealthy: "panic"}), tvilling.InvalidArgument, "rollout.onUnhealthy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, _ := h.Store.Head()
			_, err := h.service.Put(t.Context(), tt.c, tvilling.Match{}, "test")
			e, ok := err.(*tvilling.Error) //nolint:errorlint // the error itself is what is looked at
			if !ok || e.Code != tt.want || e.Path != tt.path || e.Op == "" || e.Message == "" {
				t.Errorf("got %v, want %s at %q", err, tt.want, tt.path)
			}
			if after, _ := h.Store.Head(); after != before {
				t.Error("a refusal changed something")
			}
		})
	}
}

// TestPutRules: creates and updates, each only where it fits (wire §4.5).
func TestPutRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, hubtest.New(t))
		c := devices("fw", `{"properties.desired": {"a":{"b":1,"c":"<&>"}}}`, "*")
		c.Labels, c.SchemaVersion, c.Paused = map[string]string{"k": "v"}, "1.0", true
		code := func(c configuration.Configuration, match string) tvilling.Code {
			_, err := h.service.Put(t.Context(), c, tvilling.ParseMatch(match), "test")
			return tvilling.CodeOf(err)
		}
		if got := code(c, "*"); got != tvilling.ConfigurationNotFound {
			t.Errorf("an update of nothing: %s", got)
		}
		first := h.put(c, "")
		if first.ETag() != "MQ==" || string(first.Content) != `{"deviceContent":{"properties.desired":{"a":{"b":1,"c":"<&>"}}}}` || !first.Paused {
			t.Errorf("created: %+v", first)
		}
		if got := code(c, ""); got != tvilling.ConfigurationAlreadyExists {
			t.Errorf("a second create: %s", got)
		}
		if got := code(c, `"Mg=="`); got != tvilling.PreconditionFailed {
			t.Errorf("an update with another etag: %s", got)
		}
		other := c
		other.Content = json.RawMessage(`{"deviceContent":{"properties.desired":{"a":{"b":2}}}}`)
		if got := code(other, "*"); got != tvilling.ImmutableConfigurationContent {
			t.Errorf("another content: %s", got)
		}
		time.Sleep(time.Hour) //nolint:forbidigo // in a bubble
		same := c
		same.Content, same.Priority, same.Paused = json.RawMessage(`{ "deviceContent": {"properties.desired":{"a":{"c":"<&>","b":1}}}}`), 5, false
		same.Rollout = &configuration.Rollout{Steps: []configuration.Step{{Count: 1}}}
		second := h.put(same, `"MQ=="`)
		if second.ETag() != "Mg==" || second.Priority != 5 || !second.Paused || !second.Created.Equal(first.Created) || !second.Updated.After(first.Updated) {
			t.Errorf("updated: %+v", second)
		}
		if third := h.put(update("fw", "*"), "*"); third.Rollout == nil || string(third.Content) != string(first.Content) {
			t.Errorf("an update without rollout and content: %+v", third)
		}
		end := update("fw", "*")
		end.Content = json.RawMessage(`{"deviceContent":{"properties.desired":{"a":{"b":1,"c":"<&>"}}},"moduleContent":null,"modulesContent":null}`)
		end.Rollout = new(configuration.Rollout)
		if fourth := h.put(end, "*"); fourth.Rollout != nil {
			t.Errorf("a rollout without steps: %+v", fourth)
		}
		h.stop()
		again := start(t, h.Core)
		if got, err := again.service.Get(t.Context(), "fw"); err != nil || got.Revision != 4 || !got.Paused || string(got.Content) != string(first.Content) {
			t.Errorf("after a restart: %+v, %v", got, err)
		}
		if err := again.service.Delete(t.Context(), "fw", tvilling.ParseMatch("MQ=="), "test"); tvilling.CodeOf(err) != tvilling.PreconditionFailed {
			t.Errorf("a deletion with another etag: %v", err)
		}
		if err := again.service.Delete(t.Context(), "none", tvilling.Match{}, "test"); tvilling.CodeOf(err) != tvilling.ConfigurationNotFound {
			t.Errorf("a deletion of nothing: %v", err)
		}
		for i := range 99 {
			h.put(devices(fmt.Sprintf("c%d", i), `{}`, ""), "")
		}
		if got := code(devices("one-more", `{}`, ""), ""); got != tvilling.TooManyConfigurations {
			t.Errorf("the 101st configuration: %s", got)
		}
	})
}

func TestPlanAndWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, hubtest.New(t))
		for _, id := range []string{"a", "b", "c"} {
			h.Register(t, tvilling.Device(tvilling.DeviceID(id)))
		}
		h.tags("a", `{"site":1}`)
		h.tags("b", `{"site":1}`)
		h.put(devices("low", `{"properties.desired.fw":{"v":4,"w":1}}`, "tags.site = 1"), "")
		h.expect(time.Second, nil)
		next := devices("high", `{"properties.desired.fw.v":5}`, "*")
		next.Priority = 1
		head, _ := h.Store.Head()
		var got []string
		after := tvilling.Identity{}
		for {
			run, err := h.service.Plan(t.Context(), next, after, 2)
			if err != nil || run.Targeted != 3 || run.Leaving != 0 {
				t.Fatalf("plan: %+v, %v", run, err)
			}
			for _, p := range run.Twins {
				for _, e := range p.Edits {
					got = append(got, fmt.Sprintf("%s %s: %s -> %s by %s", p.ID, e.Path, e.Old, e.New, e.By))
				}
			}
			if after = run.Next; after.Device == "" {
				break
			}
		}
		if want := "a fw.v: 4 -> 5 by high\nb fw.v: 4 -> 5 by high\nc fw.v:  -> 5 by high"; strings.Join(got, "\n") != want {
			t.Errorf("plan:\n%s\nwant\n%s", strings.Join(got, "\n"), want)
		}
		if now, _ := h.Store.Head(); now != head {
			t.Error("a dry run has changed something")
		}
		change := update("low", "tags.site = 2")
		run, err := h.service.Plan(t.Context(), change, tvilling.Identity{}, 10)
		if err != nil || run.Leaving != 2 || len(run.Twins) != 2 || run.Twins[0].Targeted || len(run.Twins[0].Edits) != 1 || run.Twins[0].Edits[0].New != nil {
			t.Errorf("plan of a change: %+v, %v", run, err)
		}

		h.put(next, "")
		h.desired("a", `{"hand":true}`)
		h.expect(time.Second, nil)
		why, err := h.service.Why(t.Context(), tvilling.Device("a"))
		if err != nil {
			t.Fatal(err)
		}
		got = nil
		for _, l := range why.Leaves {
			var line strings.Builder
			fmt.Fprintf(&line, "%s=%s %.18s", l.Path, l.Value, l.Actor)
			for _, w := range l.Wishes {
				fmt.Fprintf(&line, " %s:%s", w.Configuration, w.Value)
			}
			got = append(got, line.String())
		}
		for _, p := range why.Configurations {
			got = append(got, fmt.Sprintf("%s %t %s %s", p.Configuration, p.Targeted, p.Status, p.Reason))
		}
		want := "fw.v=5 configuration:high high:5 low:4\nfw.w=1 configuration:low@ low:1\nhand=true test\nhigh true Applied \nlow true Applied "
		if strings.Join(got, "\n") != want {
			t.Errorf("why:\n%s\nwant\n%s", strings.Join(got, "\n"), want)
		}
		if _, err := h.service.Why(t.Context(), tvilling.Device("none")); tvilling.CodeOf(err) != tvilling.DeviceNotFound {
			t.Errorf("why of nothing: %v", err)
		}
	})
}

// TestPlanRemovesOnce: what one configuration leaves while another one writes
// is one edit, of the one that leaves.
func TestPlanRemovesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, hubtest.New(t))
		h.Register(t, tvilling.Device("d"))
		high := devices("high", `{"properties.desired":{"fps":30,"net":{"mtu":1500}}}`, "*")
		high.Priority = 1
		h.put(high, "")
		h.put(devices("low", `{"properties.desired.fps":10}`, "*"), "")
		h.expect(time.Second, nil)
		run, err := h.service.Plan(t.Context(), update("high", ""), tvilling.Identity{}, 10)
		if err != nil || len(run.Twins) != 1 {
			t.Fatalf("plan: %+v, %v", run, err)
		}
		var got []string
		for _, e := range run.Twins[0].Edits {
			got = append(got, fmt.Sprintf("%s: %s -> %s by %s", e.Path, e.Old, e.New, e.By))
		}
		if want := "fps: 30 -> 10 by low\nnet: {\"mtu\":1500} ->  by high"; strings.Join(got, "\n") != want {
			t.Errorf("plan:\n%s\nwant\n%s", strings.Join(got, "\n"), want)
		}
	})
}

// TestWhyBeforeItIsWritten: the status is what the twin shows.
func TestWhyBeforeItIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, hubtest.New(t))
		h.Register(t, tvilling.Device("d"))
		h.stop()
		h.put(devices("fw", `{"properties.desired.fw":5}`, "*"), "")
		why, err := h.service.Why(t.Context(), tvilling.Device("d"))
		if err != nil || len(why.Configurations) != 1 {
			t.Fatalf("why: %+v, %v", why, err)
		}
		if p := why.Configurations[0]; !p.Targeted || p.Status != "" || p.Reason == "" {
			t.Errorf("before the hub came to the twin: %+v", p)
		}
		h = start(t, h.Core)
		h.expect(time.Second, map[string]string{"d": `{"fw":5}` + applied})
		if why, err = h.service.Why(t.Context(), tvilling.Device("d")); err != nil || why.Configurations[0].Status != "Applied" || why.Configurations[0].Reason != "" {
			t.Errorf("afterwards: %+v, %v", why, err)
		}
	})
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"PT30M": 30 * time.Minute, "P1DT12H": 36 * time.Hour, "PT0.5S": time.Second / 2, "P2W": 14 * 24 * time.Hour, "PT1H1M1S": time.Hour + time.Minute + time.Second,
	} {
		var d configuration.Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%s is %v, %v", text, time.Duration(d), err)
		}
		var again configuration.Duration
		if err := again.UnmarshalText([]byte(d.String())); err != nil || again != d {
			t.Errorf("%s becomes %s", text, d)
		}
	}
	for _, text := range []string{"", "P", "PT", "30M", "PT30", "P1Y", "P1M", "PT1M1H", "P1H", "PT-1M", "P400D", "PT1MT1S"} {
		var d configuration.Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %s", text, d)
		}
	}
}
