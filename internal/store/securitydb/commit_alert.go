package securitydb

import (
	"slices"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/tvilling/tvilling/internal/security/ledger"
)

// alertRow is what the columns of an alert hold that can change and are
// indexed.
type alertRow struct {
	n                int64
	severity, status int64
	owner            string
	known            bool
}

// alerts puts alerts. New evidence changes the times of an alert, and mostly
// nothing else that is indexed: then the other indexes are left alone.
func (w *writer) alerts(b *ledger.Batch) error {
	list := slices.SortedStableFunc(slices.Values(b.Alerts), func(x, y *ledger.Alert) int {
		return strings.Compare(x.ID, y.ID)
	})
	for _, a := range list {
		if err := w.alert(a); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) alert(a *ledger.Alert) error {
	const (
		insert = "INSERT INTO alert (id, device, type, cause, severity, status, owner, newest, last, updated, value)" +
			" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
		fold   = "UPDATE alert SET last = ?2, updated = ?3, value = ?4 WHERE n = ?1"
		update = "UPDATE alert SET last = ?2, updated = ?3, value = ?4, severity = ?5, status = ?6, owner = ?7 WHERE n = ?1"
	)
	was, err := w.alertRow(a)
	if err != nil {
		return err
	}
	w.buf = appendAlert(w.buf[:0], a)
	w.pages += 3 + len(w.buf)/pageSize
	now := alertRow{n: was.n, severity: int64(a.Severity), status: statusNumber(a.Status), owner: a.Owner, known: true}
	last, updated := nanos(a.Last), nanos(a.Updated)
	switch {
	case !was.known:
		w.pages += 6
		return exec(w.conn, insert, a.ID, string(a.Device), a.Type, a.Cause, now.severity, now.status, now.owner,
			-nanos(a.Created), last, updated, w.buf)
	case was == now:
		return exec(w.conn, fold, was.n, last, updated, w.buf)
	default:
		w.pages += 3
		return exec(w.conn, update, was.n, last, updated, w.buf, now.severity, now.status, now.owner)
	}
}

// alertRow returns what is stored of an alert. It refuses to give an alert
// another key or another time of creation, under which it would not be found.
func (w *writer) alertRow(a *ledger.Alert) (alertRow, error) {
	const get = "SELECT n, severity, status, owner, device = ?2 AND type = ?3 AND cause = ?4 AND newest = ?5 FROM alert WHERE id = ?1"
	var r alertRow
	same := true
	err := each(w.conn, get, func(stmt *sqlite.Stmt) bool {
		r = alertRow{n: stmt.ColumnInt64(0), severity: stmt.ColumnInt64(1), status: stmt.ColumnInt64(2), owner: stmt.ColumnText(3), known: true}
		same = stmt.ColumnBool(4)
		return false
	}, a.ID, string(a.Device), a.Type, a.Cause, -nanos(a.Created))
	if err == nil && !same {
		err = misuse("alert %s has got another key or another time of creation", a.ID)
	}
	return r, err
}
