package alerts

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// filter selects alerts. It is part of every address of these pages.
type filter struct {
	// Status is what was asked for: "open", "all", or statuses.
	Status   []string
	Severity []string
	Type     string
	Device   string
	Owner    string
	// Text is looked for in titles and causes.
	Text string
	// From and To bound when alerts were raised.
	From, To time.Time
}

const (
	openOnes = "open"
	all      = "all"
	// maxText is the longest text of a filter.
	maxText = 256
)

var (
	statuses   = []string{string(ledger.New), string(ledger.Acknowledged), string(ledger.InProgress), string(ledger.Resolved), string(ledger.Dismissed)}
	severities = []string{"high", "medium", "low", "informational"}
)

// parse reads a filter from an address. What cannot be read is an error with
// the parameter as its path; the rest of the filter is there nonetheless.
func parse(q url.Values) (f filter, err error) {
	bad := func(path, format string, args ...any) {
		if err == nil {
			e := tvilling.Errorf(tvilling.InvalidArgument, format, args...)
			e.Path = path
			err = e
		}
	}
	words := func(name string, known []string) (list []string) {
		for _, v := range q[name] {
			for w := range strings.SplitSeq(v, ",") {
				switch {
				case w == "" || slices.Contains(list, w):
				case slices.Contains(known, w):
					list = append(list, w)
				default:
					bad(name, "There is no %s %q; there is %s.", name, w, strings.Join(known, ", "))
				}
			}
		}
		return list
	}
	text := func(name string) string {
		s := strings.TrimSpace(q.Get(name))
		if len(s) > maxText {
			bad(name, "The text may have at most %d bytes.", maxText)
			return ""
		}
		return s
	}
	at := func(name string) (t time.Time) {
		s := q.Get(name)
		if s == "" {
			return t
		}
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04", "2006-01-02T15:04:05", time.DateOnly} {
			if t, err := time.Parse(layout, s); err == nil && t.Year() >= 1970 && t.Year() < 2200 {
				return t.UTC()
			}
		}
		bad(name, "%q is no time; write it as 2026-01-31T12:00 (UTC), between 1970 and 2200.", s)
		return t
	}
	f.Status = words("status", append([]string{openOnes, all}, statuses...))
	f.Severity = words("severity", severities)
	f.Type, f.Device, f.Owner, f.Text = text("type"), text("device"), text("owner"), text("text")
	f.From, f.To = at("from"), at("to")
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		bad("to", "The time must be after from.")
	}
	if f.Device != "" {
		if e := tvilling.CheckID(f.Device); e != nil {
			bad("device", "%s", tvilling.MessageOf(e))
		}
	}
	return f.plain(), err
}

// plain has no status where that is what is meant anyway.
func (f filter) plain() filter {
	if slices.Contains(f.Status, all) {
		f.Status = []string{all}
		return f
	}
	has := func(list ...ledger.Status) bool {
		for _, s := range list {
			if !slices.Contains(f.Status, string(s)) {
				return false
			}
		}
		return true
	}
	opened := has(openOnes) || has(ledger.New, ledger.Acknowledged, ledger.InProgress)
	closed := has(ledger.Resolved, ledger.Dismissed)
	switch {
	case opened && closed:
		f.Status = []string{all}
	case opened && !has(ledger.Resolved) && !has(ledger.Dismissed):
		f.Status = nil
	}
	return f
}

// query is the filter as part of an address.
func (f filter) query() url.Values {
	q := url.Values{}
	set := func(name, v string) {
		if v != "" {
			q.Set(name, v)
		}
	}
	set("status", strings.Join(f.Status, ","))
	set("severity", strings.Join(f.Severity, ","))
	set("type", f.Type)
	set("device", f.Device)
	set("owner", f.Owner)
	set("text", f.Text)
	stamp := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(time.RFC3339Nano)
	}
	set("from", stamp(f.From))
	set("to", stamp(f.To))
	return q
}

// ledger is the filter as the ledger knows it: without the text.
func (f filter) ledger() ledger.AlertFilter {
	out := ledger.AlertFilter{Device: tvilling.DeviceID(f.Device), Type: f.Type, Owner: f.Owner, RaisedFrom: f.From, RaisedTo: f.To}
	for _, s := range f.Severity {
		if v, ok := ledger.ParseSeverity(s); ok {
			out.Severity = append(out.Severity, v)
		}
	}
	list := f.Status
	if len(list) == 0 {
		list = []string{openOnes}
	}
	for _, s := range list {
		switch s {
		case all:
			return withStatus(out)
		case openOnes:
			out = withStatus(out, ledger.New, ledger.Acknowledged, ledger.InProgress)
		default:
			out = withStatus(out, ledger.Status(s))
		}
	}
	return out
}

func withStatus(f ledger.AlertFilter, list ...ledger.Status) ledger.AlertFilter {
	if list == nil {
		f.Status = nil
	}
	for _, s := range list {
		if !slices.Contains(f.Status, s) {
			f.Status = append(f.Status, s)
		}
	}
	return f
}

// chip is a condition of the filter with the address of the list without it.
type chip struct{ Name, Value, Without string }

// chips are the conditions of the filter in words.
func (f filter) chips() []chip {
	var list []chip
	add := func(parameter, name, value string) {
		if value == "" {
			return
		}
		q := f.query()
		q.Del(parameter)
		if parameter == "status" {
			q.Set("status", all)
		}
		list = append(list, chip{name, value, ui.URL("alerts", q)})
	}
	status := openOnes
	if len(f.Status) > 0 {
		status = ""
		if f.Status[0] != all {
			status = strings.Join(words(f.Status), ", ")
		}
	}
	add("status", "State is", status)
	add("severity", "Severity is", strings.Join(f.Severity, ", "))
	add("type", "Type is", f.Type)
	add("device", "Device is", f.Device)
	add("owner", "Owner is", f.Owner)
	add("text", "Says", f.Text)
	if !f.From.IsZero() {
		add("from", "Raised from", f.From.Format("2 Jan 2006 15:04:05"))
	}
	if !f.To.IsZero() {
		add("to", "Raised before", f.To.Format("2 Jan 2006 15:04:05"))
	}
	return list
}

// statusWord is a status as people say it.
func statusWord(s ledger.Status) string {
	switch s {
	case ledger.New:
		return "New"
	case ledger.Acknowledged:
		return "Acknowledged"
	case ledger.InProgress:
		return "In progress"
	case ledger.Resolved:
		return "Resolved"
	case ledger.Dismissed:
		return "Dismissed"
	default:
		return string(s)
	}
}

func words(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.ToLower(statusWord(ledger.Status(s)))
	}
	return out
}

// view is a filter that many ask for, under a name.
type view struct {
	Text, Href string
	Current    bool
}

// views are the filters that are offered to a user.
func (f filter) views(user string) []view {
	list := []struct {
		text string
		filter
	}{
		{"Open", filter{}},
		{"High", filter{Severity: []string{"high"}}},
		{"Mine", filter{Owner: user}},
		{"Dismissed", filter{Status: []string{string(ledger.Dismissed)}}},
		{"All", filter{Status: []string{all}}},
	}
	out := make([]view, len(list))
	for i, v := range list {
		q := v.query()
		out[i] = view{v.text, ui.URL("alerts", q), q.Encode() == f.query().Encode()}
	}
	return out
}
