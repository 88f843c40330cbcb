package alerts

import (
	"context"
	"net/url"
	"slices"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
)

// newest is how many new alerts are counted for a page.
const newest = 1000

// liveAddress is the stream of a page: which alerts are on it, and since when
// others are new.
func (p *area) liveAddress(t *triage, q url.Values) string {
	q = cloneOf(q)
	for _, r := range t.Rows {
		q.Add("row", r.ID)
	}
	if t.Pager.Previous == "" {
		since := time.Now()
		if len(t.Rows) > 0 {
			since = t.Rows[0].Raised.Add(time.Nanosecond)
		}
		q.Set("since", since.UTC().Format(time.RFC3339Nano))
	}
	if t.Detail != nil {
		q.Set("alert", t.Detail.A.ID)
		if !t.Own {
			q.Set("sub", "1")
		}
	}
	return ui.URL("live", "alerts", q)
}

func cloneOf(q url.Values) url.Values {
	out := make(url.Values, len(q))
	for k, v := range q {
		out[k] = slices.Clone(v)
	}
	return out
}

// live is GET live/alerts: rows that are on the page change in place; new
// alerts are counted.
func (p *area) live(c *web.Call) error {
	f, err := parse(c.Queries())
	if err != nil {
		return err
	}
	q := keep(c, f)
	ids := c.Queries()["row"]
	if len(ids) > pageRows {
		return tvilling.Errorf(tvilling.InvalidArgument, "A page has at most %d alerts.", pageRows)
	}
	var since time.Time
	if s := c.Query("since"); s != "" {
		if since, err = time.Parse(time.RFC3339Nano, s); err != nil {
			return tvilling.Errorf(tvilling.InvalidArgument, "%q is no time.", s)
		}
	}
	open := c.Query("alert")
	return c.Stream(web.Stream{Changed: []func() <-chan struct{}{p.opt.Changed}, Fragments: func(ctx context.Context) ([]web.Fragment, error) {
		var list []web.Fragment
		for _, id := range ids {
			a, err := p.opt.Ledger.Alert(ctx, id)
			if code := tvilling.CodeOf(err); code == tvilling.Corrupt || err == nil && a == nil {
				continue // dropped by age, or unreadable: what the page shows stays
			}
			if err != nil {
				return nil, err
			}
			r := rowOf(a, q)
			r.Current = id == open
			html, err := web.Render(pages, "row", rowView{r, c.May(operator)})
			if err != nil {
				return nil, err
			}
			list = append(list, web.Fragment{ID: "alert-" + id, HTML: html})
		}
		more, err := p.since(ctx, f, since)
		if err != nil {
			return nil, err
		}
		html, err := web.Render(pages, "new", fresh{more, ui.URL("alerts", f.query())})
		if err != nil {
			return nil, err
		}
		list = append(list, web.Fragment{ID: "alerts-new", HTML: html})
		if open == "" {
			return list, nil
		}
		parts, err := p.liveDetail(ctx, c, open, q)
		return append(list, parts...), err
	}})
}

// rowView is a row with whether it may be acted upon.
type rowView struct {
	row
	May bool
}

// fresh are the alerts that came since the page was made.
type fresh struct {
	N    int64
	Href string
}

// since counts the alerts that were raised since.
func (p *area) since(ctx context.Context, f filter, t time.Time) (int64, error) {
	if t.IsZero() || !f.To.IsZero() {
		return 0, nil
	}
	f.From = later(f.From, t)
	if f.Text != "" {
		page, err := p.read(ctx, f, "", newest, nil)
		return int64(len(page.Rows)), err
	}
	short, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	n, err := p.opt.Ledger.CountAlerts(short, f.ledger(), newest)
	if err != nil && short.Err() != nil && ctx.Err() == nil {
		return newest, nil
	}
	return int64(n), err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// liveDetail are the parts of the open alert that change.
func (p *area) liveDetail(ctx context.Context, c *web.Call, id string, q url.Values) ([]web.Fragment, error) {
	e, err := p.opt.Alerts.Explain(ctx, id)
	if err != nil {
		if code := tvilling.CodeOf(err); code == tvilling.NotFound || code == tvilling.Corrupt {
			return nil, nil
		}
		return nil, err
	}
	d := partial(e.Alert, c, q)
	d.history(e.History)
	d.Sub = c.Query("sub") != ""
	d.NextID = after(c.Queries()["row"], id)
	var list []web.Fragment
	for _, name := range []string{"standing", "acts", "record", "history"} {
		html, err := web.Render(pages, name, d)
		if err != nil {
			return nil, err
		}
		list = append(list, web.Fragment{ID: "alert-" + name, HTML: html})
	}
	return list, nil
}

// after is the id that follows another in a list.
func after(ids []string, id string) string {
	i := slices.Index(ids, id)
	switch {
	case i >= 0 && i+1 < len(ids):
		return ids[i+1]
	case i < 0 && len(ids) > 0:
		return ids[0]
	default:
		return ""
	}
}
