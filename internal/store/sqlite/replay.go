package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/store/segment"
)

// replay brings the memory to the end of the journal.
func (s *Store) replay(ctx context.Context) error {
	at, err := s.position()
	if err != nil {
		return err
	}
	if err := s.checkJournal(at); err != nil {
		return err
	}
	s.visible = at
	s.applied.Store(at.record)
	if rec := s.log.Recovery(); rec.TornBytes > 0 || rec.Damaged > 0 {
		s.opt.Logger.WarnContext(ctx, "the journal was not closed cleanly", "file", rec.File,
			"torn_bytes", rec.TornBytes, "damaged", rec.Damaged)
	}
	start := time.Now()
	r := &replayer{s: s, log: s.opt.Logger}
	for rec, err := range s.log.Read(at.record) {
		if ctx.Err() != nil {
			return givenUp(ctx)
		}
		if err != nil {
			err = r.lost(rec.Sequence, err)
		} else {
			err = r.apply(rec)
		}
		if err != nil {
			return err
		}
	}
	if err := r.end(); err != nil {
		return err
	}
	s.figures.replayed = r.batches
	if r.batches > 0 {
		s.opt.Logger.InfoContext(ctx, "journal replayed", "batches", r.batches, "records", r.records,
			"damaged", r.damaged, "took", time.Since(start))
	}
	return nil
}

// position reads how far SQLite has come. When that cannot be read, the whole
// journal is replayed: its entries are after-images, in order, so the result
// is the same.
func (s *Store) position() (position, error) {
	k := key{kind: kindPosition}
	value, err := getRow(s.writer, k)
	if err != nil {
		return position{}, dbError("open store", s.path, err)
	}
	if value == nil {
		return position{}, nil
	}
	rec, err := decodeValue(k, value)
	switch tvilling.CodeOf(err) {
	case "":
		return rec.(position), nil
	case tvilling.Corrupt:
		s.opt.Logger.Warn("the database does not say what it holds; the whole journal is replayed", "error", err)
		return position{record: s.log.First() - 1}, nil
	default:
		return position{}, err
	}
}

// checkJournal refuses a journal that cannot be the one of the database.
func (s *Store) checkJournal(at position) error {
	problem := ""
	switch {
	case s.log.Head() < at.record:
		problem = fmt.Sprintf("the database holds the journal up to record %d, but the journal ends at %d", at.record, s.log.Head())
	case s.log.First() > at.record+1:
		problem = fmt.Sprintf("the database holds the journal up to record %d, but the journal begins at %d", at.record, s.log.First())
	default:
		return nil
	}
	return &tvilling.Error{
		Code: tvilling.Corrupt, Op: "open store", Subject: s.opt.Dir,
		Message: "The database and the journal do not belong together: " + problem + ". Restore both from the same backup.",
	}
}

// replayer applies the journal's records in order.
type replayer struct {
	s   *Store
	log *slog.Logger

	// start is the record of the directory of the batch under way, dir what
	// it says; nil if it was lost.
	start uint64
	dir   *directory
	// lostFrom is the first record since the last readable one whose place in
	// a batch is not known; 0 if there is none.
	lostFrom uint64
	// unnamed counts the lost records that may have been writes of any key.
	unnamed uint64

	batches, records, damaged int64
}

func (r *replayer) apply(rec segment.Record) error {
	// A copy, because the journal's buffer holds much more than a record.
	it, err := decodeItem(bytes.Clone(rec.Payload))
	switch tvilling.CodeOf(err) {
	case "":
	case tvilling.Unsupported:
		return err
	default:
		return r.lost(rec.Sequence, err)
	}
	r.records++
	r.place(rec.Sequence, it)
	s := r.s
	switch {
	case it.directory != nil:
		if err := r.drain(); err != nil {
			return err
		}
		r.batches++
		if d := it.directory; d.last > s.visible.sequence {
			s.visible.sequence, s.visible.time = d.last, d.time
		}
	case it.write != nil:
		s.put(it.write.key, it.write.rec, false, rec.Sequence)
	case it.change != nil:
		s.visible.sequence = max(s.visible.sequence, it.change.Sequence)
		s.visible.time = it.change.Time.UnixNano()
	}
	s.visible.record = rec.Sequence
	s.unapplied += int64(len(rec.Payload)) + recordOverhead
	return nil
}

// place tells the batch under way from a record, and what the lost ones just
// before it were: a lost directory costs nothing, any other lost record of
// unknown key does.
func (r *replayer) place(sequence uint64, it item) {
	start := sequence - it.index
	if r.lostFrom != 0 {
		r.unnamed += sequence - r.lostFrom
		if it.index > 0 && start >= r.lostFrom {
			r.unnamed--
			r.batches++
		}
		r.lostFrom = 0
	}
	if it.directory != nil || start != r.start {
		r.start, r.dir = start, it.directory
	}
}

// lost marks the records up to last, which cannot be read, as damaged.
func (r *replayer) lost(last uint64, cause error) error {
	s := r.s
	first := s.visible.record + 1
	if last < first {
		return cause // the journal cannot be read at all
	}
	r.log.Error("the journal is damaged", "error", cause)
	for seq := first; seq <= last; seq++ {
		r.damaged++
		switch {
		case r.dir == nil || seq > r.dir.end(r.start):
			if r.lostFrom == 0 {
				r.lostFrom = seq
			}
		case seq-r.start <= uint64(len(r.dir.keys)):
			k := r.dir.keys[seq-r.start-1]
			s.put(k, nil, true, seq)
			r.log.Error("a record is damaged and is not served", "record", k.String())
		default: // a change, which only history lacks
		}
	}
	s.visible.record = last
	return nil
}

// drain writes back when the replay has filled the memory. It is called
// between two batches.
func (r *replayer) drain() error {
	if !r.s.due() {
		return nil
	}
	_, err := r.s.round(nil)
	return err
}

// end refuses a journal with losses that no name can be given to.
func (r *replayer) end() error {
	if r.lostFrom != 0 {
		r.unnamed += r.s.visible.record + 1 - r.lostFrom
	}
	if r.unnamed == 0 {
		return nil
	}
	err := &tvilling.Error{
		Code: tvilling.Corrupt, Op: "open store", Subject: r.s.opt.Dir,
		Message: fmt.Sprintf("The newest part of the journal is damaged, and which records are lost there cannot be told (%d of them). Restore a backup, or accept the loss by one start with --accept-loss: older states of these records are then served.", r.unnamed),
	}
	if !r.s.opt.AcceptLoss {
		return err
	}
	r.log.Error("the loss of records is accepted", "error", err)
	return nil
}
