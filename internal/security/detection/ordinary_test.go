package detection_test

import (
	"slices"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/detection"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/sample"
	"github.com/tvilling/tvilling/internal/security/schema"
)

// ordinary returns messages of an ordinary device, one each apart.
func ordinary(tb testing.TB, source *sample.Source, device string, n int, apart time.Duration) []*event.Message {
	tb.Helper()
	var list []*event.Message
	for i := range n {
		at := day.Add(time.Duration(i) * apart)
		m, err := schema.Decode(&tvilling.Message{From: tvilling.Device(tvilling.DeviceID(device)), Enqueued: at, Body: source.Message(device, 20, at)}, at)
		if err != nil {
			tb.Fatal(err)
		}
		m.Received = at
		list = append(list, m)
	}
	return list
}

// TestOrdinaryDays holds that ordinary activity raises next to no alerts: at
// most one in ten days of a device, and no more than fits a memory.
func TestOrdinaryDays(t *testing.T) {
	const devices, perDay = 30, 200
	source := sample.New(7)
	alerts := make(map[string]int)
	largest := make(map[string]int)
	kept := 0
	for n := range devices {
		device := "pump-" + string(rune('a'+n%26)) + string(rune('a'+n/26))
		messages := ordinary(t, source, device, perDay, 24*time.Hour/perDay)
		for _, d := range detection.All() {
			s, seen := &scope{started: day}, make(map[string]bool)
			for _, m := range messages {
				s.found = nil
				observe(d, s, m, defaults(d, nil))
				for _, f := range s.found {
					if !seen[f.Cause] {
						seen[f.Cause] = true
						alerts[d.Info().ID]++
						t.Logf("%s on %s: %s: %+v", d.Info().ID, device, f.Cause, f.Matched)
					}
				}
			}
			largest[d.Info().ID] = max(largest[d.Info().ID], s.largest)
			kept += len(s.memory)
		}
	}
	total := 0
	for id, n := range alerts {
		total += n
		t.Logf("%s: %d alerts in %d device-days", id, n, devices)
	}
	if total > devices/10 {
		t.Errorf("%d alerts in %d ordinary device-days, want at most one in ten", total, devices)
	}
	t.Logf("at the end of the day %d bytes of memory a device", kept/devices)
	for id, n := range largest {
		t.Logf("%s: at most %d bytes of memory", id, n)
		if n > 512 {
			t.Errorf("%s takes %d bytes of memory on an ordinary device, want at most 512", id, n)
		}
	}
}

// BenchmarkObserve is the cost of an event of an ordinary fleet in all
// detections of this package.
func BenchmarkObserve(b *testing.B) {
	source := sample.New(7)
	const devices = 64
	type one struct {
		messages []*event.Message
		scopes   []*scope
	}
	var fleet []one
	all := detection.All()
	for n := range devices {
		o := one{messages: ordinary(b, source, string(rune('a'+n%26))+string(rune('a'+n/26)), 20, time.Hour)}
		for range all {
			o.scopes = append(o.scopes, &scope{started: day})
		}
		fleet = append(fleet, o)
	}
	values := make([]detect.Values, len(all))
	for i, d := range all {
		m := make(map[string]int64)
		for _, p := range d.Info().Parameters {
			m[p.Name] = p.Default
		}
		values[i] = func(name string) int64 { return m[name] }
	}
	events, round := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		o := &fleet[round%devices]
		m := o.messages[round/devices%len(o.messages)]
		round++
		events += len(m.Events)
		for i, d := range all {
			s := o.scopes[i]
			s.found, s.message, s.received = s.found[:0], m, m.Received
			for e := range m.Events {
				if slices.Contains(d.Kinds(), m.Events[e].Kind) {
					d.Observe(s, &m.Events[e], values[i])
				}
			}
		}
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
