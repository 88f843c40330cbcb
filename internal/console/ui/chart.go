package ui

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// Spark is a line of figures without axes, oldest first. NaN is a gap. It is
// never the only place of a figure.
func Spark(values []float64) template.HTML {
	const width, height = 88.0, 24.0
	low, high := 0.0, 0.0
	for _, v := range values {
		if !math.IsNaN(v) {
			high = max(high, v)
		}
	}
	var b strings.Builder
	// A steady figure is a line beside its number, not one along the row above.
	high *= 1.5
	b.WriteString(`<svg class="spark" viewBox="0 0 88 24" preserveAspectRatio="none" aria-hidden="true">`)
	var line []string
	flush := func() {
		if len(line) > 1 {
			b.WriteString(`<polyline class="s-ink" points="` + strings.Join(line, " ") + `"/>`)
		}
		line = line[:0]
	}
	for i, v := range values {
		if math.IsNaN(v) {
			flush()
			continue
		}
		y := height - 2
		if high > low {
			y -= (v - low) / (high - low) * (height - 4)
		}
		line = append(line, fmt.Sprintf("%.1f,%.1f", width*float64(i)/float64(max(1, len(values)-1)), y))
	}
	flush()
	b.WriteString("</svg>")
	return template.HTML(b.String()) //nolint:gosec // numbers only
}

// Bar is one span of time in a chart of alerts.
type Bar struct {
	// Title says it in words: "13:00–13:59: 3 high, 6 medium, 11 low".
	Title string
	// Href is the list that makes it up.
	Href                             string
	High, Medium, Low, Informational int64
	// Missing says that nothing is known of this span: a gap, never zero.
	Missing bool
}

// Chart is alerts by severity over time: high at the base line.
type Chart struct {
	// Label says what the chart shows, for screen readers.
	Label string
	Bars  []Bar
	// Ticks are the labels below, spread evenly.
	Ticks []string
}

// Top is the figure at the upper end of the chart: round, and never below 4.
func (c Chart) Top() int64 {
	most := int64(4)
	for _, b := range c.Bars {
		most = max(most, b.High+b.Medium+b.Low+b.Informational)
	}
	for step := int64(1); ; step *= 10 {
		for _, m := range []int64{4, 8, 12, 16, 20, 24, 32} {
			if top := m * step; top >= most {
				return top
			}
		}
	}
}

// Lines are the figures of the grid, from the top down to zero.
func (c Chart) Lines() []int64 {
	top := c.Top()
	return []int64{top, top * 3 / 4, top / 2, top / 4, 0}
}

// SVG draws the bars.
func (c Chart) SVG() template.HTML {
	const height = 200.0
	const step, width = 10.0, 8.0
	n := max(1, len(c.Bars))
	top := float64(c.Top())
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g 200" preserveAspectRatio="none" role="group" aria-label="%s">`, float64(n)*step, esc(c.Label))
	for i := range 5 {
		fmt.Fprintf(&b, `<line class="s-grid" x1="0" x2="%g" y1="%d" y2="%d"/>`, float64(n)*step, i*50, i*50)
	}
	for i, bar := range c.Bars {
		if bar.Missing {
			continue
		}
		x := float64(i) * step
		fmt.Fprintf(&b, `<a href="%s" aria-label="%s"><title>%s</title><rect class="hit f-none" x="%g" width="%g" height="200"/>`, esc(safeURL(bar.Href)), esc(bar.Title), esc(bar.Title), x, step)
		y := height
		for _, part := range []struct {
			class string
			n     int64
		}{{"f-high", bar.High}, {"f-medium", bar.Medium}, {"f-low", bar.Low}, {"f-info", bar.Informational}} {
			if part.n == 0 {
				continue
			}
			h := max(2, float64(part.n)/top*height)
			y -= h
			fmt.Fprintf(&b, `<rect class="%s" x="%g" y="%.2f" width="%g" height="%.2f"/>`, part.class, x+(step-width)/2, y, width, max(1, h-1))
		}
		b.WriteString("</a>")
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) //nolint:gosec // escaped
}

// Connection says whether an identity is connected, and since when it is not.
func Connection(on bool, how string) template.HTML {
	if on {
		return span("conn on", Icon("on")+text(how))
	}
	return span("conn off", Icon("off")+text(how))
}
