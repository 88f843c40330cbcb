package ui

import (
	"fmt"
	"html/template"
	"reflect"
	"strconv"
	"strings"
)

// Count is a number with commas.
func Count(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	var b strings.Builder
	b.WriteString(sign)
	for i, c := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// Most is up to where lists count exactly; what is more is "10,000+".
const Most = 10_000

// Capped is a count that stopped at [Most].
func Capped(n int64) string {
	if n > Most {
		return Count(Most) + "+"
	}
	return Count(n)
}

// Short is a number that may be large, in three digits, with the exact one on
// hover: 4.31 G.
func Short(n int64) template.HTML {
	if n < 1_000_000 {
		return text(Count(n))
	}
	f, unit := float64(n), ""
	for _, u := range []string{"k", "M", "G", "T", "P"} {
		if f < 1000 {
			break
		}
		f, unit = f/1000, u
	}
	return template.HTML(`<span title="` + Count(n) + `">` + significant(f) + "\u202f" + unit + `</span>`) //nolint:gosec // numbers only
}

// significant has three digits.
func significant(f float64) string {
	switch {
	case f < 10:
		return strconv.FormatFloat(f, 'f', 2, 64)
	case f < 100:
		return strconv.FormatFloat(f, 'f', 1, 64)
	default:
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
}

// Bytes is a size in binary units.
func Bytes(n int64) string { return bytesText(n) }

func bytesText(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n), ""
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		f, unit = f/1024, u
		if f < 1024 {
			break
		}
	}
	return significant(f) + " " + unit
}

// Percent is a share of a whole; what is not nothing is never shown as nothing,
// and what is not all never as all.
func Percent(part, whole int64) string {
	switch {
	case whole <= 0:
		return "–"
	case part == 0:
		return "0 %"
	case part == whole:
		return "100 %"
	}
	p := 100 * float64(part) / float64(whole)
	switch {
	case p < 0.1:
		return "< 0.1 %"
	case p > 99.9:
		return "> 99.9 %"
	case p < 10 || p > 99:
		return strconv.FormatFloat(p, 'f', 1, 64) + " %"
	default:
		return strconv.FormatFloat(p, 'f', 0, 64) + " %"
	}
}

// Score is the number of a posture with its bar; nothing where there is none.
// It is grey: the number is no severity.
func Score(score *int) template.HTML {
	if score == nil {
		return `<span class="score none faint">–<span class="sr">no score</span></span>`
	}
	n := max(0, min(100, *score))
	return template.HTML(fmt.Sprintf(`<span class="score"><b>%d</b><svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="f-track" width="100" height="4"/><rect class="f-ink" width="%d" height="4"/></svg></span>`, n, n)) //nolint:gosec // numbers only
}

// whole lets templates give any kind of whole number, or a pointer to one, to f.
func whole[T any](f func(int64) T) func(any) (T, error) {
	return func(v any) (T, error) {
		var none T
		r := reflect.Indirect(reflect.ValueOf(v))
		switch {
		case !r.IsValid():
			return none, fmt.Errorf("a number is needed, got nothing")
		case r.CanInt():
			return f(r.Int()), nil
		case r.CanUint():
			return f(int64(r.Uint())), nil
		default:
			return none, fmt.Errorf("a whole number is needed, got %T", v)
		}
	}
}

// plural is [Plural] for any kind of whole number.
func plural(n any, noun string) (string, error) {
	return whole(func(n int64) string { return Plural(n, noun) })(n)
}
