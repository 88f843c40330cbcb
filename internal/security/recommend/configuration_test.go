package recommend_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling/internal/security/agentconfig"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/recommend"
)

// reports is the whole effective configuration with one property changed.
func reports(t *testing.T, change map[string]any) string {
	t.Helper()
	b, err := agentconfig.Whole(nil, change)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (b *bench) sync(want string) {
	b.Helper()
	if d := b.device(); d.Sync != want {
		b.Errorf("sync = %q, want %q", d.Sync, want)
	}
}

const tenMinutes = `{"highPriorityMessageFrequency":{"value":"PT10M"}}`

func TestMismatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		ten := map[string]any{agentconfig.HighPriorityMessageFrequency: "PT10M"}
		b.configuration(`{}`, "")
		b.sync("notReported")
		b.active(recommend.ConfigurationMismatch, false)
		b.configuration(`{}`, reports(t, nil))
		b.sync("inSync")

		// A change that the agent answers in time is no matter.
		b.configuration(tenMinutes, reports(t, nil))
		b.sync("differs")
		b.active(recommend.ConfigurationMismatch, false)
		time.Sleep(10 * time.Second) //nolint:forbidigo // the bubble's time
		b.configuration(tenMinutes, reports(t, ten))
		b.sync("inSync")
		time.Sleep(time.Hour) //nolint:forbidigo // the bubble's time
		b.tick()
		b.active(recommend.ConfigurationMismatch, false)
		if d := b.device(); !d.Due.IsZero() || d.Memory["recommend-pending"] != nil {
			t.Errorf("due %s, pending %q; want neither", d.Due, d.Memory["recommend-pending"])
		}

		// One that it does not answer is, once it had the time.
		b.configuration(`{}`, reports(t, ten))
		b.active(recommend.ConfigurationMismatch, false)
		time.Sleep(14 * time.Minute) //nolint:forbidigo // the bubble's time
		b.same(func() { b.configuration(`{}`, reports(t, ten)) })
		b.tick()
		b.active(recommend.ConfigurationMismatch, false)
		time.Sleep(time.Minute) //nolint:forbidigo // the bubble's time
		b.tick()
		b.active(recommend.ConfigurationMismatch, true)
		if got := string(b.get(recommend.ConfigurationMismatch).Details); !strings.Contains(got, `"property":"highPriorityMessageFrequency"`) || !strings.Contains(got, `"why":`) {
			t.Errorf("details = %s; want the property and why", got)
		}
		b.configuration(`{}`, reports(t, nil))
		b.active(recommend.ConfigurationMismatch, false)
		b.sync("inSync")
	})
}

// TestMismatchAnswered holds that an agent which reports something else than
// was asked is told of at once.
func TestMismatchAnswered(t *testing.T) {
	b := newBench(t)
	b.configuration(tenMinutes, "")
	b.configuration(tenMinutes, reports(t, nil))
	b.active(recommend.ConfigurationMismatch, true)
	b.same(func() { b.configuration(tenMinutes, reports(t, nil)) })
	// The module goes, and with it what was said of it.
	b.do(func(tx *ledger.Tx) error { return b.assessor.Configuration(tx, dev, nil, nil) })
	b.active(recommend.ConfigurationMismatch, false)
	b.sync("")
}

func TestPostureFollowsSync(t *testing.T) {
	b := newBench(t)
	b.configuration(`{}`, "")
	b.do(func(tx *ledger.Tx) error {
		d, err := tx.Device(dev)
		d.Posture = false
		tx.PutDevice(d)
		return err
	})
	b.configuration(`{}`, "")
	if b.device().Posture {
		t.Error("posture is out of date though nothing changed")
	}
	b.configuration(`{}`, reports(t, nil))
	if !b.device().Posture {
		t.Error("posture is not out of date though the configuration is in sync now")
	}
}

// TestReadyPatches holds that a ready patch of the hub mends what it is for.
func TestReadyPatches(t *testing.T) {
	for _, c := range []struct{ name, typ, desired string }{
		{"between blocks", recommend.ConfigurationNotOptimal, `{"maxMessageSizeInBytes":{"value":100000}}`},
		{"just over a block", recommend.ConfigurationNotOptimal, `{"maxMessageSizeInBytes":{"value":8193}}`},
		{"out of range", recommend.ConfigurationNotOptimal, `{"maxMessageSizeInBytes":{"value":100},"snapshotFrequency":{"value":"PT1H"}}`},
		{"cache too small", recommend.ConfigurationConflict, `{"maxLocalCacheSizeInBytes":{"value":100000}}`},
		{"urgent later than others", recommend.ConfigurationConflict, `{"highPriorityMessageFrequency":{"value":"PT6H"}}`},
		{"both", recommend.ConfigurationConflict, `{"highPriorityMessageFrequency":{"value":"PT6H"},"maxLocalCacheSizeInBytes":{"value":100000}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.configuration(c.desired, "")
			b.active(c.typ, true)
			r := b.get(c.typ)
			var patch struct {
				Properties struct{ Desired map[string]json.RawMessage }
			}
			if err := json.Unmarshal(r.Patch, &patch); err != nil || r.Module != "azureiotsecurity" {
				t.Fatalf("patch %s for module %q: %v", r.Patch, r.Module, err)
			}
			object := string(patch.Properties.Desired[agentconfig.Object])
			if !strings.Contains(object, "eventPriorityLogin") {
				t.Errorf("patch = %s; want the whole configuration", r.Patch)
			}
			b.configuration(object, "")
			b.active(c.typ, false)
			if r := b.get(c.typ); r.Patch != nil {
				t.Errorf("patch of a resolved recommendation: %s", r.Patch)
			}
		})
	}
}

func TestNoReadyPatch(t *testing.T) {
	b := newBench(t)
	b.configuration(`{"baselineCustomChecksEnabled":{"value":true}}`, "")
	b.active(recommend.ConfigurationConflict, true)
	if r := b.get(recommend.ConfigurationConflict); r.Patch != nil || r.Module != "" {
		t.Errorf("patch = %s for what only the operator knows", r.Patch)
	}
}

func complaint(name, typ string) event.Item {
	return &event.ConfigurationError{ConfigurationName: name, ErrorType: typ, Message: "not a multiple of 4096"}
}

func TestAgentComplains(t *testing.T) {
	b, at := newBench(t), time.Now().Add(time.Minute)
	b.send(event.ConfigurationErrorKind, at, complaint("maxMessageSizeInBytes", "NotOptimal"), complaint("maxLocalCacheSizeInBytes", "Conflict"), complaint("x", "TypeMismatch"))
	b.active(recommend.ConfigurationNotOptimal, true)
	b.active(recommend.ConfigurationConflict, true)
	b.details(recommend.ConfigurationNotOptimal, `{"problems":[{"property":"maxMessageSizeInBytes","message":"not a multiple of 4096","saidBy":"agent"}]}`)
	b.same(func() {
		b.send(event.ConfigurationErrorKind, at, complaint("maxMessageSizeInBytes", "NotOptimal"))
		b.send(event.ConfigurationErrorKind, at, complaint("x", "TypeMismatch"))
	})
	b.send(event.ConfigurationErrorKind, at) // nothing to say any more
	b.active(recommend.ConfigurationNotOptimal, false)
	b.active(recommend.ConfigurationConflict, false)
}

// TestComplaintEndsWithReport holds that what an agent said ends when it
// reports a configuration of which it is not true, and not before.
func TestComplaintEndsWithReport(t *testing.T) {
	b := newBench(t)
	odd := map[string]any{agentconfig.MaxMessageSizeInBytes: 100000}
	desired := `{"maxMessageSizeInBytes":{"value":100000}}`
	b.configuration(desired, reports(t, odd))
	b.send(event.ConfigurationErrorKind, time.Now().Add(time.Second), complaint("maxMessageSizeInBytes", "NotOptimal"))
	if got := string(b.get(recommend.ConfigurationNotOptimal).Details); !strings.Contains(got, `"saidBy":"hub"`) || strings.Contains(got, "agent\"") {
		t.Errorf("details = %s; want the hub's word alone", got)
	}
	if b.get(recommend.ConfigurationNotOptimal).Patch == nil {
		t.Error("the agent's word took the patch away")
	}
	b.send(event.ConfigurationErrorKind, time.Now().Add(time.Second), complaint("snapshotFrequency", "NotOptimal"))
	b.configuration(`{}`, reports(t, odd))
	b.active(recommend.ConfigurationNotOptimal, false) // the agent's other word is not true of what it reports
	b.configuration(`{}`, reports(t, nil))
	b.active(recommend.ConfigurationNotOptimal, false)
	// A complaint from before the report comes late.
	b.send(event.ConfigurationErrorKind, time.Now().Add(-time.Hour), complaint("maxMessageSizeInBytes", "NotOptimal"))
	b.active(recommend.ConfigurationNotOptimal, false)
}

// TestComplaintWithoutReport holds that the word of an agent which does not
// report stays until something else is asked of it.
func TestComplaintWithoutReport(t *testing.T) {
	b := newBench(t)
	b.configuration(`{}`, "")
	b.send(event.ConfigurationErrorKind, time.Now().Add(time.Second), complaint("snapshotFrequency", "NotOptimal"))
	b.same(func() { b.configuration(`{}`, "") })
	b.active(recommend.ConfigurationNotOptimal, true)
	b.configuration(tenMinutes, "")
	b.active(recommend.ConfigurationNotOptimal, false)
}

// TestHostileComplaints holds that an agent cannot make the facts large.
func TestHostileComplaints(t *testing.T) {
	b := newBench(t)
	for n := range 50 {
		var items []event.Item
		for i := range 100 {
			items = append(items, &event.ConfigurationError{
				ConfigurationName: strings.Repeat("é", 300) + string(rune('a'+i%26)) + string(rune('a'+n%26)), ErrorType: "Conflict", Message: strings.Repeat("é", 9000),
			})
		}
		items = append(items, &event.ConfigurationError{ConfigurationName: strings.Repeat("x", n), ErrorType: "Conflict", Message: strings.Repeat("\x1b", 9000)})
		b.send(event.ConfigurationErrorKind, time.Now(), items...)
	}
	if got := len(b.get(recommend.ConfigurationConflict).Details); got > 128<<10 {
		t.Errorf("%d bytes of details", got)
	}
	for name, m := range b.device().Memory {
		if len(m) > 4096 {
			t.Errorf("%d bytes of memory in %s", len(m), name)
		}
	}
}

func TestManyDifferences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.configuration(`{}`, reports(t, nil))
		all := make(map[string]any)
		for _, p := range agentconfig.Properties() {
			switch p.Type { //nolint:exhaustive // enough to make many
			case agentconfig.Priority:
				all[p.Name] = agentconfig.Off
			case agentconfig.Duration:
				all[p.Name] = 11 * time.Minute
			case agentconfig.Flag:
				all[p.Name] = !p.Default.Flag()
			}
		}
		b.configuration(reports(t, all), reports(t, nil))
		if n := len(b.device().Memory["recommend-pending"]); n == 0 || n > 4096 {
			t.Errorf("%d bytes pending", n)
		}
		time.Sleep(time.Hour) //nolint:forbidigo // the bubble's time
		b.tick()
		var got struct {
			Differences []agentconfig.Difference
			More        int
		}
		if err := json.Unmarshal(b.get(recommend.ConfigurationMismatch).Details, &got); err != nil || len(got.Differences) == 0 || got.More == 0 {
			t.Errorf("%d differences and %d more, %v", len(got.Differences), got.More, err)
		}
	})
}
