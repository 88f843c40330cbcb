package securitydb

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// Pages of alerts are cut out of the index that fits the filter best, in the
// order of the index, beginning after the last alert seen: a page costs about
// the same wherever it is. Where a filter names several statuses or severities
// the index has a run for each pair, and the page is merged from the runs.

// alertPlace is where an alert stands in the order of pages.
type alertPlace struct {
	newest int64
	id     string
	n      int64
}

func (p alertPlace) compare(o alertPlace) int {
	switch {
	case p.newest < o.newest:
		return -1
	case p.newest > o.newest:
		return 1
	default:
		return strings.Compare(p.id, o.id)
	}
}

// The parameters of every query for alerts: 1 device, 2 type, 3 severities and
// 4 statuses as bit sets, 5 owner, 6 and 7 bounds of last; 8 to 10 the place
// and the number of rows, 11 the highest newest (the places begin with the
// lowest), 12 and 13 the status and severity of a run.
const (
	ofDevice   = "(?1 = '' OR device = ?1)"
	ofType     = "(?2 = '' OR type = ?2)"
	ofSeverity = "((1 << severity) & ?3) <> 0"
	ofStatus   = "((1 << status) & ?4) <> 0"
	ofOwner    = "(?5 = '' OR owner = ?5)"
	ofTime     = "(?6 IS NULL OR last >= ?6) AND (?7 IS NULL OR last < ?7)"
	page       = " AND (newest, id) > (?8, ?9) AND newest <= ?11 ORDER BY newest, id LIMIT ?10"
	selectPage = "SELECT newest, id, n FROM alert INDEXED BY "
	inRun      = " AND status = ?12 AND severity = ?13 AND "
)

// The ways to page through alerts.
const (
	byDevice = selectPage + "alert_device WHERE device = ?1 AND " + ofType + " AND " + ofSeverity + " AND " + ofStatus + " AND " + ofOwner + " AND " + ofTime + page
	byOwner  = selectPage + "alert_owner WHERE owner <> '' AND owner = ?5 AND " + ofType + " AND " + ofSeverity + " AND " + ofStatus + " AND " + ofTime + page
	byLast   = selectPage + "alert_last WHERE last >= ?6 AND last < ?7 AND " + ofType + " AND " + ofSeverity + " AND " + ofStatus + " AND " + ofOwner + page
	byType   = selectPage + "alert_type WHERE type = ?2" + inRun + ofTime + page
	byStatus = selectPage + "alert_status WHERE true" + inRun + ofTime + page
	byNewest = selectPage + "alert_newest WHERE " + ofTime + page

	// fewInSpan is the number of alerts up to which a span of time is found by
	// its own index and put in order, rather than looked for in that order.
	fewInSpan   = 20_000
	countInSpan = "SELECT count(*) FROM (SELECT 1 FROM alert INDEXED BY alert_last WHERE last >= ? AND last < ? LIMIT ?)"
)

// alertQuery is a filter as the parameters of a query.
type alertQuery struct {
	filter   ledger.AlertFilter
	args     [7]any
	statuses []int64
	// severities and statuses are what the filter asks for, all if nothing.
	severities []int64
	// low and high bound newest, both included.
	low, high int64
}

func newAlertQuery(f ledger.AlertFilter) (*alertQuery, error) {
	q := &alertQuery{filter: f, low: math.MinInt64, high: math.MaxInt64}
	var err error
	if q.severities, err = severityNumbers(f.Severity); err != nil {
		return nil, err
	}
	for _, st := range f.Status {
		n := statusNumber(st)
		if st == "" || n < 0 {
			return nil, tvilling.Errorf(tvilling.InvalidArgument, "There is no alert status %q; the statuses are %s.", st, joined(statuses))
		}
		q.statuses = append(q.statuses, n)
	}
	if len(q.statuses) == 0 {
		for n := range statuses {
			q.statuses = append(q.statuses, int64(n))
		}
	}
	slices.Sort(q.statuses)
	q.statuses = slices.Compact(q.statuses)
	q.args = [7]any{string(f.Device), f.Type, bits(q.severities), bits(q.statuses), f.Owner, nil, nil}
	if !f.From.IsZero() {
		q.args[5] = nanos(f.From)
	}
	if !f.To.IsZero() {
		q.args[6] = nanos(f.To)
	}
	if !f.RaisedFrom.IsZero() {
		q.high = -nanos(f.RaisedFrom)
	}
	if !f.RaisedTo.IsZero() {
		q.low = -nanos(f.RaisedTo) + 1
	}
	return q, nil
}

func severityNumbers(list []ledger.Severity) ([]int64, error) {
	var out []int64
	for _, s := range list {
		if s >= ledger.Severities {
			return nil, tvilling.Errorf(tvilling.InvalidArgument, "There is no severity number %d; the largest is %d.", s, ledger.Severities-1)
		}
		out = append(out, int64(s))
	}
	if len(out) == 0 {
		for s := range ledger.Severities {
			out = append(out, int64(s))
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func bits(numbers []int64) (set int64) {
	for _, n := range numbers {
		set |= 1 << n
	}
	return set
}

func joined[S ~string](list []S) string {
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

// plan returns the query for the pages of a filter, and whether it has runs.
func (q *alertQuery) plan(conn *sqlite.Conn) (query string, runs bool, err error) {
	f := &q.filter
	switch {
	case f.Device != "":
		return byDevice, false, nil
	case f.Owner != "":
		return byOwner, false, nil
	}
	if !f.From.IsZero() || !f.To.IsZero() {
		from, to := int64(math.MinInt64), int64(math.MaxInt64)
		if !f.From.IsZero() {
			from = nanos(f.From)
		}
		if !f.To.IsZero() {
			to = nanos(f.To)
		}
		n := int64(0)
		err := each(conn, countInSpan, func(stmt *sqlite.Stmt) bool {
			n = stmt.ColumnInt64(0)
			return false
		}, from, to, int64(fewInSpan+1))
		if err != nil {
			return "", false, err
		}
		if n <= fewInSpan {
			q.args[5], q.args[6] = from, to
			return byLast, false, nil
		}
	}
	switch {
	case f.Type != "":
		return byType, true, nil
	case len(f.Status) > 0 || len(f.Severity) > 0:
		return byStatus, true, nil
	default:
		return byNewest, false, nil
	}
}

// places returns the places of the next alerts of a filter, at most limit.
func (q *alertQuery) places(conn *sqlite.Conn, after alertPlace, limit int) ([]alertPlace, error) {
	query, runs, err := q.plan(conn)
	if err != nil {
		return nil, err
	}
	var list []alertPlace
	take := func(stmt *sqlite.Stmt) bool {
		list = append(list, alertPlace{stmt.ColumnInt64(0), stmt.ColumnText(1), stmt.ColumnInt64(2)})
		return true
	}
	// No alert has no id, so this place is before all that are bounded.
	if first := (alertPlace{newest: q.low}); after.compare(first) < 0 {
		after = first
	}
	args := append(q.args[:], after.newest, after.id, int64(limit), q.high)
	if !runs {
		return list, each(conn, query, take, args...)
	}
	for _, st := range q.statuses {
		for _, sev := range q.severities {
			if err := each(conn, query, take, append(args, st, sev)...); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(list, alertPlace.compare)
	return list[:min(len(list), limit)], nil
}

// firstRows bounds the first page of an iteration: one that ends early read
// little.
const firstRows = 50

// Alerts yields alerts, newest Created first, ties in ascending order of ID.
// Each page of it is the state at one moment. A damaged alert is an error that
// does not end the iteration.
func (s *Store) Alerts(ctx context.Context, f ledger.AlertFilter, after string) iter.Seq2[*ledger.Alert, error] {
	return func(yield func(*ledger.Alert, error) bool) {
		q, err := newAlertQuery(f)
		if err != nil {
			yield(nil, err)
			return
		}
		place, limit := alertPlace{newest: math.MinInt64}, firstRows
		for {
			p, err := s.alertPage(ctx, q, place, after, limit)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, r := range p.rows {
				a, err := decodeAlert(r.place.id, r.value)
				if !yield(a, s.refuse(err)) {
					return
				}
				place = r.place
			}
			if !p.more {
				return
			}
			after, limit = "", pageRows
		}
	}
}

type alertPage struct {
	rows []alertValue
	more bool
}

type alertValue struct {
	place alertPlace
	value []byte
}

// alertPage reads one page: after a place or, if an id is given, after that.
func (s *Store) alertPage(ctx context.Context, q *alertQuery, place alertPlace, after string, limit int) (p alertPage, err error) {
	const op = "list alerts"
	err = s.pool.snapshot(ctx, op, func(conn *sqlite.Conn) error {
		if after != "" {
			known := false
			err := each(conn, "SELECT newest, id FROM alert WHERE id = ?", func(stmt *sqlite.Stmt) bool {
				place, known = alertPlace{newest: stmt.ColumnInt64(0), id: stmt.ColumnText(1)}, true
				return false
			}, after)
			if err != nil {
				return dbError(op, s.path, err)
			}
			if !known {
				return unknownPlace(op, after)
			}
		}
		places, err := q.places(conn, place, limit)
		if err != nil {
			return dbError(op, s.path, err)
		}
		p.more = len(places) == limit
		bytes := 0
		for _, at := range places {
			if bytes >= pageBytes {
				p.more = true
				break
			}
			value, err := blob(conn, "SELECT value FROM alert WHERE n = ?", at.n)
			if err != nil {
				return dbError(op, s.path, err)
			}
			bytes += len(value)
			p.rows = append(p.rows, alertValue{at, value})
		}
		return nil
	})
	return p, err
}

// unknownPlace is the refusal to go on after an alert that is not there.
func unknownPlace(op, after string) error {
	return &tvilling.Error{
		Code: tvilling.InvalidArgument, Op: op, Path: "after",
		Message: fmt.Sprintf("There is no alert %q to go on after (it may have been dropped by age); begin at the start of the list.", after),
	}
}
