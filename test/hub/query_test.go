package hub_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
)

// found returns the device ids that a query finds.
func found(t testing.TB, c *client.Client, text string) string {
	t.Helper()
	var ids []string
	for row, err := range c.Query(t.Context(), text, 0) {
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var twin struct{ DeviceID string }
		if err := json.Unmarshal(row, &twin); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, twin.DeviceID)
	}
	return strings.Join(ids, " ")
}

// plan returns how a query is answered.
func plan(t testing.TB, c *client.Client, text string) string {
	t.Helper()
	for row, err := range c.Query(t.Context(), "EXPLAIN "+text, 0) {
		var e struct{ Plan string }
		if err == nil {
			err = json.Unmarshal(row, &e)
		}
		if err != nil {
			t.Fatal(err)
		}
		return e.Plan
	}
	t.Fatal("nothing is explained")
	return ""
}

// TestQueriesSeeWhatWasAnswered: by a service, by a device, and of connections,
// while the index is built after a start, and later.
func TestQueriesSeeWhatWasAnswered(t *testing.T) {
	t.Parallel()
	h, c, key := start(t)
	const n = 60
	for i := range n {
		id := tvilling.DeviceID(fmt.Sprintf("q%03d", i))
		h.Register(c, id)
		tag(t, c, tvilling.Device(id), fmt.Sprintf(`{"half":%d}`, i%2))
	}
	const halves = "SELECT deviceId FROM devices WHERE tags.half = 1"
	want := found(t, c, halves)
	if len(strings.Fields(want)) != n/2 {
		t.Fatalf("%s finds %q", halves, want)
	}
	for life := range 3 {
		for round := 0; round < 5 || plan(t, c, halves) != "index"; round++ {
			if round > 10_000 {
				t.Fatal("the index is not ready")
			}
			mark := fmt.Sprintf("%d-%d", life, round)
			tag(t, c, device("d"), fmt.Sprintf(`{"mark":%q}`, mark))
			if got := found(t, c, fmt.Sprintf("SELECT deviceId FROM devices WHERE tags.mark = '%s'", mark)); got != "d" {
				t.Fatalf("after the change to %s, a query finds %q", mark, got)
			}
			if got := found(t, c, halves); got != want {
				t.Fatalf("%s finds %q, want %q", halves, got, want)
			}
		}
		const connected = "SELECT deviceId FROM devices WHERE connectionState = 'Connected'"
		w := connect(t, h, device("d"), key)
		if got := found(t, c, connected); got != "d" {
			t.Errorf("after CONNACK, %s finds %q", connected, got)
		}
		w.subscribe("$iothub/twin/res/#")
		w.report(fmt.Sprintf(`{"life":%d}`, life))
		if got := found(t, c, fmt.Sprintf("SELECT deviceId FROM devices WHERE properties.reported.life = %d", life)); got != "d" {
			t.Errorf("after the answer to a report, a query finds %q", got)
		}
		h.Restart()
		c = h.Client()
		if got := found(t, c, connected); got != "" {
			t.Errorf("after a start, %s finds %q", connected, got)
		}
	}
}

// tag changes tags.
func tag(t testing.TB, c *client.Client, id tvilling.Identity, tags string) {
	t.Helper()
	if _, err := c.PatchTwin(t.Context(), id, client.TwinPatch{Tags: json.RawMessage(tags)}, tvilling.Match{}); err != nil {
		t.Fatal(err)
	}
}

// TestQueriesWithoutIndex: a hub that is told to have none answers the same, by
// looking at all twins, and follows what changes.
func TestQueriesWithoutIndex(t *testing.T) {
	t.Parallel()
	h := apptest.Start(t, func(o *app.Options) { o.NoIndex = true })
	c := h.Client()
	for i := range 3 {
		id := tvilling.DeviceID(fmt.Sprintf("n%d", i))
		h.Register(c, id)
		tag(t, c, tvilling.Device(id), fmt.Sprintf(`{"half":%d}`, i%2))
	}
	const text = "SELECT deviceId FROM devices WHERE tags.half = 0"
	if got := plan(t, c, text); got != "scan" {
		t.Errorf("it is answered by %s", got)
	}
	if got := found(t, c, text); got != "n0 n2" {
		t.Errorf("it finds %q", got)
	}
	tag(t, c, tvilling.Device("n1"), `{"half":0}`)
	h.Restart()
	if got := found(t, h.Client(), text); got != "n0 n1 n2" {
		t.Errorf("after a change and a start it finds %q", got)
	}
}
