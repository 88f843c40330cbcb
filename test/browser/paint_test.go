//go:build browser

package browser_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestFirstPaint reports, in lines of JSON, after how many milliseconds a
// browser with a quarter of this machine's speed has painted something of a
// page: the worst of five, the first of them with nothing in its cache. It
// judges nothing, since a busy machine is slower still; run it with -v.
func TestFirstPaint(t *testing.T) {
	h := start(t, nil)
	h.seed()
	for _, path := range []string{"/console/overview", "/console/devices", "/console/devices/pump-0413", "/console/alerts"} {
		p := h.open(t, "/console/keys")
		_, err := chromedp.Call(p.ctx, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: 4})
		p.must("slow down", err)
		var took []float64
		for range 5 {
			p.goTo(path)
			p.until("a paint", `performance.getEntriesByName("first-contentful-paint").length > 0`)
			took = append(took, eval[float64](p, `performance.getEntriesByName("first-contentful-paint")[0].startTime`))
		}
		line, err := json.Marshal(map[string]any{"case": "console/first-paint", "metric": path, "value": slices.Max(took), "median": slices.Sorted(slices.Values(took))[2], "unit": "ms", "reach": 800, "less_is_better": true})
		p.must("write", err)
		t.Logf("%s", line)
		if slices.Min(took) <= 0 {
			t.Errorf("%s was painted after %v ms: that is no time", path, took)
		}
	}
}
