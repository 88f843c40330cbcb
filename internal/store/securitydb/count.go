package securitydb

import (
	"context"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/tvilling/tvilling/internal/security/ledger"
)

// Counts read the index that pages of the same filter are cut out of, and no
// record. They end where whoever asks has seen enough, or with the call.

// counting makes of a query for places one that counts them.
func counting(query string) string {
	from, limit := strings.Index(query, " FROM "), strings.LastIndex(query, " LIMIT ")
	where := query[from:limit]
	if order := strings.Index(where, " ORDER BY "); order >= 0 {
		where = where[:order]
	}
	return "SELECT count(*) FROM (SELECT 1" + where + query[limit:] + ")"
}

// counter adds up the runs of a query.
type counter struct {
	conn  *sqlite.Conn
	query string
	// args has the number of rows at the place limit.
	args           []any
	limit, n, most int
}

func (c *counter) add(run ...any) error {
	if c.n >= c.most {
		return nil
	}
	c.args[c.limit] = int64(c.most - c.n)
	return each(c.conn, c.query, func(stmt *sqlite.Stmt) bool {
		c.n += stmt.ColumnInt(0)
		return false
	}, append(c.args, run...)...)
}

// each counts in one run for every pair.
func (c *counter) each(firsts, seconds []int64) error {
	for _, a := range firsts {
		for _, b := range seconds {
			if err := c.add(a, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// CountAlerts counts alerts, and stops at most.
func (s *Store) CountAlerts(ctx context.Context, f ledger.AlertFilter, most int) (int, error) {
	q, err := newAlertQuery(f)
	if err != nil {
		return 0, err
	}
	return s.count(ctx, "count alerts", most, func(c *counter) error {
		query, runs, err := q.plan(c.conn)
		if err != nil {
			return err
		}
		c.query, c.args, c.limit = counting(query), append(q.args[:], q.low, "", nil, q.high), 9
		if !runs {
			return c.add()
		}
		return c.each(q.statuses, q.severities)
	})
}

// CountRecommendations counts recommendations, and stops at most.
func (s *Store) CountRecommendations(ctx context.Context, f ledger.RecommendationFilter, most int) (int, error) {
	q, err := newAdviceQuery(f)
	if err != nil {
		return 0, err
	}
	return s.count(ctx, "count recommendations", most, func(c *counter) error {
		c.args, c.limit = []any{string(f.Device), f.Type, "", "", nil}, 4
		switch {
		case f.Device != "":
			c.query = counting(adviceOfDevice)
			return c.add(bits(q.states), bits(q.severities))
		case f.Type != "":
			c.query = counting(adviceOfType)
		case f.State == "" && len(f.Severity) == 0:
			c.query = counting(adviceOfAll)
			return c.add()
		default:
			c.query = counting(adviceOfState)
		}
		return c.each(q.states, q.severities)
	})
}

func (s *Store) count(ctx context.Context, op string, most int, do func(c *counter) error) (int, error) {
	c := &counter{most: most}
	err := s.pool.use(ctx, op, func(conn *sqlite.Conn) error {
		conn.SetInterrupt(ctx.Done())
		defer conn.SetInterrupt(nil)
		c.conn = conn
		if err := do(c); err != nil {
			return dbError(op, s.path, err)
		}
		return nil
	})
	return c.n, err
}
