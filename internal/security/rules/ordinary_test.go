package rules_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/detection"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/schema"
)

// recordedDays is how many days of an ordinary device the recording is counted
// for: see testdata/README.md.
const recordedDays = 32

// maxFalseAlerts is how many false alerts a device may give in a day.
const maxFalseAlerts = 0.1

// recorded is a line of testdata/ordinary.jsonl.gz: an event that was seen N
// times, first At seconds after the beginning.
type recorded struct {
	N     int             `json:"n"`
	At    int             `json:"at"`
	Event string          `json:"event"`
	Item  json.RawMessage `json:"item"`
}

// ordinary reads the recording.
func ordinary(tb testing.TB) []recorded {
	tb.Helper()
	f, err := os.Open("testdata/ordinary.jsonl.gz")
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	var all []recorded
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r recorded
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			tb.Fatal(err)
		}
		all = append(all, r)
	}
	if err := lines.Err(); err != nil {
		tb.Fatal(err)
	}
	return all
}

// TestOrdinary lets all detections look at what a device ordinarily does: the
// alerts that come, folded as a hub folds them, are all false.
func TestOrdinary(t *testing.T) {
	e, device := engine(t, detection.All()...), &ledger.Device{ID: "d"}
	begin := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	lines := ordinary(t)
	alerts, counts := map[string]string{}, map[string]int{}
	total := 0
	for i, r := range lines {
		kind, at := event.KindOf(r.Event), begin.Add(time.Duration(r.At)*time.Second)
		items, err := schema.Items(kind, fmt.Appendf(nil, "[%s]", r.Item))
		if err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		total += r.N
		counts[r.Event]++
		ev := event.Event{ID: fmt.Sprint(i), Kind: kind, Name: r.Event, Type: event.Security, Time: at, Stated: at, Items: items}
		m := &event.Message{Received: at, Sequence: uint64(i + 1), Events: []event.Event{ev}}
		_, err = e.Observe(device, m, nil, at, func(f detect.Found) error {
			key := f.Type + " " + f.Cause
			if _, ok := alerts[key]; !ok {
				alerts[key] = fmt.Sprintf("%s, line %d: %s", f.ID, i+1, r.Item)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(lines) < 3000 || counts["ProcessCreate"] == 0 || counts["ConnectionCreate"] == 0 || counts["Login"] == 0 {
		t.Fatalf("the recording has %d different events: %v", len(lines), counts)
	}
	for _, key := range slices.Sorted(maps.Keys(alerts)) {
		t.Logf("false alert %s by %s", key, alerts[key])
	}
	rate := float64(len(alerts)) / recordedDays
	t.Logf("%d different events (%v) of %d recorded: %d false alerts in %d device-days, %.3f a day", len(lines), counts, total, len(alerts), recordedDays, rate)
	t.Logf(`ordinary {"different":%d,"events":%d,"deviceDays":%d,"falseAlerts":%d,"perDay":%.3f}`, len(lines), total, recordedDays, len(alerts), rate)
	if rate > maxFalseAlerts {
		t.Errorf("%.3f false alerts per device-day; at most %.1f are allowed", rate, maxFalseAlerts)
	}
}
