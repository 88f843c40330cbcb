package investigate

import (
	"net/url"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
)

// span is a range of time that ends now.
type span struct {
	Name, Text string
	length     time.Duration
}

// spans are those that pages offer.
var spans = []span{
	{"1h", "Last hour", time.Hour},
	{"24h", "Last 24 hours", 24 * time.Hour},
	{"7d", "Last 7 days", 7 * 24 * time.Hour},
	{"30d", "Last 30 days", 30 * 24 * time.Hour},
	{"all", "Any time", 0},
	{"exact", "Between two times", 0},
}

// scope is whose events of which time a page is about.
type scope struct {
	Device string
	// Range is the name of a span; "exact" if From and To are as they were asked for.
	Range    string
	From, To time.Time
	// fallback is the range that the page has without one in its address.
	fallback string
}

// readScope reads device, range, from and to out of an address.
func readScope(c *web.Call, fallback string, now time.Time) (scope, error) {
	s := scope{Device: c.Query("device"), Range: c.Query("range"), fallback: fallback}
	if s.Device != "" {
		if err := tvilling.CheckID(s.Device); err != nil {
			return s, err
		}
	}
	from, to := c.Query("from"), c.Query("to")
	if s.Range == "" || s.Range == "exact" {
		s.Range = fallback
		if from != "" || to != "" {
			s.Range = "exact"
		}
	}
	if s.Range == "exact" {
		var err error
		if s.From, err = readTime("from", from); err != nil {
			return s, err
		}
		if s.To, err = readTime("to", to); err != nil {
			return s, err
		}
		if !s.From.IsZero() && !s.To.IsZero() && !s.From.Before(s.To) {
			return s, problem("to", "The end of the time must be after its beginning.")
		}
		return s, nil
	}
	for _, p := range spans {
		if p.Name == s.Range {
			if p.length > 0 {
				s.From = now.Add(-p.length)
			}
			return s, nil
		}
	}
	return s, problem("range", "There is no such range of time; there are 1h, 24h, 7d, 30d, all and exact.")
}

func problem(path, message string) error {
	return &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read address", Path: path, Message: message}
}

// readTime reads a time as links have it, or as browsers send it.
func readTime(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, problem(name, "A time is written as 2026-01-31T14:05:00, in UTC.")
}

// values are the scope as parameters of an address.
func (s scope) values() url.Values {
	v := url.Values{}
	set(v, "device", s.Device)
	if s.Range != s.fallback || s.Range == "24h" {
		set(v, "range", s.Range)
	}
	if s.Range == "exact" {
		v.Del("range")
		if !s.From.IsZero() {
			v.Set("from", s.From.Format(time.RFC3339Nano))
		}
		if !s.To.IsZero() {
			v.Set("to", s.To.Format(time.RFC3339Nano))
		}
	}
	return v
}

// TimeValues are the parameters of an address that say which time.
func (s scope) TimeValues() url.Values {
	v := s.values()
	v.Del("device")
	return v
}

// Spans are the ranges that the page offers.
func (s scope) Spans() []span { return spans }

// Local is a time as a field for times has it.
func (s scope) Local(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05")
}

// Words say which time it is, to go behind "in".
func (s scope) Words() string {
	for _, p := range spans {
		if p.Name == s.Range && p.length > 0 {
			return "the " + strings.ToLower(p.Text[:1]) + p.Text[1:]
		}
	}
	if s.Range == "exact" {
		return "that time"
	}
	return "the whole time"
}

// end is where the time ends.
func (s scope) end(now time.Time) time.Time {
	if s.To.IsZero() {
		return now
	}
	return s.To
}

func set(v url.Values, name, value string) {
	if value != "" {
		v.Set(name, value)
	}
}

// address is a page of this area by its path, with parameters.
func address(path string, v url.Values) string {
	var parts []any
	for p := range strings.SplitSeq(path, "/") {
		parts = append(parts, p)
	}
	return ui.URL(append(parts, v)...)
}

// around is the time around a moment, five minutes to both sides.
func around(device string, t time.Time) url.Values {
	v := url.Values{"from": {t.Add(-5 * time.Minute).UTC().Format(time.RFC3339Nano)}, "to": {t.Add(5 * time.Minute).UTC().Format(time.RFC3339Nano)}}
	set(v, "device", device)
	return v
}
