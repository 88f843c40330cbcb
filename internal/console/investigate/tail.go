package investigate

import (
	"context"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/security/event"
)

// tailTime is how long one look for new events may take.
const tailTime = 500 * time.Millisecond

// liveEvents counts the events that came since a page was made, and shows them
// if the reader follows.
func (a *area) liveEvents(c *web.Call) error {
	f, err := readFilter(c, time.Now())
	if err != nil {
		return err
	}
	since, err := readPosition("since", c.Query("since"))
	if err != nil {
		return err
	}
	t := &tail{area: a, filter: f, after: since, opened: c.Query("open")}
	t.new = newer{Since: time.Now(), Href: address("investigate", f.values()), Follow: c.Query("follow") != ""}
	return c.Stream(web.Stream{Changed: []func() <-chan struct{}{a.opt.EventsChanged}, Fragments: t.fragments})
}

// tail is a list of events that is kept current. It is used by one goroutine.
type tail struct {
	*area
	filter filter
	opened string
	// after is the newest event that was counted.
	after event.Position
	new   newer
	shown bool
}

func (t *tail) fragments(ctx context.Context) ([]web.Fragment, error) {
	done, err := t.look(ctx)
	if tvilling.CodeOf(err) == tvilling.Throttled {
		return nil, nil // the next look comes in a second
	}
	if err != nil {
		return nil, err
	}
	defer done()
	came, err := t.count(ctx)
	if err != nil {
		return nil, err
	}
	html, err := web.Render(pages, "newer", t.new)
	if err != nil {
		return nil, err
	}
	list := []web.Fragment{{ID: "newer", HTML: html}}
	if !t.new.Follow || !came && t.shown {
		return list, nil
	}
	t.shown = true
	rows, err := t.rows(ctx)
	return append(list, rows), err
}

// count counts the events that came since it was last asked, as far as it gets.
func (t *tail) count(ctx context.Context) (came bool, err error) {
	q := t.filter.query()
	q.Descending, q.After, q.From = false, t.after, time.Time{}
	if t.filter.Range == "exact" {
		q.From = t.filter.From
	}
	page, err := t.reader.Page(ctx, q, t.filter.where, maxNew+1, within(tailTime).enough)
	if err != nil {
		return false, err
	}
	if n := len(page.Events); n > 0 {
		t.after = page.Events[n-1].Position
		t.new.Count += int64(n)
	}
	t.new.More = t.new.More || page.Next != nil || t.new.Count > maxNew
	if page.Next != nil {
		t.after = *page.Next
	}
	return len(page.Events) > 0, nil
}

// rows are the newest events.
func (t *tail) rows(ctx context.Context) (web.Fragment, error) {
	page, err := t.reader.Page(ctx, t.filter.query(), t.filter.where, pageSize, within(tailTime).enough)
	if err != nil {
		return web.Fragment{}, err
	}
	var l eventList
	here := t.filter.values()
	here.Set("follow", "1")
	for _, e := range page.Events {
		r := rowOf(e, "")
		here.Set("open", r.Position)
		r.Href, r.Open = address("investigate", here), r.Position == t.opened
		l.Rows = append(l.Rows, r)
	}
	html, err := web.Render(pages, "rows", l)
	return web.Fragment{ID: "rows", HTML: html}, err
}
