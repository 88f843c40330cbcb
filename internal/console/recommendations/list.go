package recommendations

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/recommend"
)

// kindRow is a type with how many devices it is about.
type kindRow struct {
	recommend.Info
	Devices int64
	Href    string
}

// Severe is the severity in a word.
func (k kindRow) Severe() string { return k.Info.Severity.String() }

// row is one recommendation.
type row struct {
	R     *ledger.Recommendation
	Title string
	// Do says what to do about it.
	Do        string
	Href      string
	Patchable bool
	// Tick names the device in a form.
	Tick string
}

// Severity is the severity in a word.
func (r row) Severity() string { return r.R.Severity.String() }

// Active reports whether it still holds.
func (r row) Active() bool { return r.R.State == ledger.Active }

func (p *area) rowOf(r *ledger.Recommendation) row {
	title := p.info(r.Type).Title
	return row{
		R: r, Title: title, Do: headline(r, title), Href: ui.URL("recommendations", r.Type, r.Device),
		Patchable: r.State == ledger.Active && len(r.Patch) > 0, Tick: string(r.Device),
	}
}

type listing struct {
	Filter  filter
	Kinds   []kindRow
	Quiet   []kindRow
	Rows    []row
	Count   int64
	Damaged int
	Pager   web.Pager
	Problem error
	Types   []recommend.Info
	May     bool
	Info    recommend.Info
	// Ready says that some recommendation of the type may have a patch.
	Ready bool
	Views []choice
}

// list is GET recommendations.
func (p *area) list(c *web.Call) error {
	f, problem := parse(c.Queries())
	if problem == nil && hasEmpty(c.Queries()) {
		return c.Redirect(ui.URL("recommendations", f.query()), "")
	}
	l := listing{Filter: f, Problem: problem, Types: p.opt.Types, May: c.May(operator)}
	byType, byDevice := f, f
	byType.ByDevice, byType.Device, byDevice.ByDevice = false, "", true
	l.Views = []choice{
		{"By type", ui.URL("recommendations", byType.query()), !f.ByDevice},
		{"By device", ui.URL("recommendations", byDevice.query()), f.ByDevice},
	}
	v := web.View{Title: "Recommendations", Nav: "recommendations", Template: pages, Name: "list"}
	if problem != nil {
		v.Status = http.StatusBadRequest
	} else if err := p.fill(c, &l); err != nil {
		return err
	}
	if problem == nil && !f.ByDevice {
		v.Live = ui.URL("live", "recommendations", f.query())
	}
	v.Data = &l
	return c.Page(v)
}

func hasEmpty(q url.Values) bool {
	for _, list := range q {
		if len(list) != 1 || list[0] == "" {
			return true
		}
	}
	return false
}

func (p *area) fill(c *web.Call, l *listing) error {
	if !l.Filter.ByDevice {
		return p.kinds(c.Context(), l)
	}
	var err error
	if l.Count, err = p.count(c.Context(), l.Filter.ledger()); err != nil {
		return err
	}
	return p.rows(c, l)
}

// kinds counts the devices of each type.
func (p *area) kinds(ctx context.Context, l *listing) error {
	for _, info := range p.opt.Types {
		f := l.Filter.ledger()
		if f.Type != "" && f.Type != info.Type {
			continue
		}
		f.Type = info.Type
		n, err := p.count(ctx, f)
		if err != nil {
			return err
		}
		q := l.Filter.query()
		q.Del("type")
		k := kindRow{info, n, ui.URL("recommendations", info.Type, q)}
		if n == 0 {
			l.Quiet = append(l.Quiet, k)
		} else {
			l.Kinds = append(l.Kinds, k)
		}
	}
	slices.SortStableFunc(l.Kinds, func(a, b kindRow) int {
		if a.Info.Severity != b.Info.Severity {
			return int(b.Info.Severity) - int(a.Info.Severity)
		}
		return int(b.Devices - a.Devices)
	})
	return nil
}

// rows reads a page of recommendations, by device.
func (p *area) rows(c *web.Call, l *listing) error {
	device, typ, ok := strings.Cut(c.After(), "/")
	if c.After() != "" && !ok {
		e := tvilling.Errorf(tvilling.InvalidArgument, "The place in the list is none; begin at its start.")
		e.Path = "after"
		return e
	}
	next := ""
	for r, err := range p.opt.Ledger.Recommendations(c.Context(), l.Filter.ledger(), tvilling.DeviceID(device), typ) {
		switch {
		case tvilling.CodeOf(err) == tvilling.Corrupt:
			l.Damaged++
			continue
		case err != nil:
			return err
		}
		if len(l.Rows) == pageRows {
			last := l.Rows[pageRows-1].R
			next = string(last.Device) + "/" + last.Type
			break
		}
		l.Rows = append(l.Rows, p.rowOf(r))
		l.Ready = l.Ready || len(r.Patch) > 0
	}
	l.Pager = c.Pager(next)
	return nil
}

// live is GET live/recommendations: the counts of the types.
func (p *area) live(c *web.Call) error {
	f, err := parse(c.Queries())
	if err != nil {
		return err
	}
	return c.Stream(web.Stream{Changed: []func() <-chan struct{}{p.opt.Changed}, Fragments: func(ctx context.Context) ([]web.Fragment, error) {
		l := listing{Filter: f}
		if err := p.kinds(ctx, &l); err != nil {
			return nil, err
		}
		html, err := web.Render(pages, "kinds", &l)
		return []web.Fragment{{ID: "kinds", HTML: html}}, err
	}})
}

// kind is GET recommendations/{type}.
func (p *area) kind(c *web.Call) error {
	typ := c.Path("type")
	info := p.info(typ)
	f, problem := parse(c.Queries())
	if problem != nil {
		return problem
	}
	if info.Description == "" {
		// Types of another version of the hub may be in the ledger.
		if n, err := p.count(c.Context(), ledger.RecommendationFilter{Type: typ}); err != nil || n == 0 {
			if err == nil {
				err = tvilling.Errorf(tvilling.NotFound, "There is no recommendation of the type %q.", typ)
			}
			return err
		}
	}
	l := listing{Filter: f, Info: info, May: c.May(operator)}
	l.Filter.Type = typ
	var err error
	if l.Count, err = p.count(c.Context(), l.Filter.ledger()); err != nil {
		return err
	}
	if err := p.rows(c, &l); err != nil {
		return err
	}
	return c.Page(web.View{
		Title: info.Title, Nav: "recommendations", Crumbs: []web.Link{{Text: "Recommendations", Href: ui.URL("recommendations")}},
		Template: pages, Name: "kind", Data: &l,
	})
}

// Severe is the severity of the type in a word.
func (l *listing) Severe() string { return l.Info.Severity.String() }

// States are the lists of the page by state.
func (l *listing) States() []choice {
	if l.Info.Type != "" {
		f := l.Filter
		f.Type = ""
		return f.States("recommendations", l.Info.Type)
	}
	return l.Filter.States("recommendations")
}

// Levels are the lists of the page by severity.
func (l *listing) Levels() []choice { return l.Filter.Severities("recommendations") }

// PatchHref is the preview of the ready patches.
func (l *listing) PatchHref() string { return ui.URL("recommendations", l.Info.Type, "patch") }

// AllHref is the preview of all ready patches.
func (l *listing) AllHref() string {
	return ui.URL("recommendations", l.Info.Type, "patch", url.Values{"all": {"1"}})
}
