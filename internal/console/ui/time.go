package ui

import (
	"fmt"
	"html/template"
	"time"
)

// stamp is how a time stands in a detail.
const stamp = "2006-01-02 15:04:05 UTC"

// relative says how long ago t is; a day and more is a date.
func relative(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case d < -time.Minute && now.UTC().Year() == t.UTC().Year():
		return t.UTC().Format("2 Jan 15:04")
	case d < -time.Minute:
		return t.UTC().Format("2 Jan 2006")
	case d < time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d/time.Second))
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d/time.Minute))
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h ago", int(d/time.Hour))
	case now.UTC().Year() == t.UTC().Year():
		return t.UTC().Format("2 Jan 15:04")
	default:
		return t.UTC().Format("2 Jan 2006")
	}
}

func element2(t time.Time, shown string) template.HTML {
	return template.HTML(`<time datetime="` + t.UTC().Format(time.RFC3339Nano) + `" title="` + t.UTC().Format(stamp) + `">` + esc(shown) + `</time>`) //nolint:gosec // escaped
}

// Ago is a time by how long ago it is, with the time itself on hover. The page
// keeps it current where it has a script. The zero time is "never".
func Ago(t time.Time) template.HTML {
	if t.IsZero() || t.Year() <= 1 {
		return `<span class="faint">never</span>`
	}
	return template.HTML(`<time data-ago datetime="` + t.UTC().Format(time.RFC3339Nano) + `" title="` + t.UTC().Format(stamp) + `">` + relative(t, time.Now()) + `</time>`) //nolint:gosec // no data in it but times
}

// When is a time in a detail: how long ago, and the time.
func When(t time.Time) template.HTML {
	if t.IsZero() || t.Year() <= 1 {
		return `<span class="faint">never</span>`
	}
	return Ago(t) + `, <span class="nowrap">` + text(t.UTC().Format("2006-01-02 15:04:05")) + ` UTC</span>`
}

// Clock is the time of day, for lists that are of one day or have a date beside.
func Clock(t time.Time) template.HTML { return element2(t, t.UTC().Format("15:04:05")) }

// Moment is a time in a list: the time of day, with the date unless it is today.
func Moment(t time.Time) template.HTML { return moment(t, time.Now()) }

func moment(t, now time.Time) template.HTML {
	t, now = t.UTC(), now.UTC()
	switch {
	case t.Year() <= 1:
		return `<span class="faint">never</span>`
	case t.YearDay() == now.YearDay() && t.Year() == now.Year():
		return element2(t, t.Format("15:04:05"))
	case t.Year() == now.Year():
		return element2(t, t.Format("2 Jan 15:04:05"))
	default:
		return element2(t, t.Format("2 Jan 2006 15:04"))
	}
}

// Lasts is a duration in the largest two units that matter.
func Lasts(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Lasts(-d)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return pair(d, time.Minute, "min", time.Second, "s")
	case d < 24*time.Hour:
		return pair(d, time.Hour, "h", time.Minute, "min")
	default:
		return pair(d, 24*time.Hour, "d", time.Hour, "h")
	}
}

func pair(d, large time.Duration, l string, small time.Duration, s string) string {
	a, b := d/large, d%large/small
	if b == 0 {
		return fmt.Sprintf("%d %s", a, l)
	}
	return fmt.Sprintf("%d %s %d %s", a, l, b, s)
}
