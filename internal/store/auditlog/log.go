// Package auditlog keeps the audit log in segments of an append-only file, each
// entry a JSON object. The last record of every append says how far the sources
// were read, so that the entries and their places are durable together. When
// the log is too large its oldest files go.
package auditlog

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"sync"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/audit"
	"github.com/tvilling/tvilling/internal/store/segment"
)

// Options say where a log is and how much it keeps.
type Options struct {
	// Dir is the directory of the log; it belongs to the log alone.
	Dir string
	// MaxBytes is how large the log may grow; 0 is 256 MiB, a good million
	// entries.
	MaxBytes int64
	// FS is the file system; nil means that of the operating system.
	FS     segment.FS
	Logger *slog.Logger
}

const (
	defaultBytes = 256 << 20
	parts        = 16
)

// Log is an open log.
type Log struct {
	log    *segment.Log
	max    int64
	logger *slog.Logger

	mu      sync.Mutex
	cursors map[string]uint64
}

// record is what a segment holds. A record without an action is a place only.
type record struct {
	audit.Entry
	Cursors map[string]uint64 `json:"cursors,omitempty"`
}

// Open opens the log in a directory or makes a new one.
func Open(o Options) (*Log, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultBytes
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := segment.Open(segment.Options{Dir: o.Dir, MaxBytes: max(o.MaxBytes/parts, 1<<20), Reserve: 64 << 10, FS: o.FS})
	if err != nil {
		return nil, fmt.Errorf("open audit log: %w", err)
	}
	l := &Log{log: s, max: o.MaxBytes, logger: o.Logger}
	for _, d := range s.Recovery().Damage {
		l.logger.Error("audit log is damaged; the rest of it is served", "file", d.File, "offset", d.Offset, "first", d.First, "last", d.Last, "reason", d.Reason)
	}
	l.cursors = l.lastCursors()
	return l, nil
}

// lastCursors looks back for the newest record that tells of places.
func (l *Log) lastCursors() map[string]uint64 {
	const step = 512
	for end := l.log.Head(); ; end -= step {
		begin := end - min(end, step)
		var found map[string]uint64
		for r, err := range l.log.Read(begin) {
			if r.Sequence > end {
				break
			}
			var one record
			if err == nil && json.Unmarshal(r.Payload, &one) == nil && one.Cursors != nil {
				found = one.Cursors
			}
		}
		if found != nil || begin == 0 || begin < l.log.First() {
			return found
		}
	}
}

// Cursors returns how far the sources were read.
func (l *Log) Cursors() (map[string]uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.cursors), nil
}

// Append keeps entries and places.
func (l *Log) Append(entries []audit.Entry, cursors map[string]uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	records := make([]record, len(entries), len(entries)+1)
	for i, e := range entries {
		records[i].Entry = e
	}
	if len(records) == 0 {
		records = append(records, record{})
	}
	records[len(records)-1].Cursors = cursors
	payloads := make([][]byte, len(records))
	for i := range records {
		b, err := json.Marshal(&records[i])
		if err != nil {
			return fmt.Errorf("encode audit entry: %w", err)
		}
		payloads[i] = b
	}
	first, err := l.log.Append(payloads)
	if err != nil {
		return fmt.Errorf("append to the audit log: %w", err)
	}
	for i := range entries {
		entries[i].Sequence = first + uint64(i)
	}
	l.cursors = maps.Clone(cursors)
	l.retain()
	return nil
}

// retain drops the oldest files beyond the largest size.
func (l *Log) retain() {
	excess := l.log.Bytes() - l.max
	before := uint64(0)
	segments := l.log.Segments()
	for _, s := range segments[:len(segments)-1] {
		if excess <= 0 {
			break
		}
		excess -= s.Bytes
		before = s.Last + 1
	}
	if before == 0 {
		return
	}
	// The entries are kept; that old ones could not be removed is no reason to
	// say that they are not.
	if err := l.log.Drop(before); err != nil {
		l.logger.Error("audit log cannot remove old entries and grows beyond its limit", "error", err)
		return
	}
	l.logger.Info("audit log removed old entries", "first", l.log.First())
}

// Read yields the entries after a sequence, oldest first.
func (l *Log) Read(ctx context.Context, after uint64) iter.Seq2[audit.Entry, error] {
	return func(yield func(audit.Entry, error) bool) {
		for r, err := range l.log.Read(after) {
			if ctx.Err() != nil {
				yield(audit.Entry{}, context.Cause(ctx))
				return
			}
			var one record
			if err == nil {
				if bad := json.Unmarshal(r.Payload, &one); bad != nil {
					err = &tvilling.Error{Code: tvilling.Corrupt, Op: "read audit entry", Message: "An entry of the audit log cannot be read.", Err: bad}
				}
			}
			one.Sequence = r.Sequence
			if !yield(one.Entry, err) {
				return
			}
		}
	}
}

// First returns the oldest sequence kept.
func (l *Log) First() uint64 { return l.log.First() }

// Head returns the newest sequence.
func (l *Log) Head() uint64 { return l.log.Head() }

// Close closes the log.
func (l *Log) Close() error { return l.log.Close() }
