package agentconfig_test

import (
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for s, want := range map[string]time.Duration{
		"PT7M": 7 * time.Minute, "PT5H": 5 * time.Hour, "PT13H": 13 * time.Hour, "PT60M": time.Hour, "PT0S": 0, "PT007M": 7 * time.Minute,
		"P1D": day, "P1DT12H": 36 * time.Hour, "P2W": 14 * day, "P1M": 30 * day, "P1Y": 365 * day, "P1Y2M3W4DT5H6M7S": 365*day + 60*day + 21*day + 4*day + 5*time.Hour + 6*time.Minute + 7*time.Second,
		"PT0.5S": 500 * time.Millisecond, "PT1.5H": 90 * time.Minute, "P0.5D": 12 * time.Hour, "P0.5Y": 4380 * time.Hour, "PT1H0.25M": time.Hour + 15*time.Second,
		"PT0.000000001S": 1, "PT0.0000000019S": 1, "PT0.1234567890123456789012345S": 123456789,
		"PT9223372036.854775807S": math.MaxInt64, "P106751D": 106751 * day,
	} {
		got, err := agentconfig.ParseDuration(s)
		if err != nil || got != want {
			t.Errorf("%s = %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", "P", "PT", "T1H", "1H", "P1", "PT1", "PTH", "P1H", "PT1D", "PT1Y", "-PT1H", "P-1D", "+PT1H", "pt1h", "PT1h", "PT1H ", " PT1H",
		"PT1M1H", "PT1H1H", "P1D1Y", "P1DT", "P1DT1HT1M", "PT1.5H1M", "P1.5DT1H", "PT1.S", "PT.5S", "PT1.2.3S", "PT1,5S", "PT1é", "PT1\u0660M",
		"PT9223372036.854775808S", "P106752D", "P293Y", "PT99999999999999999999S", "P1Y\x00",
	} {
		got, err := agentconfig.ParseDuration(s)
		if tvilling.CodeOf(err) != tvilling.InvalidArgument || got != 0 {
			t.Errorf("%q = %s, %v, want it refused", s, got, err)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "PT0S", -time.Hour: "PT0S", 7 * time.Minute: "PT7M", time.Hour: "PT1H", 24 * time.Hour: "P1D", 36 * time.Hour: "P1DT12H", 90 * time.Second: "PT1M30S",
		1: "PT0.000000001S", 1500 * time.Millisecond: "PT1.5S", time.Minute + 500*time.Millisecond: "PT1M0.5S", math.MaxInt64: "P106751DT23H47M16.854775807S",
	} {
		if got := agentconfig.FormatDuration(d); got != want {
			t.Errorf("format of %d = %s, want %s", d, got, want)
		}
	}
}

// pattern is that of the published schema, with its look-aheads taken out.
var pattern = regexp.MustCompile(`^P((\d+Y)|(\d+\.\d+Y$))?((\d+M)|(\d+\.\d+M$))?((\d+W)|(\d+\.\d+W$))?((\d+D)|(\d+\.\d+D$))?(T((\d+H)|(\d+\.\d+H$))?((\d+M)|(\d+\.\d+M$))?(\d+(\.\d+)?S)?)?$`)

// FuzzDuration: what is read matches the published pattern, and the other way
// round unless it is too large; and it can be written and read again.
func FuzzDuration(f *testing.F) {
	for _, s := range []string{"PT7M", "P1Y2M3W4DT5H6M7.5S", "P0.5D", "PT", "P1DT", "PT1.5H1M", "P106752D", "PT0.1234567890123456789S"} {
		f.Add(s, int64(len(s)))
	}
	f.Fuzz(func(t *testing.T, s string, n int64) {
		d, err := agentconfig.ParseDuration(s)
		matches := pattern.MatchString(s) && s != "P" && !strings.HasSuffix(s, "T")
		if err == nil && !matches {
			t.Fatalf("%q was taken", s)
		}
		if err != nil && matches && !strings.Contains(err.Error(), "too large") {
			t.Fatalf("%q was refused: %v", s, err)
		}
		for _, d := range []time.Duration{d, time.Duration(max(n, 0))} {
			text := agentconfig.FormatDuration(d)
			if again, err := agentconfig.ParseDuration(text); err != nil || again != d {
				t.Fatalf("%d is written %s and read %d, %v", d, text, again, err)
			}
		}
	})
}
