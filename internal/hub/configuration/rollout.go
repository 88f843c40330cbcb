package configuration

import (
	"encoding"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
)

// Rollout applies a configuration in steps. Its JSON form is a member
// "rollout" of a configuration, an extension of ours:
//
//	{"steps":[{"count":10},{"percent":25}],"wait":"PT30M",
//	 "unhealthy":"properties.reported.fw.failed = true","limit":{"percent":2},
//	 "onUnhealthy":"rollback"}
type Rollout struct {
	// Steps come one after the other; after the last of them come all twins
	// that are left. No steps at all is no rollout.
	Steps []Step `json:"steps"`
	// Wait is how long a step that is finished is watched before the next.
	Wait Duration `json:"wait,omitempty"`
	// Unhealthy is a condition over twins of the targeted kind that have the
	// configuration applied, "" for none.
	Unhealthy string `json:"unhealthy,omitempty"`
	// Limit is how many of them may be unhealthy, none if it is zero.
	Limit Share `json:"limit,omitzero"`
	// OnUnhealthy is what happens when more are: [Halt] (also if empty) or [RollBack].
	OnUnhealthy Reaction `json:"onUnhealthy,omitempty"`
}

// Step says to how many of the targeted twins a rollout has come when the step
// is finished, those of the steps before included.
type Step = Share

// Share is a number of twins, or a part of them in percent. One of the two is
// set. A step in percent is rounded up, so that one of a small fleet is not empty.
type Share struct {
	Percent float64 `json:"percent,omitempty"`
	Count   int     `json:"count,omitempty"`
}

// of returns how many of n twins a share is.
func (s Share) of(n int64) int64 {
	if s.Percent == 0 {
		return min(int64(s.Count), n)
	}
	whole := int64(s.Percent * float64(n) / 100)
	if float64(whole) < s.Percent*float64(n)/100 {
		whole++
	}
	return min(whole, n)
}

// exceeded reports whether n of all twins are more than the share. Nothing is
// rounded: with 2 percent, 1 of 10 are too many.
func (s Share) exceeded(n, all int64) bool {
	if s.Percent == 0 {
		return n > int64(s.Count)
	}
	return float64(n)*100 > s.Percent*float64(all)
}

// String is the share as people read it.
func (s Share) String() string {
	if s.Percent == 0 {
		return strconv.Itoa(s.Count)
	}
	return strconv.FormatFloat(s.Percent, 'f', -1, 64) + "%"
}

// Reaction is what a rollout does when too many twins are unhealthy.
type Reaction string

// The reactions.
const (
	Halt     Reaction = "halt"     // go no further, leave what is applied
	RollBack Reaction = "rollback" // remove what the configuration wrote, everywhere
)

// MaxSteps bounds the steps of a rollout.
const MaxSteps = 20

// Duration is a time span, written as ISO 8601 in text: "PT30M", "P1DT12H".
type Duration time.Duration

var (
	_ encoding.TextMarshaler   = Duration(0)
	_ encoding.TextUnmarshaler = new(Duration)
)

// MarshalText writes d in days, hours, minutes and seconds.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String returns the text of d.
func (d Duration) String() string {
	if d <= 0 {
		return "PT0S"
	}
	left := time.Duration(d)
	b := []byte{'P'}
	if days := left / (24 * time.Hour); days > 0 {
		b = append(strconv.AppendInt(b, int64(days), 10), 'D')
		left %= 24 * time.Hour
	}
	if left == 0 {
		return string(b)
	}
	b = append(b, 'T')
	for _, unit := range []struct {
		of   time.Duration
		name byte
	}{{time.Hour, 'H'}, {time.Minute, 'M'}} {
		if n := left / unit.of; n > 0 {
			b = append(strconv.AppendInt(b, int64(n), 10), unit.name)
			left %= unit.of
		}
	}
	if left > 0 {
		b = append(strconv.AppendFloat(b, left.Seconds(), 'f', -1, 64), 'S')
	}
	return string(b)
}

// UnmarshalText reads days, hours, minutes and seconds; years and months have
// no fixed length and are refused.
func (d *Duration) UnmarshalText(text []byte) error {
	bad := tvilling.Errorf(tvilling.InvalidArgument, "%.40q is not a duration such as PT30M, PT12H or P1D.", text)
	rest, ok := strings.CutPrefix(string(text), "P")
	if !ok || rest == "" {
		return bad
	}
	units := []struct {
		of   time.Duration
		name byte
	}{{7 * 24 * time.Hour, 'W'}, {24 * time.Hour, 'D'}, {time.Hour, 'H'}, {time.Minute, 'M'}, {time.Second, 'S'}}
	var sum float64
	clock := false
	for rest != "" {
		if rest[0] == 'T' && !clock {
			clock, rest = true, rest[1:]
			if rest == "" {
				return bad
			}
			units = units[len(units)-min(len(units), 3):]
			continue
		}
		n := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if n <= 0 {
			return bad
		}
		value, err := strconv.ParseFloat(rest[:n], 64)
		if err != nil {
			return bad
		}
		i := 0
		for i < len(units) && (units[i].name != rest[n] || (units[i].of < 24*time.Hour) != clock) {
			i++
		}
		if i == len(units) {
			return bad
		}
		sum += value * float64(units[i].of)
		units, rest = units[i+1:], rest[n+1:]
	}
	const most = 366 * 24 * time.Hour
	if sum > float64(most) {
		return tvilling.Errorf(tvilling.InvalidArgument, "The duration %.40q is longer than a year.", text)
	}
	*d = Duration(sum)
	return nil
}
