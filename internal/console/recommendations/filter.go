package recommendations

import (
	"net/url"
	"slices"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// filter selects recommendations. It is part of the address.
type filter struct {
	Type, Device string
	Severity     []string
	// State is "active", "resolved" or "all".
	State string
	// ByDevice lists recommendations one by one, not their types.
	ByDevice bool
}

var severities = []string{"high", "medium", "low", "informational"}

// parse reads a filter; what cannot be read is an error with the parameter as
// its path.
func parse(q url.Values) (f filter, err error) {
	bad := func(path, format string, args ...any) {
		if err == nil {
			e := tvilling.Errorf(tvilling.InvalidArgument, format, args...)
			e.Path = path
			err = e
		}
	}
	f.Type, f.Device, f.State = strings.TrimSpace(q.Get("type")), strings.TrimSpace(q.Get("device")), q.Get("state")
	if len(f.Type) > 256 {
		bad("type", "The text may have at most 256 bytes.")
		f.Type = ""
	}
	if f.Device != "" {
		if e := tvilling.CheckID(f.Device); e != nil {
			bad("device", "%s", tvilling.MessageOf(e))
		}
	}
	for _, v := range q["severity"] {
		for w := range strings.SplitSeq(v, ",") {
			switch {
			case w == "" || slices.Contains(f.Severity, w):
			case slices.Contains(severities, w):
				f.Severity = append(f.Severity, w)
			default:
				bad("severity", "There is no severity %q; there is %s.", w, strings.Join(severities, ", "))
			}
		}
	}
	switch f.State {
	case "":
		f.State = string(ledger.Active)
	case string(ledger.Active), string(ledger.Mended), "all":
	default:
		bad("state", "There is no state %q; there is active, resolved and all.", f.State)
		f.State = string(ledger.Active)
	}
	f.ByDevice = q.Get("view") == "devices" || f.Device != ""
	return f, err
}

// query is the filter as part of an address.
func (f filter) query() url.Values {
	q := url.Values{}
	if f.Type != "" {
		q.Set("type", f.Type)
	}
	if f.Device != "" {
		q.Set("device", f.Device)
	} else if f.ByDevice {
		q.Set("view", "devices")
	}
	if len(f.Severity) > 0 {
		q.Set("severity", strings.Join(f.Severity, ","))
	}
	if f.State != string(ledger.Active) {
		q.Set("state", f.State)
	}
	return q
}

func (f filter) ledger() ledger.RecommendationFilter {
	out := ledger.RecommendationFilter{Device: tvilling.DeviceID(f.Device), Type: f.Type}
	if f.State != "all" {
		out.State = ledger.State(f.State)
	}
	for _, s := range f.Severity {
		if v, ok := ledger.ParseSeverity(s); ok {
			out.Severity = append(out.Severity, v)
		}
	}
	return out
}

// choice is one of several lists, as a link.
type choice struct {
	Text, Href string
	Current    bool
}

// States are the lists by state.
func (f filter) States(parts ...any) []choice {
	var list []choice
	for _, s := range []struct{ state, text string }{{"active", "Active"}, {"resolved", "Resolved"}, {"all", "All"}} {
		g := f
		g.State = s.state
		list = append(list, choice{s.text, ui.URL(append(parts, g.query())...), f.State == s.state})
	}
	return list
}

// Severities are the lists by severity.
func (f filter) Severities(parts ...any) []choice {
	g := f
	g.Severity = nil
	list := []choice{{"Any severity", ui.URL(append(parts, g.query())...), len(f.Severity) == 0}}
	for _, s := range severities[:3] {
		g.Severity = []string{s}
		list = append(list, choice{strings.ToUpper(s[:1]) + s[1:], ui.URL(append(parts, g.query())...), slices.Equal(f.Severity, g.Severity)})
	}
	return list
}
