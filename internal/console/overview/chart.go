package overview

import (
	"fmt"
	"net/url"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/security/fleet"
)

// span is how far back the page looks.
type span struct {
	// Name is its value in the address, Text how people call it.
	Name, Text string
	// Each is the time of one bar in hours, Bars how many there are.
	Each, Bars int
	// Unit is what a bar is, in the title of the chart.
	Unit string
}

var spans = []span{
	{"24h", "24 h", 1, 24, "hour"},
	{"7d", "7 d", 6, 28, "6 hours"},
	{"30d", "30 d", 24, 30, "day"},
}

func spanOf(name string) (span, error) {
	if name == "" {
		return spans[0], nil
	}
	for _, s := range spans {
		if s.Name == name {
			return s, nil
		}
	}
	return span{}, &tvilling.Error{
		Code: tvilling.InvalidArgument, Op: "show the overview", Path: "range",
		Message: fmt.Sprintf("The overview has no range %q; it has 24h, 7d and 30d.", name),
	}
}

// query is the address of the range; the first one needs none.
func (s span) query() url.Values {
	if s.Name == spans[0].Name {
		return nil
	}
	return url.Values{"range": {s.Name}}
}

// first is when the first bar of the range begins: bars begin at whole hours,
// parts of a day and days, in UTC.
func (s span) first(now time.Time) time.Time {
	each := time.Duration(s.Each) * time.Hour
	return now.UTC().Truncate(each).Add(-time.Duration(s.Bars-1) * each)
}

// chart is the alerts of a range, with the list that its figures stand for.
type chart struct {
	ui.Chart
	Rows          []row
	High, Medium  int64
	Low, Informal int64
	// From is when the range begins.
	From time.Time
	// Ticks are the labels below.
	Ticks []tick
	// Gap says that the hub did not know of alerts at the begin of the range.
	Gap bool
}

// row is a bar in the table of the same figures.
type row struct {
	ui.Bar
	When string
}

// alertsBetween is the list of alerts that were raised in a span of time.
func alertsBetween(from, to time.Time, severity string) string {
	q := url.Values{"status": {"all"}, "from": {from.UTC().Format(time.RFC3339)}, "to": {to.UTC().Format(time.RFC3339)}}
	if severity != "" {
		q.Set("severity", severity)
	}
	return ui.URL("alerts", q)
}

// chartOf draws the hours of the figures as bars of a range.
func chartOf(f *fleet.Figures, s span) chart {
	each := time.Duration(s.Each) * time.Hour
	c := chart{From: s.first(f.At)}
	c.Label = "Alerts raised per " + s.Unit + ", by severity"
	bars := make([]ui.Bar, s.Bars)
	for _, h := range f.Raised {
		i := int(h.Hour.Sub(c.From) / each)
		if h.Hour.Before(c.From) || i >= s.Bars {
			continue
		}
		bars[i].High += h.High
		bars[i].Medium += h.Medium
		bars[i].Low += h.Low
		bars[i].Informational += h.Informational
	}
	for i := range bars {
		b := &bars[i]
		from := c.From.Add(time.Duration(i) * each)
		to := from.Add(each)
		when := s.label(from, to)
		b.Href, b.Title = alertsBetween(from, to, ""), when+": "+inWords(*b)
		c.High += b.High
		c.Medium += b.Medium
		c.Low += b.Low
		c.Informal += b.Informational
		if b.High+b.Medium+b.Low+b.Informational == 0 && !to.After(f.Since) {
			b.Missing, c.Gap = true, true
		}
		c.Rows = append(c.Rows, row{*b, when})
	}
	c.Bars, c.Ticks = bars, s.ticks(c.From)
	return c
}

// label says the time of a bar in words.
func (s span) label(from, to time.Time) string {
	if s.Each == 24 {
		return from.Format("2 Jan")
	}
	text := from.Format("15:04") + "–" + to.Add(-time.Minute).Format("15:04")
	if s.Bars > 24 {
		return from.Format("2 Jan ") + text
	}
	return text
}

func inWords(b ui.Bar) string {
	if b.High+b.Medium+b.Low+b.Informational == 0 {
		return "none"
	}
	text := fmt.Sprintf("%s high, %s medium, %s low", ui.Count(b.High), ui.Count(b.Medium), ui.Count(b.Low))
	if b.Informational > 0 {
		text += ", " + ui.Count(b.Informational) + " informational"
	}
	return text
}

// tick is a label below the chart, an optional one where there is room for it.
type tick struct {
	Text     string
	Optional bool
}

// ticks are the labels below a chart, evenly spread.
func (s span) ticks(first time.Time) []tick {
	step := map[string]int{"24h": 3, "7d": 4, "30d": 5}[s.Name]
	format := "15:04"
	if s.Name != "24h" {
		format = "2 Jan"
	}
	var list []tick
	for i := 0; i < s.Bars; i += step {
		list = append(list, tick{first.Add(time.Duration(i*s.Each) * time.Hour).Format(format), len(list)%2 == 1})
	}
	return list
}
