package securitydb

import (
	"context"
	"iter"
	"slices"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// advicePlace is where a recommendation stands in the order of pages.
type advicePlace struct{ device, typ string }

func (p advicePlace) compare(o advicePlace) int {
	if c := strings.Compare(p.device, o.device); c != 0 {
		return c
	}
	return strings.Compare(p.typ, o.typ)
}

// The parameters: 1 device, 2 type, 3 and 4 the place, 5 the number of rows,
// 6 and 7 the state and the severity of a run or, for one device, all of them
// as bit sets.
const (
	selectAdvice   = "SELECT device, type FROM recommendation"
	advicePage     = " (device, type) > (?3, ?4) ORDER BY device, type LIMIT ?5"
	adviceOfDevice = selectAdvice + " WHERE device = ?1 AND (?2 = '' OR type = ?2) AND ((1 << state) & ?6) <> 0 AND ((1 << severity) & ?7) <> 0 AND" + advicePage
	adviceOfType   = selectAdvice + " INDEXED BY recommendation_type WHERE type = ?2 AND state = ?6 AND severity = ?7 AND device >= ?3 ORDER BY device LIMIT ?5"
	adviceOfState  = selectAdvice + " INDEXED BY recommendation_state WHERE state = ?6 AND severity = ?7 AND" + advicePage
	adviceOfAll    = selectAdvice + " WHERE" + advicePage
)

// adviceQuery is a filter with the numbers of what it names.
type adviceQuery struct {
	filter             ledger.RecommendationFilter
	severities, states []int64
}

func newAdviceQuery(f ledger.RecommendationFilter) (*adviceQuery, error) {
	q := &adviceQuery{filter: f}
	var err error
	if q.severities, err = severityNumbers(f.Severity); err != nil {
		return nil, err
	}
	switch n := stateNumber(f.State); {
	case f.State == "":
		for n := range states {
			q.states = append(q.states, int64(n))
		}
	case n < 0:
		return nil, tvilling.Errorf(tvilling.InvalidArgument, "There is no recommendation state %q; the states are %s.", f.State, joined(states))
	default:
		q.states = []int64{n}
	}
	return q, nil
}

// places returns the places of the next recommendations, at most limit.
func (q *adviceQuery) places(conn *sqlite.Conn, after advicePlace, limit int) (list []advicePlace, err error) {
	f := &q.filter
	take := func(stmt *sqlite.Stmt) bool {
		list = append(list, advicePlace{stmt.ColumnText(0), stmt.ColumnText(1)})
		return true
	}
	query := adviceOfState
	args := []any{string(f.Device), f.Type, after.device, after.typ, int64(limit)}
	switch {
	case f.Device != "":
		err = each(conn, adviceOfDevice, take, append(args, bits(q.states), bits(q.severities))...)
		return list, err
	case f.Type != "":
		query = adviceOfType
		if after.typ >= f.Type {
			args[2] = after.device + "\x00" // the next possible id
		}
	case f.State == "" && len(f.Severity) == 0:
		err = each(conn, adviceOfAll, take, args...)
		return list, err
	}
	for _, st := range q.states {
		for _, sev := range q.severities {
			if err := each(conn, query, take, append(args, st, sev)...); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(list, advicePlace.compare)
	return list[:min(len(list), limit)], nil
}

// Recommendations yields in ascending order of device, then type. Each page of
// it is the state at one moment. A damaged recommendation is an error that does
// not end the iteration.
func (s *Store) Recommendations(ctx context.Context, f ledger.RecommendationFilter, afterDevice tvilling.DeviceID, afterType string) iter.Seq2[*ledger.Recommendation, error] {
	return func(yield func(*ledger.Recommendation, error) bool) {
		q, err := newAdviceQuery(f)
		if err != nil {
			yield(nil, err)
			return
		}
		after, limit := advicePlace{string(afterDevice), afterType}, firstRows
		for {
			rows, more, err := s.advicePage(ctx, q, after, limit)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, r := range rows {
				rec, err := decodeRecommendation(tvilling.DeviceID(r.place.device), r.place.typ, r.value)
				if !yield(rec, s.refuse(err)) {
					return
				}
				after = r.place
			}
			if !more {
				return
			}
			limit = pageRows
		}
	}
}

type adviceValue struct {
	place advicePlace
	value []byte
}

func (s *Store) advicePage(ctx context.Context, q *adviceQuery, after advicePlace, limit int) (rows []adviceValue, more bool, err error) {
	const op = "list recommendations"
	err = s.pool.snapshot(ctx, op, func(conn *sqlite.Conn) error {
		places, err := q.places(conn, after, limit)
		if err != nil {
			return dbError(op, s.path, err)
		}
		more = len(places) == limit
		bytes := 0
		for _, at := range places {
			if bytes >= pageBytes {
				more = true
				break
			}
			value, err := blob(conn, getRecommendation, at.device, at.typ)
			if err != nil {
				return dbError(op, s.path, err)
			}
			bytes += len(value)
			rows = append(rows, adviceValue{at, value})
		}
		return nil
	})
	return rows, more, err
}
