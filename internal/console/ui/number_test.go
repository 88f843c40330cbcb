package ui_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/console/ui"
)

func TestNumbers(t *testing.T) {
	for got, want := range map[string]string{
		ui.Count(0): "0", ui.Count(999): "999", ui.Count(1000): "1,000", ui.Count(-1234567): "-1,234,567", ui.Count(math.MinInt64): "-9,223,372,036,854,775,808",
		ui.Capped(10_000): "10,000", ui.Capped(10_001): "10,000+",
		string(ui.Short(999_999)): "999,999", string(ui.Short(4_310_882_114)): `<span title="4,310,882,114">4.31` + "\u202f" + `G</span>`,
		ui.Bytes(0): "0 B", ui.Bytes(1023): "1023 B", ui.Bytes(1024): "1.00 KiB", ui.Bytes(1 << 30): "1.00 GiB", ui.Bytes(1 << 62): "4194304 TiB",
		ui.Percent(0, 0): "–", ui.Percent(0, 5): "0 %", ui.Percent(5, 5): "100 %", ui.Percent(1, 4000): "< 0.1 %", ui.Percent(3999, 4000): "> 99.9 %", ui.Percent(1, 3): "33 %", ui.Percent(1, 20): "5.0 %",
		ui.Plural(1, "device"): "1 device", ui.Plural(0, "device"): "0 devices", ui.Plural(2, "policy"): "2 policies", ui.Plural(2, "key"): "2 keys",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestLasts(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 ms", 999 * time.Millisecond: "999 ms", time.Second: "1 s", 59 * time.Second: "59 s", time.Minute: "1 min",
		93 * time.Second: "1 min 33 s", 2*time.Hour + 5*time.Minute: "2 h 5 min", 49 * time.Hour: "2 d 1 h", -time.Minute: "-1 min",
	} {
		if got := ui.Lasts(d); got != want {
			t.Errorf("%v lasts %s, want %s", d, got, want)
		}
	}
}

// TestChartStacks has a chart's bars stay within it, and its grid be whole numbers.
func TestChartStacks(t *testing.T) {
	for _, n := range []int64{0, 1, 4, 5, 13, 21, 33, 99, 100, 1_000_000} {
		c := ui.Chart{Bars: []ui.Bar{{High: n}}}
		top := c.Top()
		if top < n || top%4 != 0 || top > max(4, 2*n) {
			t.Errorf("%d has its top at %d", n, top)
		}
	}
	svg := string(ui.Chart{Label: `"><script>`, Bars: []ui.Bar{{Title: `"><script>`, Href: "javascript:alert(1)", High: 3}, {Missing: true, High: 3}}}.SVG())
	if strings.Contains(svg, "<script>") || strings.Contains(svg, "javascript:") {
		t.Errorf("a chart lets texts out: %s", svg)
	}
	if n := strings.Count(svg, "<a "); n != 1 {
		t.Errorf("%d bars are drawn, want 1: what is missing is a gap", n)
	}
}

func TestUnknownWordsStayOutOfClasses(t *testing.T) {
	hostile := `high" onclick="x`
	for _, html := range []string{
		string(ui.Severity(hostile)), string(ui.SeverityBadge(hostile)), string(ui.SeverityGlyph(hostile)), string(ui.SeverityCounted(hostile, 3, "javascript:x")),
		string(ui.State(hostile)), string(ui.StateBadge(hostile)), string(ui.StateGlyph(hostile)), string(ui.Sync(hostile)), string(ui.Source(hostile, hostile)), string(ui.Actor(hostile)), string(ui.Actor("configuration:" + hostile)),
	} {
		if strings.Contains(html, `onclick="`) || strings.Contains(html, "javascript:") {
			t.Errorf("%s", html)
		}
	}
}
