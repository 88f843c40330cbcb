package overview

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/security/fleet"
)

var update = flag.Bool("update", false, "write the pictures in testdata anew")

var now = time.Date(2026, 11, 23, 14, 32, 7, 0, time.UTC)

func hour(back int, high, medium, low, informational int64) fleet.Hour {
	return fleet.Hour{Hour: now.Truncate(time.Hour).Add(-time.Duration(back) * time.Hour), High: high, Medium: medium, Low: low, Informational: informational}
}

func figures() *fleet.Figures {
	return &fleet.Figures{
		At: now, Registered: new(int64(13)), Since: now.Add(-20 * time.Hour).Truncate(time.Hour),
		States:   map[string]int64{"unhealthy": 1, "atRisk": 2, "healthy": 7, "unknown": 0},
		Score:    &fleet.Score{Value: 87.4, Devices: 10, Alerts: -8.2, Recommendations: -4.4},
		Alerts:   map[string]int64{"high": 1, "medium": 2, "low": 0, "informational": 0},
		TopTypes: []fleet.Type{{Type: "IoT_X", Title: "<b>\u202e", Severity: "high", Count: 3, Devices: 1}},
		Affected: &fleet.Affected{All: 3, Devices: []fleet.Device{{Device: "a'\"<b>", State: "unhealthy", Score: 40, Alerts: map[string]int64{"high": 1}}}},
		Agents:   &fleet.Agents{InSync: 7, Differs: 1, Versions: []fleet.Version{{Version: "1'<script>\u202e", Count: 2}}, Silence: 72 * time.Hour},
		Traffic:  &fleet.Traffic{Connected: new(int64(4_310_000_000)), Refused: map[string]int64{"tls": 2, "level": 5}, ConnectedLine: []float64{math.NaN(), 3}, DeadLetters: 3},
		Raised:   []fleet.Hour{hour(30, 9, 9, 9, 9), hour(23, 0, 1, 0, 0), hour(1, 3, 6, 11, 1), hour(0, 2, 0, 0, 0)},
		Trend: []fleet.Point{
			{Hour: now.Truncate(time.Hour).Add(-24 * time.Hour), Score: new(90.2), Unhealthy: 0, AtRisk: 4, Healthy: 7},
			{Hour: now.Truncate(time.Hour), Score: new(87.4), Unhealthy: 1, AtRisk: 2, Healthy: 7},
		},
	}
}

// TestChart draws the ranges; a bar has what was raised in it and leads to that.
func TestChart(t *testing.T) {
	t.Parallel()
	for _, s := range spans {
		c := chartOf(figures(), s)
		path := filepath.Join("testdata", s.Name+".svg")
		got := string(c.SVG())
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got); d != "" {
			t.Errorf("%s (-want +got, -update writes it):\n%s", s.Name, d)
		}
		if len(c.Bars) != s.Bars || len(c.Ticks) == 0 || s.Bars%len(c.Ticks) != 0 {
			t.Errorf("%s: %d bars, %d ticks", s.Name, len(c.Bars), len(c.Ticks))
		}
	}
}

func TestBars(t *testing.T) {
	t.Parallel()
	c := chartOf(figures(), spans[0])
	for i, want := range map[int]ui.Bar{
		0:  {Medium: 1, Title: "15:00–15:59: 0 high, 1 medium, 0 low", Href: "/console/alerts?from=2026-11-22T15%3A00%3A00Z&status=all&to=2026-11-22T16%3A00%3A00Z"},
		1:  {Missing: true, Title: "16:00–16:59: none", Href: "/console/alerts?from=2026-11-22T16%3A00%3A00Z&status=all&to=2026-11-22T17%3A00%3A00Z"},
		10: {Title: "01:00–01:59: none", Href: "/console/alerts?from=2026-11-23T01%3A00%3A00Z&status=all&to=2026-11-23T02%3A00%3A00Z"},
		22: {High: 3, Medium: 6, Low: 11, Informational: 1, Title: "13:00–13:59: 3 high, 6 medium, 11 low, 1 informational", Href: "/console/alerts?from=2026-11-23T13%3A00%3A00Z&status=all&to=2026-11-23T14%3A00%3A00Z"},
	} {
		if d := cmp.Diff(want, c.Bars[i]); d != "" {
			t.Errorf("bar %d: %s", i, d)
		}
	}
	if c.High != 5 || c.Medium != 7 || c.Low != 11 || c.Informal != 1 || !c.Gap {
		t.Errorf("totals %d %d %d %d, gap %v", c.High, c.Medium, c.Low, c.Informal, c.Gap)
	}
	month := chartOf(figures(), spans[2])
	if last := month.Bars[len(month.Bars)-1]; last.Title != "23 Nov: 5 high, 6 medium, 11 low, 1 informational" {
		t.Errorf("the last day: %s", last.Title)
	}
	if month.High != 14 {
		t.Errorf("%d high in the month", month.High)
	}
}

func TestView(t *testing.T) {
	t.Parallel()
	v := (&overview{}).view(figures(), spans[0])
	if v.Modules != 10 || v.Without != 3 || v.Open != 3 || *v.Score != 87 || v.Change != "3 lower than yesterday" || v.Calm {
		t.Errorf("%d modules, %d without, %d open, score %d, %q, calm %v", v.Modules, v.Without, v.Open, *v.Score, v.Change, v.Calm)
	}
	var notes []string
	for _, c := range v.Cells {
		notes = append(notes, c.Change)
	}
	if d := cmp.Diff([]string{"1 more than yesterday", "2 fewer than yesterday", "as many as yesterday", "as many as yesterday"}, notes); d != "" {
		t.Error(d)
	}
	end := 0
	for _, s := range v.Bar {
		if s.X < end || s.Width < 1 {
			t.Errorf("segments overlap: %+v", v.Bar)
		}
		end = s.X + s.Width
	}
	if end > 1000 {
		t.Errorf("the bar ends at %d of 1000", end)
	}
	f := figures()
	f.Trend = nil
	if v := (&overview{}).view(f, spans[0]); v.Change != "" || v.Cells[0].Change != "" {
		t.Errorf("without a yesterday: %q, %q", v.Change, v.Cells[0].Change)
	}
}

// TestBarOfExtremes: what is little is seen, and nothing leaves the bar.
func TestBarOfExtremes(t *testing.T) {
	t.Parallel()
	for _, states := range []map[string]int64{
		{"unhealthy": 1, "atRisk": 1, "healthy": 1_000_000, "unknown": 1},
		{"unhealthy": 1_000_000, "unknown": 1},
		{"healthy": 3},
		{},
	} {
		f := figures()
		f.States = states
		v := (&overview{}).view(f, spans[0])
		end := 0
		for _, s := range v.Bar {
			if s.X < end || s.Width < 6 {
				t.Errorf("%v: %+v", states, v.Bar)
			}
			end = s.X + s.Width
		}
		if end > 1000 {
			t.Errorf("%v: the bar ends at %d", states, end)
		}
	}
}

// TestParts renders all parts: of a whole fleet with hostile texts, and of one
// of which nothing can be had, which says so and shows no number instead.
func TestParts(t *testing.T) {
	t.Parallel()
	whole, nothing := figures(), &fleet.Figures{At: now, Problems: []fleet.Problem{
		{Part: "devices", Code: "Throttled", Message: "busy-devices"},
		{Part: "alerts", Code: "Throttled", Message: "busy-alerts"},
		{Part: "recommendations", Code: "Throttled", Message: "busy-recommendations"},
		{Part: "agents", Code: "Throttled", Message: "busy-agents"},
		{Part: "affected", Code: "Throttled", Message: "busy-affected"},
		{Part: "raised", Code: "Throttled", Message: "busy-raised"},
	}}
	for _, name := range append([]string{"overview"}, parts...) {
		html, err := web.Render(pages, name, (&overview{}).view(whole, spans[1]))
		if err != nil {
			t.Fatal(err)
		}
		if text := string(html); strings.Contains(text, "<b>\u202e") || strings.Contains(text, "<script>") || strings.Contains(text, "a'\"<b>") {
			t.Errorf("%s: a text of a stranger is not inert", name)
		}
		if html, err = web.Render(pages, name, (&overview{}).view(nothing, spans[0])); err != nil {
			t.Fatal(err)
		}
		part, known := map[string]string{"fleet": "devices", "raised": "raised", "affected": "affected", "frequent-alerts": "alerts", "frequent-recommendations": "recommendations", "agents": "agents"}[name]
		if known && !strings.Contains(string(html), "busy-"+part) {
			t.Errorf("%s does not say why it is empty: %s", name, html)
		}
	}
}

func TestSpanOf(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"": "24h", "24h": "24h", "7d": "7d", "30d": "30d"} {
		if s, err := spanOf(name); err != nil || s.Name != want {
			t.Errorf("%q: %v, %v", name, s, err)
		}
	}
	if _, err := spanOf("1y"); err == nil {
		t.Error("1y is taken")
	}
}

// TestLiteral: a text of an agent stays one text of a query.
func TestLiteral(t *testing.T) {
	t.Parallel()
	if got := literal("1' OR true OR '"); got != "'1'' OR true OR '''" {
		t.Errorf("got %s", got)
	}
}
