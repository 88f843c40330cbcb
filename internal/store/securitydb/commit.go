package securitydb

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

const opCommit = "commit security records"

// Commit makes b durable in one transaction. ctx ends the waiting for the
// commit before it only: what has begun is not given up.
func (s *Store) Commit(ctx context.Context, b *ledger.Batch) error {
	records := size(b)
	if records == 0 {
		return nil
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.admit(ctx, b); err != nil {
		s.figures.refused.Add(1)
		return err
	}
	start := time.Now()
	w := &writer{conn: s.writer, path: s.path, buf: s.scratch[:0]}
	err := s.transaction(opCommit, func() error { return w.put(b) })
	if cap(w.buf) <= keepScratch {
		s.scratch = w.buf
	}
	if err != nil {
		s.figures.refused.Add(1)
		return err
	}
	if n := len(b.Feed); n > 0 {
		s.head.Store(b.Feed[n-1].Sequence)
	}
	s.figures.commits.Add(1)
	s.figures.records.Add(int64(records))
	s.figures.commitNS.Add(int64(time.Since(start)))
	s.grown(w.pages)
	return nil
}

// keepScratch is the largest buffer for encoding that is kept between commits.
const keepScratch = 1 << 20

func size(b *ledger.Batch) int {
	return len(b.Alerts) + len(b.Recommendations) + len(b.Devices) + len(b.Forget) + len(b.Steps) + len(b.Feed) +
		len(b.Cursors) + len(b.Values) + len(b.Credentials)
}

// admit refuses what cannot be stored. s.writing is held.
func (s *Store) admit(ctx context.Context, b *ledger.Batch) error {
	if s.closed {
		return errClosed(opCommit)
	}
	if err := s.lost.Load(); err != nil {
		return &tvilling.Error{
			Code: tvilling.Internal, Op: opCommit, Subject: s.path,
			Message: "The security store failed before and takes no more changes; restart the hub.", Err: *err,
		}
	}
	if ctx.Err() != nil {
		return givenUp(ctx, opCommit)
	}
	for _, a := range b.Alerts {
		if a.ID == "" || a.Severity >= ledger.Severities || a.Status == "" || statusNumber(a.Status) < 0 {
			return misuse("alert %q has severity %d and status %q", a.ID, a.Severity, a.Status)
		}
	}
	for i := range b.Steps {
		if st := &b.Steps[i]; statusNumber(st.From) < 0 || statusNumber(st.To) < 0 {
			return misuse("a step of alert %q leads from status %q to %q", st.Alert, st.From, st.To)
		}
	}
	for _, r := range b.Recommendations {
		if r.Severity >= ledger.Severities || stateNumber(r.State) < 0 {
			return misuse("recommendation %q of %q has severity %d and state %q", r.Type, r.Device, r.Severity, r.State)
		}
	}
	last := s.head.Load()
	for i := range b.Feed {
		if b.Feed[i].Sequence <= last {
			return misuse("feed entry %d follows entry %d", b.Feed[i].Sequence, last)
		}
		last = b.Feed[i].Sequence
	}
	return nil
}

// transaction runs f in a transaction. After an error nothing of it is kept,
// and unless the reason is one that passes (no space, a lock of another
// program), the store is lost. s.writing is held.
func (s *Store) transaction(op string, f func() error) error {
	err := exec(s.writer, "BEGIN IMMEDIATE")
	if err == nil {
		if err = f(); err == nil {
			err = exec(s.writer, "COMMIT")
		}
	}
	if err == nil {
		return nil
	}
	if !s.writer.AutocommitEnabled() {
		if back := exec(s.writer, "ROLLBACK"); back != nil {
			return s.lose(op, back)
		}
	}
	e := dbError(op, s.path, err)
	if code := sqlite.ErrCode(err).ToPrimary(); code == sqlite.ResultFull || code == sqlite.ResultBusy {
		return e
	}
	return s.lose(op, err)
}

// lose takes the store out of service for changes: whether what failed is on
// disk is not known.
func (s *Store) lose(op string, cause error) error {
	err := error(&tvilling.Error{
		Code: tvilling.Internal, Op: op, Subject: s.path,
		Message: "The security store failed and takes no more changes; see the cause, then restart the hub.", Err: cause,
	})
	s.lost.Store(&err)
	return err
}

// writer puts the records of one batch.
type writer struct {
	conn *sqlite.Conn
	path string
	buf  []byte
	// pages estimates how many pages the batch adds to the log.
	pages int
}

func (w *writer) put(b *ledger.Batch) error {
	for _, f := range []func(*ledger.Batch) error{
		w.forget, w.devices, w.alerts, w.steps, w.recommendations, w.feed, w.meta, w.credentials,
	} {
		if err := f(b); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) forget(b *ledger.Batch) error {
	for _, d := range b.Forget {
		if err := exec(w.conn, "DELETE FROM device WHERE id = ?", string(d)); err != nil {
			return err
		}
		if err := exec(w.conn, "DELETE FROM recommendation WHERE device = ?", string(d)); err != nil {
			return err
		}
		w.pages += 4
	}
	return nil
}

// devices puts the records of devices in the order of the table, so that
// neighbours share pages. Mostly neither the due time nor mark or state change:
// then their indexes are left alone.
func (w *writer) devices(b *ledger.Batch) error {
	const (
		same = "UPDATE device SET value = ?2 WHERE id = ?1 AND due IS ?3 AND posture = ?4 AND state = ?5"
		put  = "INSERT INTO device (id, value, due, posture, state) VALUES (?1, ?2, ?3, ?4, ?5)" +
			" ON CONFLICT (id) DO UPDATE SET value = excluded.value, due = excluded.due, posture = excluded.posture, state = excluded.state"
	)
	list := slices.SortedStableFunc(slices.Values(b.Devices), func(x, y *ledger.Device) int {
		return strings.Compare(string(x.ID), string(y.ID))
	})
	for _, d := range list {
		var due any
		if !d.Due.IsZero() {
			due = nanos(d.Due)
		}
		posture := int64(0)
		if d.Posture {
			posture = 1
		}
		w.buf = appendDevice(w.buf[:0], d)
		w.pages++
		ok, err := changed(w.conn, same, string(d.ID), w.buf, due, posture, d.State)
		if err == nil && !ok {
			w.pages += 2
			err = exec(w.conn, put, string(d.ID), w.buf, due, posture, d.State)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) steps(b *ledger.Batch) error {
	const put = "INSERT INTO step (alert, sequence, value) VALUES (?, ?, ?)"
	for i := range b.Steps {
		st := &b.Steps[i]
		w.buf = appendStep(w.buf[:0], st)
		w.pages++
		if err := exec(w.conn, put, st.Alert, int64(st.Sequence), w.buf); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) recommendations(b *ledger.Batch) error {
	const (
		same = "UPDATE recommendation SET value = ?5 WHERE device = ?1 AND type = ?2 AND severity = ?3 AND state = ?4"
		put  = "INSERT INTO recommendation (device, type, severity, state, value) VALUES (?1, ?2, ?3, ?4, ?5)" +
			" ON CONFLICT (device, type) DO UPDATE SET severity = excluded.severity, state = excluded.state, value = excluded.value"
	)
	list := slices.SortedStableFunc(slices.Values(b.Recommendations), func(x, y *ledger.Recommendation) int {
		if c := strings.Compare(string(x.Device), string(y.Device)); c != 0 {
			return c
		}
		return strings.Compare(x.Type, y.Type)
	})
	for _, r := range list {
		w.buf = appendRecommendation(w.buf[:0], r)
		args := []any{string(r.Device), r.Type, int64(r.Severity), stateNumber(r.State), w.buf}
		w.pages += 1 + len(w.buf)/pageSize
		ok, err := changed(w.conn, same, args...)
		if err == nil && !ok {
			w.pages += 2
			err = exec(w.conn, put, args...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) feed(b *ledger.Batch) error {
	const put = "INSERT INTO feed (sequence, value) VALUES (?, ?)"
	bytes := 0
	for i := range b.Feed {
		e := &b.Feed[i]
		w.buf = appendEntry(w.buf[:0], e)
		bytes += len(w.buf)
		if err := exec(w.conn, put, int64(e.Sequence), w.buf); err != nil {
			return err
		}
	}
	w.pages += (bytes + pageSize - 1) / pageSize
	return nil
}

const (
	putMeta    = "INSERT INTO meta (kind, name, value) VALUES (?, ?, ?) ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value"
	deleteMeta = "DELETE FROM meta WHERE kind = ? AND name = ?"
	getMeta    = "SELECT value FROM meta WHERE kind = ? AND name = ?"
)

func (w *writer) meta(b *ledger.Batch) error {
	for _, name := range slices.Sorted(maps.Keys(b.Cursors)) {
		k := key{kind: kindCursor, a: name}
		w.buf = appendNumber(w.buf[:0], k, b.Cursors[name])
		w.pages++
		if err := exec(w.conn, putMeta, int64(k.kind), name, w.buf); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.Values)) {
		k := key{kind: kindValue, a: name}
		var err error
		if v := b.Values[name]; v == nil {
			err = exec(w.conn, deleteMeta, int64(k.kind), name)
		} else {
			w.buf = appendBytes(w.buf[:0], k, v)
			w.pages += 1 + len(w.buf)/pageSize
			err = exec(w.conn, putMeta, int64(k.kind), name, w.buf)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) credentials(b *ledger.Batch) error {
	const put = "INSERT INTO credential (fingerprint, device, module, value) VALUES (?, ?, ?, ?)"
	for _, c := range b.Credentials {
		device, module := string(c.ID.Device), string(c.ID.Module)
		if err := exec(w.conn, "DELETE FROM credential WHERE device = ? AND module = ?", device, module); err != nil {
			return err
		}
		w.pages++
		fingerprints := slices.SortedFunc(slices.Values(c.Fingerprints), bytes.Compare)
		for _, f := range slices.CompactFunc(fingerprints, bytes.Equal) {
			w.buf = credentialKey(c.ID, f).seal(append(w.buf[:0], formatFirst), 0)
			w.pages += 2
			if err := exec(w.conn, put, f, device, module, w.buf); err != nil {
				return err
			}
		}
	}
	return nil
}
