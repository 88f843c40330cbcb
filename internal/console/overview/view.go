package overview

import (
	"fmt"
	"html/template"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/security/fleet"
)

// view is what the page shows.
type view struct {
	*fleet.Figures

	Span  span
	Spans []spanLink
	Chart chart
	Cells []cell
	Bar   []segment
	// Modules is how many devices have a security module, Without how many have
	// none.
	Modules, Without int64
	// Connected is how many devices are.
	Connected int64
	// Score and Change are in whole points; Line is the score of the range.
	Score     *int
	Change    string
	ScoreLine []float64
	Parts     []part

	FrequentAlerts, FrequentAdvice []frequent
	Open, Active                   int64
	Agents                         []agentRow
	Versions                       []versionRow
	Refused                        []named
	RefusedAll                     int64
	Shed                           []named
	ShedAll                        int64
	Calm                           bool
	Lists                          lists
}

type spanLink struct {
	span
	Href    string
	Current bool
}

// cell is a state with its devices.
type cell struct {
	State, Href, Note, Change string
	N                         int64
}

// segment is a part of the bar of states, in thousandths of its width.
type segment struct {
	Class    string
	X, Width int
}

// part is what one side takes from the score.
type part struct {
	Name, Points, Href string
}

type frequent struct {
	fleet.Type
	Href string
}

type agentRow struct {
	Label template.HTML
	N     int64
	Href  string
}

type versionRow struct {
	Version, Href string
	N             int64
}

type named struct {
	Name string
	N    int64
}

// lists are the addresses of lists that the page links to.
type lists struct{ Devices, Affected, Connected, OpenAlerts, Recommendations, DeadLetters, Hub, Events string }

// devicesWhere is the list of devices with a condition.
func devicesWhere(condition string) string { return ui.URL("devices", url.Values{"q": {condition}}) }

// devicesOf is the list of devices that a figure stands for.
func devicesOf(figure string) string { return devicesWhere(fleet.Conditions()[figure]) }

func (p *overview) view(f *fleet.Figures, s span) *view {
	v := &view{Figures: f, Span: s, Chart: chartOf(f, s), Lists: lists{
		Devices: ui.URL("devices"), Affected: devicesOf("affected"), Connected: devicesOf("connected"),
		OpenAlerts: ui.URL("alerts"), Recommendations: ui.URL("recommendations"), DeadLetters: ui.URL("settings", "deadletters"),
		Hub: ui.URL("settings"), Events: ui.URL("investigate"),
	}}
	for _, o := range spans {
		v.Spans = append(v.Spans, spanLink{o, ui.URL("overview", o.query()), o == s})
	}
	v.states()
	v.score()
	for _, n := range f.Alerts {
		v.Open += n
	}
	for _, n := range f.Recommendations {
		v.Active += n
	}
	for _, t := range f.TopTypes[:min(5, len(f.TopTypes))] {
		v.FrequentAlerts = append(v.FrequentAlerts, frequent{t, ui.URL("alerts", url.Values{"type": {t.Type}, "status": {"open"}})})
	}
	for _, t := range f.TopRecommendations[:min(5, len(f.TopRecommendations))] {
		v.FrequentAdvice = append(v.FrequentAdvice, frequent{t, ui.URL("recommendations", t.Type)})
	}
	v.agents()
	v.traffic()
	v.Calm = f.States != nil && v.Affected != nil && v.Affected.All == 0 && v.Open == 0 && f.Alerts != nil && f.States["healthy"] > 0
	return v
}

var stateNotes = []struct{ state, class, note string }{
	{"unhealthy", "f-high", "open high alert, or under 40 points"},
	{"atRisk", "f-medium", "weak, no high alert open"},
	{"healthy", "f-ok", "nothing to do"},
	{"unknown", "f-unknown", "agent not heard"},
}

// states fills the bar of states and their cells.
func (v *view) states() {
	if v.States == nil {
		return
	}
	for _, n := range v.States {
		v.Modules += n
	}
	if v.Registered != nil {
		v.Without = max(0, *v.Registered-v.Modules)
	}
	before := v.Before(24)
	x := 0
	for _, s := range stateNotes {
		n := v.States[s.state]
		c := cell{State: s.state, Href: devicesOf(s.state), Note: s.note, N: n}
		if before != nil {
			was := map[string]int64{"unhealthy": before.Unhealthy, "atRisk": before.AtRisk, "healthy": before.Healthy, "unknown": before.Unknown}[s.state]
			c.Change = change(n-was, "more", "fewer")
		}
		if s.state == "healthy" && v.Modules > 0 {
			c.Note = ui.Percent(n, v.Modules) + " of the fleet"
		}
		v.Cells = append(v.Cells, c)
		if n == 0 {
			continue
		}
		// What is there is seen, however little it is.
		width := max(6, int(float64(n)/float64(v.Modules)*994))
		v.Bar = append(v.Bar, segment{s.class, x, width})
		x += width + 2
	}
	if x > 1000 { // the widest gives way
		widest := 0
		for i := range v.Bar {
			if v.Bar[i].Width > v.Bar[widest].Width {
				widest = i
			}
		}
		over := x - 2 - 1000
		v.Bar[widest].Width -= over
		for i := widest + 1; i < len(v.Bar); i++ {
			v.Bar[i].X -= over
		}
	}
}

// change says a difference since yesterday; "" if there is none.
func change(d int64, more, fewer string) string {
	switch {
	case d > 0:
		return ui.Count(d) + " " + more + " than yesterday"
	case d < 0:
		return ui.Count(-d) + " " + fewer + " than yesterday"
	default:
		return "as many as yesterday"
	}
}

// score fills what is said of the score.
func (v *view) score() {
	now := time.Duration(v.Span.Bars*v.Span.Each) * time.Hour
	begin := v.At.Truncate(time.Hour).Add(-now)
	byHour := make(map[time.Time]float64)
	for _, p := range v.Trend {
		if p.Score != nil {
			byHour[p.Hour] = *p.Score
		}
	}
	if len(byHour) > 1 {
		// As many points as the line has room for.
		step := max(1, int(now/time.Hour)/48)
		for i := 0; i <= int(now/time.Hour); i += step {
			score, ok := byHour[begin.Add(time.Duration(i)*time.Hour)]
			if !ok {
				score = math.NaN()
			}
			v.ScoreLine = append(v.ScoreLine, score)
		}
	}
	s := v.Figures.Score
	if s == nil {
		return
	}
	whole := int(s.Value)
	v.Score = &whole
	if before := v.Before(24); before != nil && before.Score != nil {
		switch d := whole - int(*before.Score); {
		case d > 0:
			v.Change = fmt.Sprintf("%d higher than yesterday", d)
		case d < 0:
			v.Change = fmt.Sprintf("%d lower than yesterday", -d)
		default:
			v.Change = "As yesterday"
		}
	}
	v.Parts = []part{
		{"Open alerts", points(s.Alerts), ui.URL("alerts")},
		{"Active recommendations", points(s.Recommendations), ui.URL("recommendations")},
		{"Agents not heard", points(s.Agent), devicesOf("silent")},
	}
}

// points are what a side takes from a score, with a true minus.
func points(n float64) string {
	if n > -0.05 {
		return "0"
	}
	return "−" + strconv.FormatFloat(-n, 'f', 1, 64)
}

func (v *view) agents() {
	a := v.Figures.Agents
	if a == nil {
		return
	}
	// Colour is for what is there.
	alarm := func(n int64) string {
		if n == 0 {
			return "none"
		}
		return "apart"
	}
	v.Agents = []agentRow{
		{ui.Sync("inSync"), a.InSync, devicesOf("inSync")},
		{agentLabel(alarm(a.Differs), "differs", "Out of sync"), a.Differs, devicesOf("differs")},
		{agentLabel(alarm(a.Silent), "none", "Silent for over "+ui.Lasts(a.Silence)), a.Silent, devicesOf("silent")},
		{agentLabel("none", "none", "Never reported"), a.Never, devicesOf("never")},
		{agentLabel("none", "none", "Settings not reported"), a.NotReported, devicesOf("notReported")},
	}
	for _, x := range a.Versions {
		v.Versions = append(v.Versions, versionRow{x.Version, devicesWhere("modules.security.agent.version = " + literal(x.Version)), x.Count})
	}
}

func agentLabel(class, icon, text string) template.HTML {
	return template.HTML(`<span class="sync `+template.HTMLEscapeString(class)+`">`) + ui.Icon(icon) + template.HTML(template.HTMLEscapeString(text)+`</span>`) //nolint:gosec // escaped
}

// literal is a text in a query.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func (v *view) traffic() {
	t := v.Figures.Traffic
	if t == nil {
		return
	}
	if t.Connected != nil {
		v.Connected = *t.Connected
	}
	v.Refused, v.RefusedAll = sorted(t.Refused)
	v.Shed, v.ShedAll = sorted(t.Shed)
}

func sorted(by map[string]int64) (list []named, all int64) {
	for name, n := range by {
		list = append(list, named{name, n})
		all += n
	}
	slices.SortFunc(list, func(a, b named) int {
		if a.N != b.N {
			return int(min(1, max(-1, b.N-a.N)))
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list, all
}

// Rate is messages or events in a second.
func (v *view) Rate(n *float64) string {
	switch {
	case n == nil:
		return "–"
	case *n == 0:
		return "0"
	case *n < 10:
		return strconv.FormatFloat(*n, 'f', 1, 64)
	default:
		return ui.Count(int64(math.Round(*n)))
	}
}

// AlertsOf is the list of a device's open alerts of a severity.
func (v *view) AlertsOf(d fleet.Device, severity string) template.HTML {
	return ui.SeverityCounted(severity, d.Alerts[severity], ui.URL("alerts", url.Values{"device": {string(d.Device)}, "severity": {severity}, "status": {"open"}}))
}

// RaisedOf is the list of alerts of a severity that were raised in the range.
func (v *view) RaisedOf(severity string) string {
	each := time.Duration(v.Span.Each*v.Span.Bars) * time.Hour
	return alertsBetween(v.Chart.From, v.Chart.From.Add(each), severity)
}

// Place is the page of a device.
func (v *view) Place(d fleet.Device) string { return ui.URL("devices", d.Device) }

// SinceText is from when on the hub knows of alerts.
func (v *view) SinceText() string { return v.Since.UTC().Format("2 Jan 15:04") }
