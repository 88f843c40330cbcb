package securitydb

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// maxGroups is the most lines a summary may have.
const maxGroups = 100_000

const (
	nanosPerDay  = int64(24 * time.Hour)
	nanosPerHour = int64(time.Hour)
)

// column of a summary: the expression that it groups by, and how the values of
// that are shown.
type groupColumn struct {
	name, expression string
	show             func(stmt *sqlite.Stmt, column int) string
}

func asText(stmt *sqlite.Stmt, i int) string { return stmt.ColumnText(i) }

func asSeverity(stmt *sqlite.Stmt, i int) string {
	return ledger.Severity(stmt.ColumnInt64(i)).String()
}

func asDay(stmt *sqlite.Stmt, i int) string {
	return time.Unix(0, 0).UTC().AddDate(0, 0, int(stmt.ColumnInt64(i))).Format(time.DateOnly)
}

func asHour(stmt *sqlite.Stmt, i int) string {
	return time.Unix(stmt.ColumnInt64(i)*3600, 0).UTC().Format(time.RFC3339)
}

// named shows a number as a name out of a list.
func named[S ~string](list []S) func(*sqlite.Stmt, int) string {
	return func(stmt *sqlite.Stmt, i int) string {
		if n := stmt.ColumnInt64(i); n >= 0 && n < int64(len(list)) {
			return string(list[n])
		}
		return ""
	}
}

func alertColumns() []groupColumn {
	// Division rounds towards zero, days begin before.
	day := fmt.Sprintf("(last - ((last %% %[1]d) + %[1]d) %% %[1]d) / %[1]d", nanosPerDay)
	hour := fmt.Sprintf("(-newest - ((-newest %% %[1]d) + %[1]d) %% %[1]d) / %[1]d", nanosPerHour)
	return []groupColumn{
		{"device", "device", asText},
		{"type", "type", asText},
		{"severity", "severity", asSeverity},
		{"status", "status", named(statuses)},
		{"day", day, asDay},
		{"raisedHour", hour, asHour},
	}
}

func adviceColumns() []groupColumn {
	return []groupColumn{
		{"device", "device", asText}, {"type", "type", asText}, {"severity", "severity", asSeverity}, {"state", "state", named(states)},
	}
}

// AlertGroups counts alerts by columns, the most frequent first. Without
// columns it returns one line that counts all. "day" is the UTC day of the
// newest evidence, "raisedHour" the hour in which the alert was raised.
func (s *Store) AlertGroups(ctx context.Context, f ledger.AlertFilter, by []string) ([]ledger.Group, error) {
	q, err := newAlertQuery(f)
	if err != nil {
		return nil, err
	}
	raised := q.low > math.MinInt64 || q.high < math.MaxInt64
	where := " FROM alert INDEXED BY alert_last WHERE (?1 = '' OR device = ?1) AND " + ofType
	switch {
	case f.Device != "":
		where = " FROM alert INDEXED BY alert_device WHERE device = ?1 AND " + ofType
	case f.Owner != "" || !f.From.IsZero() || !f.To.IsZero() || slices.Contains(by, "day"):
	case raised || slices.Contains(by, "raisedHour"):
		where = " FROM alert INDEXED BY alert_newest WHERE (?1 = '' OR device = ?1) AND " + ofType
	case f.Type != "":
		where = " FROM alert INDEXED BY alert_type WHERE type = ?2"
	case len(f.Status)+len(f.Severity) == 0 && len(by) == 1 && by[0] == "device": // in order already
		return s.groups(ctx, "summarise alerts", alertColumns(), by, alone, " FROM alert INDEXED BY alert_device WHERE device >= ''", nil)
	case len(f.Status) == 0 && len(by) > 0 && by[0] == "type": // in order already
		where = " FROM alert INDEXED BY alert_type WHERE type >= ''"
	default:
		where = " FROM alert INDEXED BY alert_status WHERE status IN (" + numbers(q.statuses) + ")"
	}
	where += " AND " + ofSeverity + " AND " + ofStatus + " AND " + ofOwner
	if q.args[5] != nil {
		where += " AND last >= ?6"
	}
	if q.args[6] != nil {
		where += " AND last < ?7"
	} else {
		where += " AND ?7 IS NULL"
	}
	args := q.args[:]
	if raised {
		where += " AND newest >= ?8 AND newest <= ?9"
		args = append(args, q.low, q.high)
	}
	return s.groups(ctx, "summarise alerts", alertColumns(), by, devicesOf(f.Device, by), where, args)
}

// adviceTally counts recommendations in the order of their index, which needs
// no list of them: a type is recommended once to a device, so that as many
// devices are counted.
const adviceTally = " FROM (SELECT type, state, severity, count(*) AS n FROM recommendation INDEXED BY recommendation_type" +
	" WHERE ?1 IS NULL AND (?2 = '' OR type = ?2) AND ((1 << severity) & ?3) <> 0 AND ((1 << state) & ?4) <> 0" +
	" GROUP BY type, state, severity)"

// RecommendationGroups counts recommendations by columns, the most frequent
// first.
func (s *Store) RecommendationGroups(ctx context.Context, f ledger.RecommendationFilter, by []string) ([]ledger.Group, error) {
	q, err := newAdviceQuery(f)
	if err != nil {
		return nil, err
	}
	where := " FROM recommendation INDEXED BY recommendation_state WHERE state IN (" + numbers(q.states) + ") AND (?2 = '' OR type = ?2)"
	switch {
	case f.Device != "":
		where = " FROM recommendation WHERE device = ?1 AND (?2 = '' OR type = ?2)"
	case slices.Contains(by, "type") && !slices.Contains(by, "device"):
		return s.groups(ctx, "summarise recommendations", adviceColumns(), by, tallied, adviceTally,
			[]any{nil, f.Type, bits(q.severities), bits(q.states)})
	case f.Type != "":
		where = " FROM recommendation INDEXED BY recommendation_type WHERE type = ?2"
	}
	where += " AND ((1 << severity) & ?3) <> 0 AND ((1 << state) & ?4) <> 0"
	return s.groups(ctx, "summarise recommendations", adviceColumns(), by, devicesOf(f.Device, by), where,
		[]any{string(f.Device), f.Type, bits(q.severities), bits(q.states)})
}

// numbers lists numbers for an IN: there are few different lists, so that a
// connection keeps few statements.
func numbers(list []int64) string {
	return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(list)), ","), "[]")
}

// How a line of a summary counts records and devices.
const (
	several = "count(*), count(DISTINCT device)"
	alone   = "count(*), min(count(*), 1)" // of one device, which needs no list of them
	tallied = "sum(n), sum(n)"             // what was counted already
)

// devicesOf says how lines count that may be of one device only.
func devicesOf(only tvilling.DeviceID, by []string) string {
	if only != "" || slices.Contains(by, "device") {
		return alone
	}
	return several
}

// groupQuery returns the query of a summary and the columns asked for. counts
// is how its lines count.
func groupQuery(op string, all []groupColumn, by []string, counts, where string) (string, []groupColumn, error) {
	var cols []groupColumn
	var expressions []string
	for i, name := range by {
		n := slices.IndexFunc(all, func(c groupColumn) bool { return c.name == name })
		if n < 0 || slices.Contains(by[:i], name) {
			names := make([]string, len(all))
			for i, c := range all {
				names[i] = c.name
			}
			return "", nil, &tvilling.Error{
				Code: tvilling.InvalidArgument, Op: op, Path: "by",
				Message: fmt.Sprintf("There is no summary by %q here: use each of %s once at most.", name, strings.Join(names, ", ")),
			}
		}
		cols = append(cols, all[n])
		expressions = append(expressions, all[n].expression)
	}
	query := "SELECT " + counts
	if len(by) > 0 {
		query += ", " + strings.Join(expressions, ", ")
	}
	query += where
	if len(by) > 0 {
		query += " GROUP BY " + strings.Join(expressions, ", ")
	}
	return query, cols, nil
}

func (s *Store) groups(ctx context.Context, op string, all []groupColumn, by []string, counts, where string, args []any) ([]ledger.Group, error) {
	query, cols, err := groupQuery(op, all, by, counts, where)
	if err != nil {
		return nil, err
	}
	list := []ledger.Group{}
	err = s.pool.use(ctx, op, func(conn *sqlite.Conn) error {
		// A summary may read all there is; it ends with the call.
		conn.SetInterrupt(ctx.Done())
		defer conn.SetInterrupt(nil)
		err := each(conn, query, func(stmt *sqlite.Stmt) bool {
			g := ledger.Group{Values: make([]string, len(cols)), Count: stmt.ColumnInt64(0), Devices: stmt.ColumnInt64(1)}
			for i, c := range cols {
				g.Values[i] = c.show(stmt, i+2)
			}
			list = append(list, g)
			return len(list) <= maxGroups
		}, args...)
		if err != nil {
			return dbError(op, s.path, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(list) > maxGroups {
		return nil, &tvilling.Error{
			Code: tvilling.InvalidArgument, Op: op, Path: "by",
			Message: fmt.Sprintf("The summary would have more than %d lines; ask for fewer columns or select less.", maxGroups),
		}
	}
	slices.SortFunc(list, func(x, y ledger.Group) int {
		if x.Count != y.Count {
			return int(min(max(y.Count-x.Count, -1), 1))
		}
		return slices.Compare(x.Values, y.Values)
	})
	return list, nil
}
