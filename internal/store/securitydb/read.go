package securitydb

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// refuse counts an error that is damage.
func (s *Store) refuse(err error) error {
	if tvilling.CodeOf(err) == tvilling.Corrupt {
		s.figures.corrupt.Add(1)
	}
	return err
}

// get returns the stored value that a query yields, nil if there is none.
func (s *Store) get(ctx context.Context, k key, query string, args ...any) (value []byte, err error) {
	op := "read " + k.String()
	err = s.pool.use(ctx, op, func(conn *sqlite.Conn) error {
		if value, err = blob(conn, query, args...); err != nil {
			return dbError(op, s.path, err)
		}
		return nil
	})
	return value, s.refuse(err)
}

func readNumber(conn *sqlite.Conn, path string, k key) (uint64, error) {
	value, err := blob(conn, getMeta, int64(k.kind), k.a)
	if err != nil {
		return 0, dbError("read "+k.String(), path, err)
	}
	if value == nil {
		return 0, nil
	}
	return decodeNumber(k, value)
}

// Cursor returns how far a reader has come; 0 if it never said.
func (s *Store) Cursor(ctx context.Context, name string) (n uint64, err error) {
	k := key{kind: kindCursor, a: name}
	err = s.pool.use(ctx, "read "+k.String(), func(conn *sqlite.Conn) error {
		n, err = readNumber(conn, s.path, k)
		return err
	})
	return n, s.refuse(err)
}

// Value returns a small setting; nil if there is none.
func (s *Store) Value(ctx context.Context, name string) ([]byte, error) {
	k := key{kind: kindValue, a: name}
	value, err := s.get(ctx, k, getMeta, int64(k.kind), name)
	if value == nil || err != nil {
		return nil, err
	}
	v, err := decodeBytes(k, value)
	return v, s.refuse(err)
}

// Alert returns an alert; nil if there is none of that id.
func (s *Store) Alert(ctx context.Context, id string) (*ledger.Alert, error) {
	value, err := s.get(ctx, alertKey(id), "SELECT value FROM alert WHERE id = ?", id)
	if value == nil || err != nil {
		return nil, err
	}
	a, err := decodeAlert(id, value)
	return a, s.refuse(err)
}

// Newest returns the newest alert of a key, nil if there never was one.
func (s *Store) Newest(ctx context.Context, k ledger.Key) (a *ledger.Alert, err error) {
	const (
		op    = "read newest alert"
		query = "SELECT id, value FROM alert INDEXED BY alert_key WHERE device = ? AND type = ? AND cause = ? ORDER BY newest, id LIMIT 1"
	)
	err = s.pool.use(ctx, op, func(conn *sqlite.Conn) error {
		var id string
		var value []byte
		err := each(conn, query, func(stmt *sqlite.Stmt) bool {
			id, value = stmt.ColumnText(0), column(stmt, 1)
			return false
		}, string(k.Device), k.Type, k.Cause)
		switch {
		case err != nil:
			return dbError(op, s.path, err)
		case value != nil:
			a, err = decodeAlert(id, value)
		}
		return err
	})
	return a, s.refuse(err)
}

// History returns the steps of an alert, oldest first.
func (s *Store) History(ctx context.Context, alert string) (steps []ledger.Step, err error) {
	op := "read history of alert " + alert
	err = s.pool.use(ctx, op, func(conn *sqlite.Conn) error {
		var bad error
		err := each(conn, "SELECT sequence, value FROM step WHERE alert = ? ORDER BY sequence", func(stmt *sqlite.Stmt) bool {
			var st ledger.Step
			if st, bad = decodeStep(alert, uint64(stmt.ColumnInt64(0)), column(stmt, 1)); bad != nil {
				return false
			}
			steps = append(steps, st)
			return true
		}, alert)
		if err != nil {
			return dbError(op, s.path, err)
		}
		return bad
	})
	if err != nil {
		return nil, s.refuse(err)
	}
	return steps, nil
}

// Recommendation returns the recommendation of a type for a device; nil if
// there never was one.
func (s *Store) Recommendation(ctx context.Context, d tvilling.DeviceID, typ string) (*ledger.Recommendation, error) {
	value, err := s.get(ctx, recommendationKey(d, typ), getRecommendation, string(d), typ)
	if value == nil || err != nil {
		return nil, err
	}
	r, err := decodeRecommendation(d, typ, value)
	return r, s.refuse(err)
}

const getRecommendation = "SELECT value FROM recommendation WHERE device = ? AND type = ?"

// Device returns what is remembered of a device; nil if nothing is.
func (s *Store) Device(ctx context.Context, d tvilling.DeviceID) (*ledger.Device, error) {
	value, err := s.get(ctx, deviceKey(d), "SELECT value FROM device WHERE id = ?", string(d))
	if value == nil || err != nil {
		return nil, err
	}
	rec, err := decodeDevice(d, value)
	return rec, s.refuse(err)
}

// Due returns devices whose Due has come, earliest first, at most limit.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]tvilling.DeviceID, error) {
	const query = "SELECT id FROM device INDEXED BY device_due WHERE due IS NOT NULL AND due <= ? ORDER BY due, id LIMIT ?"
	return s.devices(ctx, "read due devices", query, nanos(now), int64(max(0, limit)))
}

// Postures returns devices whose Posture is set, in ascending order, at most limit.
func (s *Store) Postures(ctx context.Context, limit int) ([]tvilling.DeviceID, error) {
	const query = "SELECT id FROM device INDEXED BY device_posture WHERE posture = 1 ORDER BY id LIMIT ?"
	return s.devices(ctx, "read devices whose posture changed", query, int64(max(0, limit)))
}

// States counts devices by their State.
func (s *Store) States(ctx context.Context) (map[string]int64, error) {
	const (
		op    = "count devices by state"
		query = "SELECT state, COUNT(*) FROM device INDEXED BY device_state GROUP BY state"
	)
	counts := make(map[string]int64)
	err := s.pool.use(ctx, op, func(conn *sqlite.Conn) error {
		err := each(conn, query, func(stmt *sqlite.Stmt) bool {
			counts[stmt.ColumnText(0)] = stmt.ColumnInt64(1)
			return true
		})
		if err != nil {
			return dbError(op, s.path, err)
		}
		return nil
	})
	return counts, err
}

func (s *Store) devices(ctx context.Context, op, query string, args ...any) (ids []tvilling.DeviceID, err error) {
	err = s.pool.use(ctx, op, func(conn *sqlite.Conn) error {
		err := each(conn, query, func(stmt *sqlite.Stmt) bool {
			ids = append(ids, tvilling.DeviceID(stmt.ColumnText(0)))
			return true
		}, args...)
		if err != nil {
			return dbError(op, s.path, err)
		}
		return nil
	})
	return ids, err
}

// Sharing returns other identities that have one of the fingerprints of c, in
// ascending order, at most limit.
func (s *Store) Sharing(ctx context.Context, c ledger.Credential, limit int) ([]tvilling.Identity, error) {
	const (
		op    = "read identities with the same credential"
		query = "SELECT device, module, value FROM credential WHERE fingerprint = ?1 AND (device <> ?2 OR module <> ?3) ORDER BY device, module LIMIT ?4"
	)
	var list []tvilling.Identity
	err := s.pool.snapshot(ctx, op, func(conn *sqlite.Conn) error {
		for _, f := range c.Fingerprints {
			var bad error
			err := each(conn, query, func(stmt *sqlite.Stmt) bool {
				id := tvilling.Identity{Device: tvilling.DeviceID(stmt.ColumnText(0)), Module: tvilling.ModuleID(stmt.ColumnText(1))}
				if _, bad = credentialKey(id, f).open(column(stmt, 2)); bad != nil {
					return false
				}
				list = append(list, id)
				return true
			}, f, string(c.ID.Device), string(c.ID.Module), int64(max(0, limit)))
			if err != nil {
				return dbError(op, s.path, err)
			}
			if bad != nil {
				return bad
			}
		}
		return nil
	})
	if err != nil {
		return nil, s.refuse(err)
	}
	slices.SortFunc(list, tvilling.Identity.Compare)
	list = slices.Compact(list)
	return list[:min(len(list), max(0, limit))], nil
}

// Fingerprints returns what is known of an identity's credentials, in
// ascending order.
func (s *Store) Fingerprints(ctx context.Context, id tvilling.Identity) (list [][]byte, err error) {
	const (
		op    = "read credentials"
		query = "SELECT fingerprint, value FROM credential INDEXED BY credential_identity WHERE device = ? AND module = ?"
	)
	err = s.pool.use(ctx, op, func(conn *sqlite.Conn) error {
		var bad error
		err := each(conn, query, func(stmt *sqlite.Stmt) bool {
			f := column(stmt, 0)
			if _, bad = credentialKey(id, f).open(column(stmt, 1)); bad != nil {
				return false
			}
			list = append(list, f)
			return true
		}, string(id.Device), string(id.Module))
		if err != nil {
			return dbError(op, s.path, err)
		}
		return bad
	})
	if err != nil {
		return nil, s.refuse(err)
	}
	slices.SortFunc(list, bytes.Compare)
	return list, nil
}

const (
	// pageRows and pageBytes bound one read of an iteration, which is short so
	// that no reader keeps the log from being moved.
	pageRows  = 200
	pageBytes = 4 << 20
)

// Feed yields entries after a sequence, oldest first, up to the head it finds
// last.
func (s *Store) Feed(ctx context.Context, after uint64) iter.Seq2[ledger.Entry, error] {
	return func(yield func(ledger.Entry, error) bool) {
		for {
			page, more, err := s.feedPage(ctx, after)
			if err != nil {
				yield(ledger.Entry{}, err)
				return
			}
			for _, e := range page {
				after = e.sequence
				entry, err := decodeEntry(e.sequence, e.value)
				if !yield(entry, s.refuse(err)) {
					return
				}
			}
			if !more {
				return
			}
		}
	}
}

type feedRow struct {
	sequence uint64
	value    []byte
}

func (s *Store) feedPage(ctx context.Context, after uint64) (page []feedRow, more bool, err error) {
	const op = "read the feed"
	err = s.pool.use(ctx, op, func(conn *sqlite.Conn) error {
		bytes := 0
		err := each(conn, "SELECT sequence, value FROM feed WHERE sequence > ? ORDER BY sequence LIMIT ?", func(stmt *sqlite.Stmt) bool {
			page = append(page, feedRow{uint64(stmt.ColumnInt64(0)), column(stmt, 1)})
			bytes += len(page[len(page)-1].value)
			more = len(page) == pageRows || bytes >= pageBytes
			return !more
		}, clampSequence(after), int64(pageRows))
		if err != nil {
			return dbError(op, s.path, err)
		}
		return nil
	})
	return page, more, err
}
