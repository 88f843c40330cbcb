package access

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/csvsafe"
	"github.com/tvilling/tvilling/internal/hub/account"
	"github.com/tvilling/tvilling/internal/hub/audit"
)

// Audit tells what users and policies did; an [audit.Log] does.
type Audit interface {
	Page(ctx context.Context, f audit.Filter, before uint64, limit int) (audit.Page, error)
	All(ctx context.Context, f audit.Filter) iter.Seq2[audit.Entry, error]
	Changed() <-chan struct{}
}

func (p *access) auditRoutes() []web.Route {
	const get = http.MethodGet
	return []web.Route{
		{Method: get, Path: "/settings/audit", Role: account.Admin, Do: p.audit},
		{Method: get, Path: "/live/settings/audit", Role: account.Admin, Stream: true, Do: p.auditLive},
		{Method: get, Path: "/settings/audit/export", Role: account.Admin, Stream: true, Do: p.auditExport},
	}
}

const actsPerPage = 100

// act is an entry as a row.
type act struct {
	audit.Entry
	Href   string
	Detail template.HTML
}

// acts is what the page of the audit log shows.
type acts struct {
	Nav    web.SettingsNav
	Filter url.Values
	Any    bool
	Rows   []act
	Pager  web.Pager
	// Reached is how far back it was looked, if that is not where the page ends.
	Reached time.Time
	Damaged int64
	Export  string
	Actions []string
	Err     problem
}

// actions are what the filter offers; any other word of the log works as well.
var auditActions = []string{
	"device", "module", "twin", "configuration", "alert", "recommendation", "user", "session", "session.refused", "policy", "settings", "detection", "sink",
}

func (p *access) audit(c *web.Call) error {
	a, status, err := p.acts(c.Context(), c)
	if err != nil {
		return err
	}
	live := ""
	if c.After() == "" {
		live = ui.URL("live", "settings", "audit", a.Filter)
	}
	return c.Page(web.View{Title: "Audit log", Nav: "settings", Crumbs: userCrumbs[:1], Live: live, Status: status, Template: pages, Name: "audit", Data: a})
}

func (p *access) auditLive(c *web.Call) error {
	return c.Stream(web.Stream{Changed: []func() <-chan struct{}{p.opt.Audit.Changed}, Fragments: func(ctx context.Context) ([]web.Fragment, error) {
		a, _, err := p.acts(ctx, c)
		if err != nil {
			return nil, err
		}
		html, err := web.Render(pages, "acts", a)
		return []web.Fragment{{ID: "acts", HTML: html}}, err
	}})
}

// acts reads a page of the log.
func (p *access) acts(ctx context.Context, c *web.Call) (acts, int, error) {
	a := acts{Nav: c.SettingsNav("audit"), Filter: url.Values{}, Actions: auditActions}
	for _, name := range []string{"actor", "action", "subject", "from", "to"} {
		if v := strings.TrimSpace(c.Query(name)); v != "" {
			a.Filter.Set(name, v)
		}
	}
	a.Any = len(a.Filter) > 0
	a.Export = ui.URL("settings", "audit", "export", a.Filter)
	f, err := filterOf(a.Filter)
	if err != nil {
		a.Err = told(err)
		return a, http.StatusBadRequest, nil
	}
	var before uint64
	if at := c.After(); at != "" {
		if before, err = strconv.ParseUint(at, 10, 64); err != nil {
			return a, 0, tvilling.Errorf(tvilling.InvalidArgument, "The place in the audit log is malformed; begin at its first page.")
		}
	}
	page, err := p.opt.Audit.Page(ctx, f, before, actsPerPage)
	if err != nil {
		return a, 0, err
	}
	for _, e := range page.Entries {
		a.Rows = append(a.Rows, act{Entry: e, Href: place(&e), Detail: detail(e.Detail)})
	}
	next := ""
	if page.Next > 0 {
		next = strconv.FormatUint(page.Next, 10)
		if len(page.Entries) < actsPerPage {
			a.Reached = page.Reached
		}
	}
	a.Pager, a.Damaged = c.Pager(next), int64(page.Damaged)
	return a, 0, nil
}

// filterOf reads what is asked for.
func filterOf(v url.Values) (f audit.Filter, err error) {
	f = audit.Filter{Actor: v.Get("actor"), Action: v.Get("action"), Subject: v.Get("subject")}
	if f.From, err = moment("from", v.Get("from")); err != nil {
		return f, err
	}
	f.To, err = moment("to", v.Get("to"))
	return f, err
}

// moment reads a time in UTC: what a browser's field gives, a day, or RFC 3339.
func moment(name, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, &tvilling.Error{Code: tvilling.InvalidArgument, Path: name, Message: "“" + name + "” is no time: give a day such as 2026-01-31, or 2026-01-31T12:00 (UTC)."}
}

// place is the page of what was acted upon, "" if there is none.
func place(e *audit.Entry) string {
	subject, rest, _ := strings.Cut(e.Subject, "/")
	switch {
	case e.Subject == "":
		return ""
	case e.Group() == "device", e.Group() == "module":
		return ui.URL("devices", subject)
	case e.Group() == "twin" && rest == "":
		return ui.URL("devices", subject, "twin")
	case e.Group() == "twin":
		return ui.URL("devices", subject, "modules", rest, "twin")
	case e.Group() == "configuration":
		return ui.URL("configurations", e.Subject)
	case e.Group() == "alert":
		return ui.URL("alerts", e.Subject)
	case e.Group() == "user" && e.Action != "user.removed":
		return ui.URL("settings", "users", e.Subject)
	case e.Group() == "policy" && e.Action != "policy.delete":
		return ui.URL("settings", "policies", e.Subject)
	default:
		return ""
	}
}

// maxDetails is how many facts of an act are shown in a row.
const maxDetails = 6

// detail writes what the journal tells besides, as names with values.
func detail(raw json.RawMessage) template.HTML {
	var facts map[string]json.RawMessage
	if len(raw) == 0 || json.Unmarshal(raw, &facts) != nil {
		return ""
	}
	delete(facts, "user")
	delete(facts, "change")
	delete(facts, "session")
	var refused []struct {
		User, Address string
		Count         int64
	}
	if json.Unmarshal(facts["refused"], &refused) == nil {
		delete(facts, "refused")
		delete(facts, "count")
		for _, r := range refused {
			who := r.User
			if who == "" {
				who = "no user's name"
			}
			facts[who+" from "+r.Address] = json.RawMessage(strconv.FormatInt(r.Count, 10) + "×")
		}
	}
	var b bytes.Buffer
	for i, name := range slices.Sorted(maps.Keys(facts)) {
		if i == maxDetails {
			b.WriteString(`<span class="faint">and ` + strconv.Itoa(len(facts)-i) + ` more</span>`)
			break
		}
		value := string(facts[name])
		var text string
		if json.Unmarshal(facts[name], &text) == nil {
			value = text
		}
		b.WriteString(string(ui.Tag(name, value)) + " ")
	}
	return template.HTML(b.String()) //nolint:gosec // made of escaped parts
}

func (p *access) auditExport(c *web.Call) error {
	f, err := filterOf(c.Queries())
	if err != nil {
		return err
	}
	if c.Query("format") == "jsonl" {
		return c.Download("application/x-ndjson; charset=utf-8", "audit.jsonl", func(emit func([]byte) error) error {
			return p.export(c, f, emit, func(e *audit.Entry) ([]byte, error) {
				b, err := json.Marshal(e)
				return append(b, '\n'), err
			})
		})
	}
	return c.Download("text/csv; charset=utf-8; header=present", "audit.csv", func(emit func([]byte) error) error {
		if err := emit(csvsafe.Append(nil, audit.Columns())); err != nil {
			return err
		}
		return p.export(c, f, emit, func(e *audit.Entry) ([]byte, error) { return csvsafe.Append(nil, e.Cells()), nil })
	})
}

func (p *access) export(c *web.Call, f audit.Filter, emit func([]byte) error, encode func(*audit.Entry) ([]byte, error)) error {
	for e, err := range p.opt.Audit.All(c.Context(), f) {
		if tvilling.CodeOf(err) == tvilling.Corrupt {
			c.LeftOut(err)
			continue
		}
		if err != nil {
			return fmt.Errorf("read the audit log at %d: %w", e.Sequence, err)
		}
		line, err := encode(&e)
		if err != nil {
			return fmt.Errorf("encode entry %d: %w", e.Sequence, err)
		}
		if err := emit(line); err != nil {
			return err
		}
	}
	return nil
}
