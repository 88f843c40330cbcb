// Package gallery shows every component of the console in each of its states,
// and a list that tests can change while somebody looks. Tests serve it, to
// compare it with how it looked, and to try what scripts do; the hub does not.
package gallery

import (
	"context"
	"embed"
	"html/template"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
)

//go:embed *.html
var files embed.FS

var pages = ui.Parse(files)

// Row is one line of the list that tests change.
type Row struct{ ID, Text string }

// Options are the list.
type Options struct {
	Rows func() []Row
	// Changed has a value, or is closed, when rows may have changed.
	Changed func() <-chan struct{}
	// Posted is told of every form that was sent.
	Posted func(form map[string][]string)
}

// Path is where the gallery is; the list is at [List].
const (
	Path = ui.Root + "/-/gallery"
	List = ui.Root + "/-/list"
)

// Routes are the pages of this area.
func Routes(o Options) []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Path: "/-/gallery", Role: account.Viewer, Do: func(c *web.Call) error {
			return c.Page(web.View{Title: "Gallery", Nav: "devices", Crumbs: []web.Link{{Text: "Devices", Href: ui.URL("devices")}}, Template: pages, Name: "gallery", Data: Fixture()})
		}},
		{Method: http.MethodGet, Path: "/-/list", Role: account.Viewer, Do: func(c *web.Call) error {
			return c.Page(web.View{Title: "List", Live: ui.URL("live", "list"), Template: pages, Name: "list", Data: o.view(c.Query("page"))})
		}},
		{Method: http.MethodPost, Path: "/-/list", Role: account.Viewer, Do: func(c *web.Call) error {
			o.Posted(c.R.PostForm)
			return c.Redirect(List, "Sent.")
		}},
		{Method: http.MethodGet, Path: "/live/list", Role: account.Viewer, Stream: true, Do: func(c *web.Call) error {
			return c.Stream(web.Stream{Changed: []func() <-chan struct{}{o.Changed}, Fragments: func(context.Context) ([]web.Fragment, error) {
				rows, err := web.Render(pages, "rows", o.Rows())
				return []web.Fragment{{ID: "rows", HTML: rows}}, err
			}})
		}},
	}
}

type listView struct {
	Rows  []Row
	Page  string
	Pager web.Pager
}

func (o Options) view(page string) listView {
	v := listView{Rows: o.Rows(), Page: page, Pager: web.Pager{Next: List + "?page=2"}}
	if page != "" {
		v.Pager = web.Pager{Previous: List}
	}
	return v
}

// Sample is a text that a stranger wrote, with what is strange about it.
type Sample struct{ What, Text string }

// Hostile are texts that try to be more than text.
func Hostile() []Sample {
	return []Sample{
		{"Markup", `<img src=x onerror=alert(1)></td><script>alert(2)</script>`},
		{"Ways out of an attribute", `" onmouseover="alert(3)" x='`},
		{"Right-to-left override", "invoice\u202efdp.exe"},
		{"Isolates, never closed", "pump\u2067\u2067 0417"},
		{"Control characters", "sh -c \x1b[2J\x00\x08\nrm -rf /\r\t."},
		{"Zero width", "pump\u200b-0417"},
		{"Look-alike blanks", "pump\u00a00417\u3164"},
		{"Blanks at the edges", "  /usr/bin/sshd "},
		{"Not UTF-8", "caf\xe9 \xed\xa0\x80"},
		{"A tower of accents", "a" + strings.Repeat("\u0301", 40) + "b"},
		{"A flag and a family", "\U0001f1f8\U0001f1ea \U0001f468\u200d\U0001f469\u200d\U0001f467"},
		{"A real Arabic name", "مضخة 417"},
		{"A real Japanese name", "ポンプ四一七"},
		{"32 KB", strings.Repeat("A", 32<<10)},
	}
}

// Data is what the gallery shows.
type Data struct {
	Severities, States []string
	Hostile            []Sample
	Score, NoScore     *int
	Spark, NoSpark     []float64
	Chart              ui.Chart
	Then               time.Time
	Pager              web.Pager
	Problem            template.HTML
	Long               string
}

// Fixture is what the gallery shows, always the same.
func Fixture() Data {
	score := 64
	then := time.Date(2024, 11, 23, 14, 29, 58, 0, time.UTC)
	bars := make([]ui.Bar, 24)
	for i := range bars {
		h, m, l := int64(i%5)*int64(i%2), int64(i*7%11), int64(i*5%13)
		bars[i] = ui.Bar{
			Title: then.Add(time.Duration(i)*time.Hour).Format("15:04") + ": " + ui.Count(h) + " high, " + ui.Count(m) + " medium, " + ui.Count(l) + " low",
			Href:  Path, High: h, Medium: m, Low: l, Missing: i == 9 || i == 10,
		}
	}
	return Data{
		Severities: []string{"high", "medium", "low", "informational"},
		States:     []string{"unhealthy", "atRisk", "healthy", "unknown"},
		Hostile:    Hostile(), Score: &score,
		Spark:   []float64{1, 4, 2, 8, 5, math.NaN(), 7, 9, 3, 3, 12, 6},
		Chart:   ui.Chart{Label: "Alerts raised, by hour and severity", Bars: bars, Ticks: []string{"23 Nov 14:00", "20:00", "02:00", "08:00", "14:00"}},
		Then:    then,
		Pager:   web.Pager{Previous: "?", Next: "?after=c"},
		Problem: web.Problem(tvilling.Errorf(tvilling.InvalidArgument, "An interval has 1 minute to 24 hours; this is 30 hours.")),
		Long:    "eu-north-gothenburg-plant-2-line-3-station-14-pump-0417-secondary-controller-rev-c-" + strings.Repeat("0", 40) + "417",
	}
}

// HTML is the gallery without the frame around it.
func HTML() (string, error) {
	html, err := web.Render(pages, "gallery", Fixture())
	return string(html), err
}
