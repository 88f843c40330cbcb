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
	// maxLiveShown is how many of them it shows.
	maxLiveShown = 100
	// maxLiveBytes is how long all rows together may be.
	maxLiveBytes = 16 << 20
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
	f := &followed{query: q, rows: make(map[tvilling.Identity][]byte), changed: make(chan struct{}, 1)}
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
	rows  map[tvilling.Identity][]byte
	bytes int
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
		old, have := f.rows[e.ID]
		switch {
		case !have && len(f.rows) == maxLive:
			f.err = tvilling.Errorf(tvilling.TooLarge, "The query finds more than %d rows, which is more than a page follows. Find fewer with WHERE; “tvilling query --follow” follows more.", maxLive)
			return
		case !have && s.Ready:
			s.Entered++
			s.note("entered", e.ID)
		case s.Ready:
			s.Changed++
			s.note("changed", e.ID)
		}
		f.bytes += len(e.Row) - len(old)
		f.rows[e.ID] = slices.Clone(e.Row)
		if f.bytes > maxLiveBytes {
			f.err = tvilling.Errorf(tvilling.TooLarge, "The rows of this query are longer than a page follows. Show fewer members with SELECT.")
		}
	case live.Left:
		if old, have := f.rows[e.ID]; have {
			f.bytes -= len(old)
			delete(f.rows, e.ID)
			s.Left++
			s.note("left", e.ID)
		}
	case live.Ready:
		s.Ready = true
	case live.Reset:
		clear(f.rows)
		f.bytes, s.Ready, s.Again = 0, false, e.Reason
	case live.Idle:
	}
	s.Members = len(f.rows)
}

func (s *liveResult) note(what string, id tvilling.Identity) {
	s.Recent = append([]liveChange{{what, id.String(), time.Now()}}, s.Recent...)
	s.Recent = s.Recent[:min(len(s.Recent), maxRecent)]
}

// fragments are the counters and the table.
func (f *followed) fragments(context.Context) ([]web.Fragment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.state
	names := []string{"live-counts"}
	if f.err != nil {
		// The page says so, and does not try again.
		s.Problem = tvilling.MessageOf(f.err)
	} else if s.Ready {
		names = append(names, "live-rows")
		if err := f.draw(&s); err != nil {
			return nil, err
		}
	}
	var list []web.Fragment
	for _, name := range names {
		html, err := web.Render(pages, name, &s)
		if err != nil {
			return nil, err
		}
		list = append(list, web.Fragment{ID: name, HTML: html})
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
		m, err := members(f.rows[id])
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
		s.Rows = append(s.Rows, liveRow{ID: "live-" + rowID(id), Cells: cells(rows[i], s.Columns)})
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
