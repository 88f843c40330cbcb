package messagelog

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/store/segment"
)

// Options say where a message log is and how much it keeps.
type Options struct {
	// Dir is the directory of the log; it belongs to the log alone.
	Dir string
	// MaxAge is how long messages are kept; 0 keeps them for ever. Because
	// whole files go, a message may stay up to an eighth longer.
	MaxAge time.Duration
	// MaxBytes is how large the log may grow; 0 sets no limit. Because whole
	// files go, a sixteenth of it may be free at times, and the smallest log
	// is two files of 1 MiB.
	MaxBytes int64
	// Keep returns the sequence up to which all readers are done; nil means
	// that no reader is waited for. A file with a message after it stays,
	// however old or large the log is; [Log.Held] says how much that is. It is
	// asked whenever something is to be removed and must not call the log.
	Keep func() uint64
	// Reserve is how much space is written ahead of small appends; see
	// segment.Options.
	Reserve int64
	// FS is the file system; nil means that of the operating system.
	FS segment.FS
	// Logger is told of what a crash left and of what retention removes; nil
	// means nobody.
	Logger *slog.Logger
}

// The bounds of a segment file when MaxBytes is set.
const (
	minSegment = 1 << 20
	parts      = 16
)

// keepBuffer is the largest buffer that is kept between appends.
const keepBuffer = 4 << 20

// Log is an open message log. Every method is safe for concurrent use.
type Log struct {
	log      *segment.Log
	logger   *slog.Logger
	maxAge   time.Duration
	maxBytes int64
	keep     func() uint64

	// mu is held while messages are encoded and appended. It guards the
	// buffers, which are used again.
	mu       sync.Mutex
	buf      []byte
	ends     []int
	payloads [][]byte

	// retaining is held while messages are removed. It guards removed, and
	// what each limit would have removed but for the readers.
	retaining         sync.Mutex
	removed           uint64
	heldAge, heldSize uint64

	// stuck says that Append could not remove old messages the last time.
	stuck atomic.Bool
}

// Open opens the log in a directory or makes a new one. Errors are those of
// segment.Open.
func Open(o Options) (*Log, error) {
	size := int64(segment.DefaultMaxBytes)
	if o.MaxBytes > 0 {
		size = min(max(o.MaxBytes/parts, minSegment), size)
	}
	s, err := segment.Open(segment.Options{Dir: o.Dir, MaxBytes: size, Reserve: o.Reserve, FS: o.FS})
	if err != nil {
		return nil, fmt.Errorf("open message log: %w", err)
	}
	l := &Log{log: s, logger: o.Logger, maxAge: o.MaxAge, maxBytes: o.MaxBytes, keep: o.Keep}
	if l.logger == nil {
		l.logger = slog.New(slog.DiscardHandler)
	}
	l.report(s.Recovery())
	return l, nil
}

// report logs what opening found.
func (l *Log) report(r segment.Recovery) {
	if r.TornBytes > 0 {
		l.logger.Warn("message log cut off an append that a crash had interrupted; it was not acknowledged",
			"file", r.File, "offset", r.Offset, "bytes", r.TornBytes)
	}
	for _, d := range r.Damage {
		l.logger.Error("message log is damaged; the rest of it is served",
			"file", d.File, "offset", d.Offset, "first", d.First, "last", d.Last, "reason", d.Reason)
	}
	if more := r.Damaged - len(r.Damage); more > 0 {
		l.logger.Error("message log is damaged in further places", "places", more)
	}
}

// Append stores messages in order, with one write and one fsync, and returns
// when they are durable; it then has set their sequences. All are stored or
// none. Errors are those of segment.Log.Append: code Unavailable means that
// there is no space and that a later call may succeed. A context that is done
// already stops it; once begun it is not interrupted.
func (l *Log) Append(ctx context.Context, msgs []*tvilling.Message) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("append %d messages: %w", len(msgs), err)
	}
	if err := l.append(msgs); err != nil {
		return fmt.Errorf("append %d messages: %w", len(msgs), err)
	}
	if l.maxBytes > 0 && l.log.Bytes() > l.maxBytes {
		// The messages are stored; that old ones could not be removed must
		// not look like a failure to store. It is said once, until it works.
		_, err := l.retainSize()
		if before := l.stuck.Swap(err != nil); err != nil && !before {
			l.logger.ErrorContext(ctx, "message log cannot remove old messages and grows beyond its limit", "error", err)
		}
	}
	return nil
}

func (l *Log) append(msgs []*tvilling.Message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	buf, ends, payloads := l.buf[:0], l.ends[:0], l.payloads[:0]
	for _, m := range msgs {
		var err error
		if buf, err = AppendEncoded(buf, m); err != nil {
			return err
		}
		ends = append(ends, len(buf))
	}
	start := 0
	for _, end := range ends {
		payloads = append(payloads, buf[start:end])
		start = end
	}
	if cap(buf) <= keepBuffer {
		l.buf, l.ends, l.payloads = buf, ends, payloads
	}
	first, err := l.log.Append(payloads)
	if err != nil {
		return err
	}
	for i, m := range msgs {
		m.Sequence = first + uint64(i)
	}
	return nil
}

// Read yields the messages after a sequence, in order, up to the one that is
// the newest when the loop begins. Messages that retention removed are passed
// over: the first sequence is then greater than after+1.
//
// Where messages are damaged it yields one error of code Corrupt with a
// message that holds nothing but the sequence of the last one lost there, and
// goes on behind it; the consumer decides whether to stop. An error that ends
// the loop comes without a message: ctx is done, or the log was closed.
func (l *Log) Read(ctx context.Context, after uint64) iter.Seq2[*tvilling.Message, error] {
	return func(yield func(*tvilling.Message, error) bool) {
		for r, err := range l.log.Read(after) {
			if done := ctx.Err(); done != nil {
				yield(nil, fmt.Errorf("read messages: %w", done))
				return
			}
			m, err := decodeRecord(r, err)
			if !yield(m, err) {
				return
			}
		}
	}
}

// decodeRecord turns what a segment log yields into what Read yields.
func decodeRecord(r segment.Record, err error) (*tvilling.Message, error) {
	if err != nil && r.Sequence == 0 {
		return nil, fmt.Errorf("read messages: %w", err)
	}
	lost := &tvilling.Message{Sequence: r.Sequence}
	if err != nil {
		return lost, fmt.Errorf("read message: %w", err)
	}
	m, err := Decode(r.Payload)
	if err != nil {
		return lost, fmt.Errorf("read message %d: %w", r.Sequence, err)
	}
	m.Sequence = r.Sequence
	return m, nil
}

// Head returns the sequence of the newest message; 0 if there never was one.
func (l *Log) Head() uint64 { return l.log.Head() }

// First returns the sequence of the oldest message kept; Head()+1 when there is none.
func (l *Log) First() uint64 { return l.log.First() }

// Bytes returns how much space the log takes.
func (l *Log) Bytes() int64 { return l.log.Bytes() }

// Changed returns a channel that is closed at the next append and when the
// log is closed. To follow: take the channel, read to the end, wait.
func (l *Log) Changed() <-chan struct{} { return l.log.Changed() }

// Close waits for a running append and closes the log.
func (l *Log) Close() error { return l.log.Close() }
