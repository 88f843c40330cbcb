package devices

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/query"
)

const (
	// pageSize is how many devices a page has.
	pageSize = 50
	// slow is from when on a page says what it took and how to find out why.
	slow = 500 * time.Millisecond
	// fewDevices is up to how many devices a hub can look at each of them to make
	// a page.
	fewDevices = 20_000
	// manyDevices is up to how many devices are sorted by what the index has no
	// order of.
	manyDevices = 100_000
)

// listing is what a page of the list is asked for.
type listing struct {
	condition condition
	from      string
	sort      sorting
	after     string
}

func readListing(q url.Values) (listing, error) {
	l := listing{from: withModules, sort: sortingOf(q.Get("sort")), after: q.Get("after")}
	if q.Get("from") == alone {
		l.from = alone
	}
	var err error
	l.condition, err = readCondition(q.Get("q"))
	return l, err
}

// listPage is what the template of the list is made of.
type listPage struct {
	Query, SortName, From string
	Views                 []view
	Chips                 []chipLink
	Fields                []field
	Operators             []operator
	Sorting               sorting
	Sortings              []sortLink
	Heads                 map[string]head
	Rows                  []*row
	Pager                 web.Pager
	Scope                 scope
	Problem               error
	// Field is the name of the control that the problem is about.
	Field string
	// Unsorted says that the order that was asked for would take too long, Scan
	// that it is since the index does not know the condition.
	Unsorted, Scan bool
	// Took is set if the page took long; Explain is where to find out why.
	Took            time.Duration
	Explain, Export string
	ExportLines     string
	Filter          url.Values
	// Filtered says that there is a condition, so that none found is no empty hub.
	Filtered    bool
	Damaged     int
	May         bool
	Short       bool
	Back        string
	WithoutTwin int64
	First       bool
}

type chipLink struct {
	chip

	Remove string
}

// list is GET /devices.
func (p *pages) list(c *web.Call, q url.Values, problem error) error {
	begin := time.Now()
	l, err := readListing(q)
	page := &listPage{
		Query: l.condition.text, SortName: l.sort.Name, Fields: fields, Operators: operators, Sorting: l.sort,
		Filter: c.Queries(), May: mayOperate(c), Filtered: l.condition.text != "", First: l.after == "",
	}
	if l.from == alone {
		page.From = alone
	}
	if err == nil {
		err = p.fill(c, l, page)
	}
	if tvilling.CodeOf(err) == tvilling.InvalidArgument {
		// It stays in the field, with what is wrong.
		problem, err = err, nil
	}
	if err != nil {
		return err
	}
	page.problem(problem)
	page.links(l, q)
	page.Views = p.views(c.Context(), l)
	for _, r := range page.Rows {
		r.May = page.May
	}
	if took := time.Since(begin); took > slow {
		page.Took = took
	}
	v := web.View{Title: "Devices", Nav: "devices", Template: templates, Name: "devices", Data: page}
	if page.Problem == nil {
		v.Live = streamAddress(l, page.Rows)
	}
	return c.Page(v)
}

func (page *listPage) problem(err error) {
	if err == nil {
		return
	}
	page.Problem, page.Field = err, "q"
	if e, ok := errors.AsType[*tvilling.Error](err); ok && e.Path != "" {
		page.Field = e.Path
	}
}

// fill finds the devices and reads their rows.
func (p *pages) fill(c *web.Call, l listing, page *listPage) error {
	ctx := c.Context()
	find, err := l.condition.compile(l.from, l.sort.order())
	if err != nil {
		return err
	}
	stats, err := p.Registry.Statistics(ctx)
	if err != nil {
		return err
	}
	page.Scope = p.scope(ctx, l, stats.Devices, c.Query("count") == "1")
	scan, err := p.counts.scans(ctx, l.condition, l.from, l.sort.order(), stats.Devices)
	if err != nil {
		return err
	}
	if l.sort.order() != "" && (scan || l.sort.each && (!page.Scope.Counted || page.Scope.Match > manyDevices)) {
		page.Unsorted, page.Scan, page.Sorting = true, scan, sortings[3]
		if find, err = l.condition.compile(l.from, ""); err != nil {
			return err
		}
	}
	found, err := p.Search.Run(ctx, find, query.Options{
		Size: pageSize, Continuation: l.after,
		Damaged: func(error) { page.Damaged++ },
	})
	if err != nil {
		return err
	}
	var ids []struct {
		ID tvilling.DeviceID `json:"deviceId"`
	}
	if err := json.Unmarshal(found.Body, &ids); err != nil {
		return &tvilling.Error{Code: tvilling.Internal, Op: "read rows", Err: err}
	}
	for _, id := range ids {
		r, err := p.row(ctx, id.ID, nil)
		if err != nil {
			return err
		}
		page.Rows = append(page.Rows, r)
	}
	page.Short = len(ids) < pageSize && found.Next != ""
	page.Pager = c.Pager(found.Next)
	if l.from == withModules && !page.Filtered && page.Scope.Counted {
		page.WithoutTwin = max(0, stats.Devices-page.Scope.Match)
	}
	return nil
}

// links makes the addresses of the page.
func (page *listPage) links(l listing, q url.Values) {
	for _, ch := range l.condition.chips() {
		page.Chips = append(page.Chips, chipLink{ch, changed(q, "q", l.condition.without(ch.Index))})
	}
	page.Sortings, page.Heads = l.sort.links(q)
	page.Explain = ui.URL("query", url.Values{"q": {"EXPLAIN " + l.condition.whole(l.sort.order())}})
	export := url.Values{}
	for _, name := range []string{"q", "from"} {
		if q.Get(name) != "" {
			export.Set(name, q.Get(name))
		}
	}
	page.Export = ui.URL("devices", "export", export)
	export.Set("format", "json")
	page.ExportLines = ui.URL("devices", "export", export)
	page.Back = address(q)
}

// changed is the address of the list with another value of a parameter, from
// its first page on.
func changed(q url.Values, name, value string) string {
	next := url.Values{}
	for _, keep := range []string{"q", "sort", "from"} {
		if v := q.Get(keep); v != "" {
			next.Set(keep, v)
		}
	}
	if value == "" {
		next.Del(name)
	} else {
		next.Set(name, value)
	}
	return address(next)
}

func address(q url.Values) string { return ui.URL("devices", q) }

// scope says how many devices match, of how many.
type scope struct {
	Match, Devices int64
	// Counted is false where counting would look at every device.
	Counted bool
	Count   string
}

func (p *pages) scope(ctx context.Context, l listing, devices int64, anyway bool) scope {
	s := scope{Devices: devices}
	n, ok, err := p.counts.of(ctx, l.condition, l.from, devices, anyway)
	switch {
	case err != nil:
		p.Logger.WarnContext(ctx, "devices not counted", "error", err)
	case !ok:
		s.Count = changed(url.Values{"q": {l.condition.text}, "sort": {l.sort.Name}}, "count", "1")
	default:
		s.Match, s.Counted = n, true
	}
	return s
}

// Words says it.
func (s scope) Words() string {
	switch {
	case !s.Counted:
		return "not counted, of " + ui.Count(s.Devices)
	case s.Match == s.Devices:
		return ui.Count(s.Devices)
	default:
		return ui.Capped(s.Match) + " of " + ui.Count(s.Devices) + " match"
	}
}

// joinIDs are the ids of rows as an address has them; ids have no blanks.
func joinIDs(rows []*row) string {
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = string(r.ID)
	}
	return strings.Join(ids, " ")
}
