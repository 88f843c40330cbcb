package hub_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

// eventually waits until a condition holds; state says how it is meanwhile.
func eventually(t testing.TB, what string, holds func() (ok bool, state any)) {
	t.Helper()
	var state any
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) { //nolint:forbidigo // a condition with a deadline
		var ok bool
		if ok, state = holds(); ok {
			return
		}
	}
	t.Fatalf("%s: it stays at %v", what, state)
}

// configuration creates one for devices.
func configuration(t testing.TB, c *client.Client, id, target string, priority int, content string) {
	t.Helper()
	_, err := c.PutConfiguration(t.Context(), client.ConfigurationSpec{
		ID: id, TargetCondition: target, Priority: priority, Content: json.RawMessage(`{"deviceContent":` + content + `}`),
	}, tvilling.Match{})
	if err != nil {
		t.Fatal(err)
	}
}

// applied waits until everything a configuration targets was looked at.
func applied(t testing.TB, c *client.Client, id string) *client.ConfigurationProgress {
	t.Helper()
	var p *client.ConfigurationProgress
	eventually(t, "progress of "+id, func() (bool, any) {
		var err error
		if p, err = c.ConfigurationProgress(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		return p.State == "applied", string(p.Raw)
	})
	return p
}

// effective is what a twin has by configurations: its desired properties
// without what the hub adds, and its marks.
type effective struct {
	desired map[string]any
	marks   map[string]string
	version int64
}

func effectiveOf(t testing.TB, c *client.Client, id tvilling.Identity) effective {
	t.Helper()
	twin, err := c.Twin(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Configurations map[string]struct{ Status string }
		Properties     struct{ Desired map[string]any }
	}
	if err := json.Unmarshal(twin.Raw, &document); err != nil {
		t.Fatal(err)
	}
	e := effective{desired: document.Properties.Desired, marks: map[string]string{}}
	e.version = version(e.desired)
	delete(e.desired, "$version")
	delete(e.desired, "$metadata")
	for name, mark := range document.Configurations {
		e.marks[name] = mark.Status
	}
	return e
}

// reason is what is said of why a twin does not have a configuration.
func reason(t testing.TB, c *client.Client, id tvilling.Identity, configuration string) (status, reason string) {
	t.Helper()
	why, err := c.Why(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range why.Configurations {
		if part.ID == configuration {
			return part.Status, part.Reason
		}
	}
	return "", ""
}

// Of two configurations that want the same place and are of equal priority the
// one made last has its way, however often either is updated; after it is gone
// the other one's value is back.
func TestConfigurationsOfEqualPriority(t *testing.T) {
	t.Parallel()
	h, c, _ := start(t)
	configuration(t, c, "first", "*", 3, `{"properties.desired.x":"first"}`)
	configuration(t, c, "second", "*", 3, `{"properties.desired.x":"second"}`)
	wins := func(what, value string, versions int64, marks map[string]string) {
		t.Helper()
		var e effective
		eventually(t, what, func() (bool, any) {
			e = effectiveOf(t, c, device("d"))
			return e.desired["x"] == value && fmt.Sprint(e.marks) == fmt.Sprint(marks), e
		})
		if e.version > versions {
			t.Errorf("%s: the twin took %d versions, want at most %d", what, e.version, versions)
		}
	}
	both := map[string]string{"first": "Targeted", "second": "Applied"}
	wins("after both", "second", 3, both)
	for i := range 3 {
		for _, id := range []string{"first", "second"} {
			spec := client.ConfigurationSpec{ID: id, TargetCondition: "*", Priority: 3, Labels: map[string]string{"n": itoa(i)}}
			if _, err := c.PutConfiguration(t.Context(), spec, client.Any()); err != nil {
				t.Fatal(err)
			}
			applied(t, c, id)
		}
	}
	wins("after updates", "second", 3, both)
	h.Restart()
	c = h.Client()
	h.Register(c, "later")
	wins("after a restart", "second", 3, both)
	eventually(t, "a twin that comes later", func() (bool, any) {
		e := effectiveOf(t, c, device("later"))
		return e.desired["x"] == "second" && fmt.Sprint(e.marks) == fmt.Sprint(both), e
	})
	if e := effectiveOf(t, c, device("later")); e.version != 2 {
		t.Errorf("the twin that came later took %d versions, want 2", e.version)
	}
	if err := c.DeleteConfiguration(t.Context(), "second", client.Any()); err != nil {
		t.Fatal(err)
	}
	wins("after the removal", "first", 4, map[string]string{"first": "Applied"})
}

// A configuration whose own work ends its condition does not go round and round.
func TestConfigurationThatChangesItsOwnTarget(t *testing.T) {
	t.Parallel()
	_, c, _ := start(t)
	configuration(t, c, "loop", "NOT IS_DEFINED(properties.desired.x)", 1, `{"properties.desired.x":1}`)
	var p *client.ConfigurationProgress
	eventually(t, "it is damped", func() (bool, any) {
		var err error
		if p, err = c.ConfigurationProgress(t.Context(), "loop"); err != nil {
			t.Fatal(err)
		}
		return p.Damped == 1, string(p.Raw)
	})
	if _, why := reason(t, c, device("d"), "loop"); !strings.Contains(why, "undone again and again") {
		t.Errorf("the reason is %q", why)
	}
	if e := effectiveOf(t, c, device("d")); e.version > 20 {
		t.Errorf("the twin took %d versions until that", e.version)
	}
	// The twin is let go when the configuration is, and nothing of it is left.
	if err := c.DeleteConfiguration(t.Context(), "loop", client.Any()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "removed", func() (bool, any) {
		e := effectiveOf(t, c, device("d"))
		return len(e.desired) == 0 && len(e.marks) == 0, e
	})
}

// A service that sets its own value again and again is not fought with.
func TestServiceAgainstConfiguration(t *testing.T) {
	t.Parallel()
	_, c, _ := start(t)
	h := device("d")
	configuration(t, c, "mine", "*", 1, `{"properties.desired.x":"mine"}`)
	applied(t, c, "mine")
	rounds := 0
	eventually(t, "it is damped", func() (bool, any) {
		if e := effectiveOf(t, c, h); e.desired["x"] == "mine" {
			patchDesired(t, c, h, `{"x":"service"}`)
			rounds++
		}
		p, err := c.ConfigurationProgress(t.Context(), "mine")
		if err != nil {
			t.Fatal(err)
		}
		return p.Damped == 1, rounds
	})
	if rounds > 10 {
		t.Errorf("%d rounds until it was damped", rounds)
	}
	status, why := reason(t, c, h, "mine")
	if status != "Targeted" && status != "Applied" || !strings.Contains(why, "undone again and again") {
		t.Errorf("it is %q: %q", status, why)
	}
	// Another twin is not concerned, and this one gets its value in the end.
	if _, err := c.CreateDevice(t.Context(), client.Device{DeviceID: "other"}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []tvilling.Identity{device("other"), h} {
		eventually(t, "the value of "+id.String(), func() (bool, any) {
			e := effectiveOf(t, c, id)
			return e.desired["x"] == "mine" && e.marks["mine"] == "Applied", e
		})
	}
}

// A hub has 100 configurations and no more; all of them may be for one twin.
func TestHundredConfigurations(t *testing.T) {
	t.Parallel()
	_, c, _ := start(t)
	for i := range 100 {
		configuration(t, c, fmt.Sprintf("c%02d", i), "*", i%7, fmt.Sprintf(`{"properties.desired.own%d":%d,"properties.desired.shared":%d}`, i, i, i))
	}
	_, err := c.PutConfiguration(t.Context(), client.ConfigurationSpec{ID: "c100", Content: json.RawMessage(`{"deviceContent":{"properties.desired.y":1}}`)}, tvilling.Match{})
	wantCode(t, "the 101st", err, tvilling.TooManyConfigurations)
	var e effective
	eventually(t, "all applied", func() (bool, any) {
		e = effectiveOf(t, c, device("d"))
		return len(e.marks) == 100 && len(e.desired) == 101, len(e.marks)
	})
	for i := range 100 {
		if e.desired[fmt.Sprint("own", i)] != float64(i) || e.marks[fmt.Sprintf("c%02d", i)] != "Applied" {
			t.Errorf("c%02d: value %v, mark %q", i, e.desired[fmt.Sprint("own", i)], e.marks[fmt.Sprintf("c%02d", i)])
		}
	}
	const last = 97 // the last one made of priority 6
	if e.desired["shared"] != float64(last) {
		t.Errorf("of priority 6 the last one is %d, and in force is %v", last, e.desired["shared"])
	}
	if err := c.DeleteConfiguration(t.Context(), "c97", client.Any()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the next one's value", func() (bool, any) {
		e = effectiveOf(t, c, device("d"))
		return e.desired["shared"] == float64(90) && len(e.marks) == 99 && e.desired["own97"] == nil, e.desired["shared"]
	})
	configuration(t, c, "c100", "*", 0, `{"properties.desired.y":1}`)
	applied(t, c, "c100")
}

// A twin that has no room for a configuration stays as it is; it is said of it,
// and others get it, as does this one when there is room.
func TestConfigurationWithoutRoom(t *testing.T) {
	t.Parallel()
	h, c, _ := start(t)
	h.Register(c, "empty")
	patchDesired(t, c, device("d"), filled(31_000))
	before := effectiveOf(t, c, device("d"))
	configuration(t, c, "large", "*", 5, `{"properties.desired.large":"`+strings.Repeat("x", 3000)+`"}`)
	configuration(t, c, "tiny", "*", 1, `{"properties.desired.tiny":1}`)
	applied(t, c, "tiny")
	eventually(t, "the twin with room", func() (bool, any) {
		e := effectiveOf(t, c, device("empty"))
		return e.marks["large"] == "Applied" && e.marks["tiny"] == "Applied", e.marks
	})
	var e effective
	eventually(t, "the twin without", func() (bool, any) {
		e = effectiveOf(t, c, device("d"))
		return e.marks["large"] == "Targeted" && e.marks["tiny"] == "Applied", e.marks
	})
	if e.desired["large"] != nil || e.desired["tiny"] != float64(1) || e.version != before.version+1 {
		t.Errorf("large is %v, tiny %v; version %d, was %d", e.desired["large"], e.desired["tiny"], e.version, before.version)
	}
	if status, why := reason(t, c, device("d"), "large"); status != "Targeted" || !strings.Contains(why, "no room") {
		t.Errorf("large is %q: %q", status, why)
	}
	eventually(t, "it is counted", func() (bool, any) {
		p, err := c.ConfigurationProgress(t.Context(), "large")
		if err != nil {
			t.Fatal(err)
		}
		return p.Blocked == 1 && p.Metrics != nil && p.Metrics.Targeted == 2 && p.Metrics.Applied == 1, string(p.Raw)
	})
	if _, err := c.ReplaceTwin(t.Context(), device("d"), client.TwinPatch{Desired: json.RawMessage(`{}`)}, client.Any()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the twin with room again", func() (bool, any) {
		e := effectiveOf(t, c, device("d"))
		return e.marks["large"] == "Applied" && e.desired["large"] != nil && e.desired["tiny"] == float64(1), e.marks
	})
}
