package investigate

import (
	"context"
	"net/http"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/investigate"
	"github.com/tvilling/tvilling/internal/security/wording"
)

const (
	// pageSize is how many events a page has.
	pageSize = 50
	// maxNew is up to where new events are counted.
	maxNew = 999
)

// row is an event in a list.
type row struct {
	Position string
	Href     string
	Device   string
	Name     string
	Time     time.Time
	// Late is by how much later than it happened the hub was told, if that is
	// worth a word.
	Late  time.Duration
	Hub   bool
	Words wording.Sentence
	Open  bool
}

// late is from when on a delay is worth a word: agents send what is not urgent
// every few minutes.
const late = time.Hour

// rowOf makes a row of an event; one that cannot be read says so. Of an event
// with many items the row tells of the first one that was asked for.
func rowOf(found investigate.Found, href string) row {
	rec := found.Record
	r := row{
		Position: position(rec.Position), Href: href, Device: string(rec.From.Device), Name: rec.Event.Name, Time: rec.Event.Time, Hub: rec.Hub,
	}
	if d := rec.Received.Sub(rec.Event.Time); d > late {
		r.Late = d
	}
	items, err := investigate.Items(rec)
	if err != nil {
		r.Words = wording.Sentence{{Text: tvilling.MessageOf(err)}}
		return r
	}
	if len(found.Hit) > 0 && found.Hit[0] < len(items) {
		items[0], items[found.Hit[0]] = items[found.Hit[0]], items[0]
	}
	r.Words = wording.Event(&rec.Event, items)
	return r
}

// eventsPage is what the template of events is given.
type eventsPage struct {
	Tabs      []tab
	Filter    filter
	Names     []string
	Fields    []string
	Operators any
	Problem   error
	Add       adding

	List   eventList
	Open   *detail
	Follow bool
	// Toggle is the page with following on or off.
	Toggle string
	// Exports are the addresses of the export by format.
	CSV, JSON string
}

// Message is what is wrong with the filter.
func (p eventsPage) Message() string { return tvilling.MessageOf(p.Problem) }

// adding is a condition that was typed and could not be read.
type adding struct{ Field, Operator, Value string }

// eventList is the list of a page, and what is not in it.
type eventList struct {
	Rows  []row
	Pager web.Pager
	// Stopped says that time ran out: nothing older than Through was looked at.
	Stopped bool
	Through time.Time
	Damaged int
	// First says that the list begins with the newest.
	First bool
	// Follow and New are of a list that is kept current.
	Follow bool
	New    newer
	Filter filter
}

// newer counts events that came since the page was made.
type newer struct {
	Count int64
	More  bool
	Since time.Time
	// Href is the page with them.
	Href   string
	Follow bool
}

func (a *area) events(c *web.Call) error {
	now := time.Now()
	if c.Query("wf") != "" {
		return a.addCondition(c, now)
	}
	f, err := readFilter(c, now)
	p := eventsPage{Filter: f, Names: eventNames, Fields: fieldNames, Operators: operators, Follow: c.Query("follow") != "" && c.After() == ""}
	p.Tabs = tabs("investigate", f.scope)
	if err != nil {
		p.Problem = err
		return c.Page(web.View{Title: "Investigate", Nav: "investigate", Status: http.StatusBadRequest, Template: pages, Name: "events", Data: p})
	}
	done, err := a.look(c.Context())
	if err != nil {
		return err
	}
	defer done()
	v := f.values()
	list, newest, err := a.list(c, f, p.Follow)
	if err != nil {
		return err
	}
	p.List = list
	if p.Open, err = a.open(c.Context(), c.Query("open"), f); err != nil {
		return err
	}
	p.links(v)
	view := web.View{Title: "Investigate", Nav: "investigate", Template: pages, Name: "events", Data: p}
	if list.First && f.To.IsZero() {
		live := f.values()
		live.Set("since", position(newest))
		if p.Follow {
			live.Set("follow", "1")
		}
		set(live, "open", c.Query("open"))
		view.Live = ui.URL("live", "investigate", live)
	}
	return c.Page(view)
}

func (p *eventsPage) links(v map[string][]string) {
	toggle, file := cloneValues(v), cloneValues(v)
	if !p.Follow {
		toggle.Set("follow", "1")
	}
	p.Toggle = address("investigate", toggle)
	file.Set("format", "csv")
	p.CSV = address("investigate/export", file)
	file.Set("format", "jsonl")
	p.JSON = address("investigate/export", file)
}

// list reads the events of a page, and returns the place of the newest one.
func (a *area) list(c *web.Call, f filter, follow bool) (eventList, event.Position, error) {
	q := f.query()
	var err error
	if q.After, err = readPosition("after", c.After()); err != nil {
		return eventList{}, q.After, err
	}
	l := eventList{First: c.After() == "", Follow: follow, Filter: f}
	t := within(lookTime)
	page, err := a.reader.Page(c.Context(), q, f.where, pageSize, t.enough)
	if err != nil {
		return l, q.After, err
	}
	l.Damaged = page.Damaged
	here := cloneValues(c.Queries())
	for _, e := range page.Events {
		r := rowOf(e, "")
		here.Set("open", r.Position)
		r.Href, r.Open = address("investigate", here), r.Position == c.Query("open")
		l.Rows = append(l.Rows, r)
	}
	if page.Next != nil {
		l.Stopped = t.over
		l.Pager = c.Pager(position(*page.Next))
		if l.Stopped {
			l.Through, err = a.timeOf(c.Context(), *page.Next)
		}
	} else {
		l.Pager = c.Pager("")
	}
	newest := q.After
	if l.First && len(page.Events) > 0 {
		newest = page.Events[0].Position
	}
	l.New = newer{Since: time.Now(), Href: address("investigate", f.values()), Follow: follow}
	return l, newest, err
}

// timeOf returns when the event at a place was received; the zero time if it is
// not there any more.
func (a *area) timeOf(ctx context.Context, p event.Position) (time.Time, error) {
	rec, err := a.at(ctx, p)
	if rec == nil || err != nil {
		return time.Time{}, err
	}
	return rec.Received, nil
}

// at returns the event at a place, nil if there is none.
func (a *area) at(ctx context.Context, p event.Position) (*event.Record, error) {
	before := event.Position{Sequence: p.Sequence, Index: p.Index - 1}
	for rec, err := range a.opt.Events(ctx, event.Query{After: before}) {
		if err != nil && tvilling.CodeOf(err) != tvilling.Corrupt {
			return nil, err
		}
		if err != nil || rec.Position != p {
			break
		}
		return rec, nil
	}
	return nil, nil
}

// addCondition makes one condition of three fields, and goes on to the page that
// has it.
func (a *area) addCondition(c *web.Call, now time.Time) error {
	add := adding{Field: c.Query("wf"), Operator: c.Query("wo"), Value: c.Query("wv")}
	text := condition(add.Field, add.Operator, add.Value)
	f, err := readFilter(c, now)
	if err == nil && text == "" {
		_, err = investigate.ParsePredicate(add.Field + " " + add.Operator + " " + add.Value)
		if err == nil {
			err = problem("where", "This value is too long for a condition, which has at most 1,024 bytes.")
		}
	}
	if err != nil {
		p := eventsPage{Filter: f, Names: eventNames, Fields: fieldNames, Operators: operators, Problem: err, Add: add, Tabs: tabs("investigate", f.scope)}
		return c.Page(web.View{Title: "Investigate", Nav: "investigate", Status: http.StatusBadRequest, Template: pages, Name: "events", Data: p})
	}
	return c.Redirect(address("investigate", f.with(text)), "")
}
