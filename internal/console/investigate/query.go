package investigate

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/search"
)

const (
	// queryRows is how many rows a page has.
	queryRows = 50
	// queryTime is how long the making of a page may take.
	queryTime = 10 * time.Second
)

// queryPage is what the template of queries is given.
type queryPage struct {
	Tabs     []tab
	Text     string
	Examples []example
	// Problem is why there is no result; Line is the line of the query that it is
	// about, Caret as many blanks as stand before the place.
	Problem     error
	Line, Caret string

	Result  *result
	Explain *explanation
	Live    *liveResult
	// Ways to the same query.
	Run, Explained, Following, CSV, JSON string
	// Configure is the page for a configuration of what the condition finds, ""
	// if there is none.
	Configure string
	Took      time.Duration
}

// Message is why there is no result.
func (p *queryPage) Message() string {
	if e, ok := errors.AsType[*tvilling.Error](p.Problem); ok && e.Message != "" {
		return e.Message
	}
	return "The hub failed to answer; its log has the reason."
}

// example is a query to begin with.
type example struct{ What, Text, Href string }

var examples = []example{
	{What: "Devices that are not connected", Text: "SELECT deviceId, lastActivityTime FROM devices WHERE connectionState = 'Disconnected'"},
	{What: "Devices by place", Text: "SELECT tags.site, COUNT() AS devices FROM devices GROUP BY tags.site ORDER BY COUNT() DESC"},
	{What: "Unhealthy devices", Text: "SELECT deviceId, security.score FROM devices.modules WHERE moduleId = 'azureiotsecurity' AND security.state = 'unhealthy' ORDER BY security.score"},
	{What: "Devices of one kind, by name", Text: "SELECT deviceId, tags FROM devices WHERE STARTSWITH(deviceId, 'pump') ORDER BY deviceId"},
	{What: "Devices with their modules", Text: "SELECT devices.deviceId, modules.moduleId, modules.connectionState FROM devices JOIN devices.modules WHERE devices.status = 'enabled'"},
	{What: "How the hub answers", Text: "EXPLAIN SELECT * FROM devices WHERE properties.reported.firmware LIKE '1.%'"},
}

func (a *area) query(c *web.Call) error {
	p := &queryPage{Text: c.Query("q"), Tabs: tabs("query", scope{})}
	view := web.View{Title: "Query", Nav: "investigate", Crumbs: crumbs, Template: pages, Name: "query", Data: p, Scripts: []string{"query-editor.js"}}
	if strings.TrimSpace(p.Text) == "" {
		for _, e := range examples {
			e.Href = ui.URL("query", url.Values{"q": {e.Text}})
			p.Examples = append(p.Examples, e)
		}
		return c.Page(view)
	}
	q, err := query.Compile(p.Text)
	if err != nil {
		p.fail(err)
		view.Status = http.StatusBadRequest
		return c.Page(view)
	}
	p.ways(q, c.May(account.Operator))
	ctx, cancel := context.WithTimeout(c.Context(), queryTime)
	defer cancel()
	begin := time.Now()
	switch {
	case c.Query("explain") != "" || q.Explain():
		p.Explain, err = a.explain(ctx, q)
	case c.Query("live") != "":
		p.Live = &liveResult{Begin: begin}
		view.Live = ui.URL("live", "query", url.Values{"q": {p.Text}})
	default:
		err = a.run(ctx, c, q, p)
	}
	p.Took = time.Since(begin)
	if err != nil {
		if ctx.Err() != nil && c.Context().Err() == nil {
			err = tvilling.Errorf(tvilling.Unavailable, "The hub looked for %s and has no answer yet: groups and an order need all rows. Find fewer with WHERE, or ask EXPLAIN what takes so long.", ui.Lasts(queryTime))
		}
		if tvilling.CodeOf(err) == tvilling.Internal || tvilling.CodeOf(err) == "" {
			return err
		}
		p.fail(err)
		view.Status = http.StatusBadRequest
	}
	return c.Page(view)
}

// place finds where a query is invalid in what the hub says of it.
var place = regexp.MustCompile(`at line (\d+), column (\d+):`)

// fail shows why a query has no result, and where in its text that is.
func (p *queryPage) fail(err error) {
	p.Problem = err
	m := place.FindStringSubmatch(p.Message())
	if m == nil {
		return
	}
	line, _ := strconv.Atoi(m[1])   // digits
	column, _ := strconv.Atoi(m[2]) // digits
	lines := strings.Split(p.Text, "\n")
	if line < 1 || line > len(lines) || column > 2000 {
		return
	}
	p.Line, p.Caret = strings.TrimRight(lines[line-1], "\r"), strings.Repeat(" ", max(0, column-1))
}

func (p *queryPage) ways(q *query.Query, operator bool) {
	v := url.Values{"q": {p.Text}}
	p.Run = ui.URL("query", v)
	with := func(name, value string, parts ...any) string {
		w := cloneValues(v)
		w.Set(name, value)
		return ui.URL(append(parts, w)...)
	}
	p.Explained = with("explain", "1", "query")
	if !q.Explain() && q.Collection() != query.Jobs {
		if !q.Grouped() {
			p.Following = with("live", "1", "query")
		}
		p.CSV, p.JSON = with("format", "csv", "query", "export"), with("format", "jsonl", "query", "export")
	}
	if target := condOf(p.Text, q); target != "" && operator {
		p.Configure = ui.URL("configurations", "new", url.Values{"target": {target}})
	}
}

// condOf is the condition of a query as configurations have it.
func condOf(text string, q *query.Query) string {
	if q.Where() == nil || q.Collection() != query.Devices && q.Collection() != query.Modules {
		return ""
	}
	st, err := query.Parse(text)
	if err != nil {
		return "" // it was read before
	}
	_, cond, _ := strings.Cut((&query.Statement{From: st.From, Where: st.Where}).String(), " WHERE ")
	if q.Collection() == query.Modules {
		return "FROM devices.modules WHERE " + cond
	}
	return cond
}

func (a *area) run(ctx context.Context, c *web.Call, q *query.Query, p *queryPage) error {
	damaged := 0
	page, err := a.opt.Search.Run(ctx, q, query.Options{Size: queryRows, Continuation: c.After(), Damaged: func(error) { damaged++ }})
	if err != nil {
		return err
	}
	if p.Result, err = readResult(page.Body, q); err != nil {
		return err
	}
	p.Result.Damaged, p.Result.Scanned, p.Result.Pager = damaged, page.Scanned, c.Pager(page.Next)
	p.Result.Short = page.Next != "" && page.Count < queryRows
	return nil
}

// explanation is how a query is answered, in words.
type explanation struct {
	*search.Explanation
	Plan string
}

// plans are what the ways to answer a query mean.
var plans = map[search.Plan]string{
	search.Device:  "The hub reads the twins of the one device that the query names.",
	search.Index:   "The memory index has the answer by itself: no twin is read to find it.",
	search.Recheck: "The memory index says which twins may be found, and the hub looks at each of them.",
	search.Scan:    "The hub looks at all twins. On a large fleet this takes long; a condition that the index knows makes it fast.",
	search.Nothing: "There is nothing to look at: jobs have no rows.",
}

func (a *area) explain(ctx context.Context, q *query.Query) (*explanation, error) {
	e, err := a.opt.Search.Explain(ctx, q, query.Options{Size: queryRows, Damaged: func(error) {}}, true)
	if err != nil {
		return nil, err
	}
	return &explanation{e, plans[e.Plan]}, nil
}
