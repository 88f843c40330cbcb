package hub_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
)

// TestQueriesSeeWritesUnderLoad: eight write at once, services and devices; each
// asks after each answer, by what the index has and by what it has not, and finds
// what it has written, and no longer what was there before.
func TestQueriesSeeWritesUnderLoad(t *testing.T) {
	t.Parallel()
	h, c, _ := start(t)
	registerMany(t, c, 100)
	tag(t, c, device("d0099"), `{"mark":"y","marks":["y"]}`)
	const byIndex = "SELECT deviceId FROM devices WHERE %s.mark = '%s'"
	const byScan = "SELECT deviceId FROM devices WHERE ARRAY_CONTAINS(%s.marks, '%s')"
	eventually(t, "the index is ready", func() (bool, any) {
		p := plan(t, c, fmt.Sprintf(byIndex, "tags", "x"))
		return p == "index", p
	})
	if p := plan(t, c, fmt.Sprintf(byScan, "tags", "x")); p != "scan" && p != "index+recheck" {
		t.Fatalf("what the index cannot know is answered by %s", p)
	}
	const rounds = 60
	var writers sync.WaitGroup
	var done atomic.Int64
	check := func(id tvilling.DeviceID, section, mark, before string) {
		for _, text := range []string{byIndex, byScan} {
			if got := find(t, c, fmt.Sprintf(text, section, mark)); got != string(id) {
				t.Errorf("%s wrote %s; "+text+" finds %q", id, mark, section, mark, got)
			}
			if got := find(t, c, fmt.Sprintf(text, section, before)); got != "" {
				t.Errorf("%s overwrote %s; "+text+" finds %q", id, before, section, before, got)
			}
		}
	}
	body := func(mark string) string { return fmt.Sprintf(`{"mark":%q,"marks":["x",%q]}`, mark, mark) }
	for i := range 8 {
		id := tvilling.DeviceID(fmt.Sprintf("d%04d", i))
		if i%2 == 0 {
			writers.Go(func() {
				before := "none"
				for n := range rounds {
					mark := fmt.Sprintf("%d-%d", i, n)
					_, err := c.PatchTwin(t.Context(), tvilling.Device(id), client.TwinPatch{Tags: json.RawMessage(body(mark))}, tvilling.Match{})
					if err != nil {
						t.Error(err)
						return
					}
					check(id, "tags", mark, before)
					before = mark
					done.Add(1)
				}
			})
			continue
		}
		w := connect(t, h, tvilling.Device(id), keyOf(t, c, tvilling.Device(id)))
		w.subscribe(twinResponses)
		writers.Go(func() {
			before := "none"
			for n := range rounds {
				mark := fmt.Sprintf("%d-%d", i, n)
				if a := w.report(body(mark)); a.status != 204 {
					t.Errorf("report: %+v", a)
					return
				}
				check(id, "properties.reported", mark, before)
				before = mark
				done.Add(1)
			}
		})
	}
	writers.Go(func() { comeAndGo(t, h, c, rounds) })
	writers.Wait()
	if done.Load() != 8*rounds {
		t.Errorf("%d writes were checked", done.Load())
	}
}

// comeAndGo connects and disconnects a device, and asks after each.
func comeAndGo(t *testing.T, h *apptest.Hub, c *client.Client, rounds int) {
	id := device("d0050")
	key := keyOf(t, c, id)
	const connected = "SELECT deviceId FROM devices WHERE connectionState = 'Connected' AND deviceId >= 'd0050'"
	const state = "SELECT deviceId FROM devices WHERE CONCAT(connectionState, '!') = 'Connected!' AND deviceId >= 'd0050'"
	for n := range rounds {
		w := connect(t, h, id, key)
		for _, text := range []string{connected, state} {
			if got := find(t, c, text); got != "d0050" {
				t.Errorf("connection %d, after CONNACK: %s finds %q", n, text, got)
			}
		}
		w.bye()
		for _, text := range []string{connected, state} {
			if got := find(t, c, text); got != "" {
				t.Errorf("connection %d, after DISCONNECT: %s finds %q", n, text, got)
			}
		}
	}
}

// find is [found] for goroutines other than the test's.
func find(t *testing.T, c *client.Client, text string) string {
	p, err := c.QueryPage(t.Context(), text, 0, "")
	if err != nil {
		t.Errorf("%s: %v", text, err)
		return "?"
	}
	var ids []string
	for _, row := range p.Items {
		var twin struct{ DeviceID string }
		if err := json.Unmarshal(row, &twin); err != nil {
			t.Error(err)
		}
		ids = append(ids, twin.DeviceID)
	}
	return strings.Join(ids, " ")
}
