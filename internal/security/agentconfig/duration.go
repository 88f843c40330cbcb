package agentconfig

import (
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
)

// What a year, a month, a week and a day last in a duration, as agents count.
const (
	day   = 24 * time.Hour
	week  = 7 * day
	month = 30 * day
	year  = 365 * day
)

// maxAgentDuration is the longest duration that the C agent can hold: 32 bits
// of milliseconds (asc §2.4).
const maxAgentDuration = math.MaxUint32 * time.Millisecond

// duration is an ISO 8601 duration, and whether it was written in a way that
// not every original agent reads.
type duration struct {
	length time.Duration
	// special is what not every agent reads, "" if nothing.
	special string
}

// ParseDuration reads an ISO 8601 duration (PT7M, P1DT12H, PT0.5S): years of
// 365 days, months of 30, weeks, days, hours, minutes and seconds in this
// order, each at most once; only the last may have a fraction, to the
// nanosecond. The error is a [*tvilling.Error] that says what is wrong.
func ParseDuration(s string) (time.Duration, error) {
	d, err := parseDuration(s)
	return d.length, err
}

type component struct {
	letter byte
	unit   time.Duration
}

var (
	dateComponents = []component{{'Y', year}, {'M', month}, {'W', week}, {'D', day}}
	timeComponents = []component{{'H', time.Hour}, {'M', time.Minute}, {'S', time.Second}}
)

func parseDuration(s string) (duration, error) {
	rest, ok := strings.CutPrefix(s, "P")
	if !ok || rest == "" {
		return duration{}, badDuration(s, "it does not begin with P and an amount")
	}
	var d duration
	date, clock, hasClock := strings.Cut(rest, "T")
	fraction := false
	if err := d.add(s, date, dateComponents, &fraction); err != nil {
		return duration{}, err
	}
	if !hasClock {
		return d, nil
	}
	if clock == "" {
		return duration{}, badDuration(s, "nothing follows the T")
	}
	if err := d.add(s, clock, timeComponents, &fraction); err != nil {
		return duration{}, err
	}
	return d, nil
}

// add reads the amounts of the date or of the time of day.
func (d *duration) add(whole, s string, units []component, fraction *bool) error {
	for s != "" {
		n := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if n <= 0 {
			return badDuration(whole, "an amount or its letter is missing")
		}
		for len(units) > 0 && units[0].letter != s[n] {
			units = units[1:]
		}
		if len(units) == 0 {
			return badDuration(whole, "the letter "+strconv.QuoteRune(rune(s[n]))+" is unknown there, twice or out of order")
		}
		if *fraction {
			return badDuration(whole, "only the last amount may have a fraction")
		}
		length, ok := amount(s[:n], units[0].unit, fraction)
		if !ok {
			return badDuration(whole, "the amount "+s[:n]+" is not a number, or too large")
		}
		if length > math.MaxInt64-d.length {
			return badDuration(whole, "it is too large")
		}
		d.length += length
		switch {
		case *fraction:
			d.special = "the C agent reads no fractions"
		case units[0].letter == 'W':
			d.special = "original agents read no weeks"
		case units[0].unit == year:
			d.special = "the C agent reads years wrongly"
		}
		units = units[1:]
		s = s[n+1:]
	}
	return nil
}

// amount returns what a number of units lasts.
func amount(s string, unit time.Duration, fraction *bool) (time.Duration, bool) {
	whole, decimals, has := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n > math.MaxInt64/int64(unit) {
		return 0, false
	}
	length := time.Duration(n) * unit
	if !has {
		return length, true
	}
	*fraction = true
	// Decimals beyond the 18th are less than a nanosecond, even of a year.
	decimals = decimals[:min(len(decimals), 18)]
	part, ok := part(decimals, unit)
	if !ok || part > math.MaxInt64-length {
		return 0, false
	}
	return length + part, true
}

// part returns what 0.decimals of a unit lasts, cut to nanoseconds.
func part(decimals string, unit time.Duration) (time.Duration, bool) {
	n, err := strconv.ParseUint(decimals, 10, 64)
	if err != nil {
		return 0, false
	}
	scale := uint64(1)
	for range decimals {
		scale *= 10
	}
	high, low := bits.Mul64(n, uint64(unit))
	q, _ := bits.Div64(high, low, scale)
	return time.Duration(q), true
}

func badDuration(s, why string) error {
	return tvilling.Errorf(tvilling.InvalidArgument, "%s is not an ISO 8601 duration such as PT7M or P1DT12H: %s.", strconv.Quote(cut(s)), why)
}

// FormatDuration writes a duration as ISO 8601 has it, in days, hours, minutes
// and seconds. It must not be negative.
func FormatDuration(d time.Duration) string {
	if d <= 0 {
		return "PT0S"
	}
	b := []byte{'P'}
	write := func(n time.Duration, letter byte) {
		if n > 0 {
			b = strconv.AppendInt(b, int64(n), 10)
			b = append(b, letter)
		}
	}
	write(d/day, 'D')
	if d %= day; d == 0 {
		return string(b)
	}
	b = append(b, 'T')
	write(d/time.Hour, 'H')
	write(d%time.Hour/time.Minute, 'M')
	d %= time.Minute
	fraction := d % time.Second
	if fraction == 0 {
		write(d/time.Second, 'S')
		return string(b)
	}
	b = strconv.AppendInt(b, int64(d/time.Second), 10)
	digits := strconv.FormatInt(int64(time.Second+fraction), 10)[1:]
	b = append(b, '.')
	b = append(b, strings.TrimRight(digits, "0")...)
	return string(append(b, 'S'))
}

// cut shortens a text that is told to people.
func cut(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
