package investigate

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/live"
	"github.com/tvilling/tvilling/internal/hub/query"
)

const (
	// maxLive is how many rows a query may find that a page follows.
	maxLive = 1000
	// maxLiveShown is how many of them it shows, maxLiveBytes how long they may be.
	maxLiveShown = 100
	maxLiveBytes = 2 << 20
	// maxRecent is how many changes it lists.
	maxRecent = 8
)

// liveResult is the result of a query as it is now, and what happened to it
// since the page was opened.
type liveResult struct {
	Begin time.Time
	// Ready says that Columns and Rows are the whole result.
	Ready   bool
	Members int
	Columns []string
	Rows    []liveRow
	// Entered, Changed and Left count rows since Begin.
	Entered, Changed, Left int64
	Recent                 []liveChange
	// Problem is why the result is not followed any more, "" while it is.
	Problem string
	// Again says why all was read anew, "" if it was not.
	Again string
}

// liveRow is a row with the identity that it is of.
type liveRow struct {
	ID    string
	Cells []cell
	// Version makes two rows different that look the same at different times.
	Version int
}

// liveChange is one thing that happened to the result.
type liveChange struct {
	What, ID string
	At       time.Time
}

// liveQuery keeps the result of a query current in an open page.
func (a *area) liveQuery(c *web.Call) error {
	text := c.Query("q")
	q, err := query.Compile(text)
	if err != nil {
		return err
	}
	sub, err := a.opt.Live(c.Context(), text, "")
	if err != nil {
		return err
	}
	defer sub.Close()
	f := &followed{query: q, rows: make(map[tvilling.Identity]*heldRow), changed: make(chan struct{}, 1)}
	f.state.Begin = time.Now()
	ctx, cancel := context.WithCancel(c.Context())
	var wg sync.WaitGroup
	wg.Go(func() { f.follow(ctx, sub) })
	defer wg.Wait()
	defer cancel()
	return c.Stream(web.Stream{
		Changed: []func() <-chan struct{}{func() <-chan struct{} { return f.changed }}, Fragments: f.fragments,
	})
}

// followed is the result of a live query in the memory of one open page.
type followed struct {
	query *query.Query
	// changed has a value when there is something to show.
	changed chan struct{}

	mu    sync.Mutex
	state liveResult
	err   error
	rows  map[tvilling.Identity]*heldRow
	bytes int
	// members counts changes of who is in the result, told those that were shown.
	members, told int
}

// heldRow is a row of the result; row is nil for those that are not shown.
type heldRow struct {
	row     []byte
	version int
}

// follow takes the events of a subscription until it ends.
func (f *followed) follow(ctx context.Context, sub *live.Subscription) {
	for e, err := range sub.Events(ctx) {
		f.mu.Lock()
		switch {
		case err != nil:
			f.err = err
		default:
			f.take(e)
		}
		stop := f.err != nil
		f.mu.Unlock()
		select {
		case f.changed <- struct{}{}:
		default: // it is told already
		}
		if stop {
			return
		}
	}
}

// take does to the result what an event says.
func (f *followed) take(e live.Event) {
	s := &f.state
	switch e.Kind {
	case live.Entered, live.Changed:
		old := f.rows[e.ID]
		switch {
		case old == nil && len(f.rows) == maxLive:
			f.err = tvilling.Errorf(tvilling.TooLarge, "The query finds more than %d rows, which is more than a page follows. Find fewer with WHERE; “tvilling query --follow” follows more.", maxLive)
			return
		case old == nil:
			old = &heldRow{}
			f.rows[e.ID] = old
			f.members++
			if s.Ready {
				s.Entered++
				s.note("entered", e.ID)
			}
		case s.Ready:
			s.Changed++
			s.note("changed", e.ID)
		}
		f.bytes += len(e.Row) - len(old.row)
		old.row, old.version = slices.Clone(e.Row), old.version+1
		if f.bytes > maxLiveBytes*(maxLive/maxLiveShown) {
			f.err = tvilling.Errorf(tvilling.TooLarge, "The rows of this query are longer than a page follows. Show fewer members with SELECT.")
		}
	case live.Left:
		if old := f.rows[e.ID]; old != nil {
			f.bytes -= len(old.row)
			delete(f.rows, e.ID)
			f.members++
			s.Left++
			s.note("left", e.ID)
		}
	case live.Ready:
		s.Ready = true
	case live.Reset:
		clear(f.rows)
		f.bytes, s.Ready, s.Again = 0, false, e.Reason
		f.members++
	case live.Idle:
	}
	s.Members = len(f.rows)
}

func (s *liveResult) note(what string, id tvilling.Identity) {
	s.Recent = append([]liveChange{{what, id.String(), time.Now()}}, s.Recent...)
	s.Recent = s.Recent[:min(len(s.Recent), maxRecent)]
}

// fragments are the counters and, when rows came or went, the whole table, else
// the rows alone that changed.
func (f *followed) fragments(context.Context) ([]web.Fragment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.state
	if f.err != nil {
		// The page says so, and does not try again.
		s.Problem = tvilling.MessageOf(f.err)
		html, err := web.Render(pages, "live-counts", &s)
		return []web.Fragment{{ID: "live-counts", HTML: html}}, err
	}
	if err := f.draw(&s); err != nil {
		return nil, err
	}
	var list []web.Fragment
	add := func(id, name string, data any) error {
		html, err := web.Render(pages, name, data)
		list = append(list, web.Fragment{ID: id, HTML: html})
		return err
	}
	if err := add("live-counts", "live-counts", &s); err != nil {
		return nil, err
	}
	if !s.Ready {
		return list, nil
	}
	if f.told != f.members || f.told == 0 {
		f.told = f.members
		return list, add("live-rows", "live-rows", &s)
	}
	for _, row := range s.Rows {
		if err := add(row.ID, "live-row", row); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// draw makes the rows that are shown, in the order of their identities.
func (f *followed) draw(s *liveResult) error {
	ids := make([]tvilling.Identity, 0, len(f.rows))
	for id := range f.rows {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b tvilling.Identity) int { return strings.Compare(a.String(), b.String()) })
	var rows [][]member
	ids = ids[:min(len(ids), maxLiveShown)]
	for _, id := range ids {
		m, err := members(f.rows[id].row)
		if err == nil && f.query.Star() {
			m, err = unfold(m)
		}
		if err != nil {
			return err
		}
		rows = append(rows, m)
	}
	s.Columns, _ = columnsOf(rows, f.query.Star())
	for i, id := range ids {
		s.Rows = append(s.Rows, liveRow{ID: "live-" + rowID(id), Cells: cells(rows[i], s.Columns), Version: f.rows[id].version})
	}
	return nil
}

// rowID is an identity as the id of an element.
func rowID(id tvilling.Identity) string {
	var b strings.Builder
	for _, c := range []byte(id.String()) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' {
			b.WriteByte(c)
			continue
		}
		b.WriteString("_" + strconv.FormatUint(uint64(c), 16) + "_")
	}
	return b.String()
}
