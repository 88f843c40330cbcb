package messagelog

import (
	"time"

	"github.com/tvilling/tvilling/internal/store/segment"
)

// Retain removes what is older than MaxAge at the given time and what the log
// holds beyond MaxBytes, and returns how many messages that were. Call it
// regularly; the limit of size is kept by Append as well.
//
// A file goes when its newest message is too old. So that a quiet log does
// not keep messages for ever, the active file is ended when its oldest
// message has an eighth of MaxAge.
//
// What a reader still needs (Options.Keep) stays beyond both limits; Held
// says how much that is.
func (l *Log) Retain(now time.Time) (dropped int, err error) {
	aged, err := l.retainAge(now)
	if err != nil {
		return aged, err
	}
	sized, err := l.retainSize()
	return aged + sized, err
}

// Removed returns how many messages retention has removed since Open.
func (l *Log) Removed() uint64 {
	l.retaining.Lock()
	defer l.retaining.Unlock()
	return l.removed
}

// Held returns how many messages are beyond a limit and stay because a reader
// still needs them, or a message in the same file; as of the last time that
// something was to be removed. While it is not 0 the log may outgrow its disk:
// somebody should see to the reader.
func (l *Log) Held() uint64 {
	l.retaining.Lock()
	defer l.retaining.Unlock()
	return max(l.heldAge, l.heldSize)
}

func (l *Log) retainAge(now time.Time) (int, error) {
	if l.maxAge <= 0 {
		return 0, nil
	}
	l.retaining.Lock()
	defer l.retaining.Unlock()
	segments := l.log.Segments()
	active := segments[len(segments)-1]
	if oldest, ok := l.oldest(active); ok && oldest.Before(now.Add(-l.maxAge/8)) {
		if err := l.log.Rotate(); err != nil {
			return 0, err
		}
		segments = l.log.Segments()
	}
	limit := now.Add(-l.maxAge)
	before := uint64(0)
	for _, s := range segments[:len(segments)-1] {
		newest, ok := l.newest(s)
		if !ok {
			continue // nothing readable: it goes with the next one
		}
		if !newest.Before(limit) {
			break
		}
		before = s.Last + 1
	}
	return l.drop(before, "age", &l.heldAge)
}

func (l *Log) retainSize() (int, error) {
	if l.maxBytes <= 0 {
		return 0, nil
	}
	l.retaining.Lock()
	defer l.retaining.Unlock()
	excess := -l.maxBytes
	segments := l.log.Segments()
	for _, s := range segments {
		excess += s.Bytes
	}
	before := uint64(0)
	for _, s := range segments[:len(segments)-1] {
		if excess <= 0 {
			break
		}
		excess -= s.Bytes
		before = s.Last + 1
	}
	return l.drop(before, "size", &l.heldSize)
}

// drop removes the messages before a sequence, as far as no reader needs them,
// and notes in held how many stay for that. l.retaining is held.
func (l *Log) drop(before uint64, reason string, held *uint64) (int, error) {
	first := l.log.First()
	allowed := before
	if l.keep != nil && before > first {
		allowed = min(before, l.keep()+1)
	}
	var err error
	if allowed > first {
		err = l.log.Drop(allowed)
	}
	n := l.log.First() - first
	l.removed += n
	if n > 0 {
		l.logger.Info("message log removed old messages", "reason", reason, "messages", n, "first", l.log.First())
	}
	was := *held
	*held = 0
	if allowed < before {
		*held = before - min(before, l.log.First())
	}
	if was == 0 && *held > 0 {
		l.logger.Warn("message log keeps messages beyond its limit because a reader has not read them yet",
			"reason", reason, "messages", *held, "first", l.log.First())
	}
	return int(n), err
}

// oldest returns the time of the first message of a segment that can be read.
func (l *Log) oldest(s segment.Segment) (time.Time, bool) {
	for r, err := range l.log.Read(s.First - 1) {
		if r.Sequence > s.Last {
			break
		}
		if m, err := decodeRecord(r, err); err == nil {
			return m.Enqueued, true
		}
	}
	return time.Time{}, false
}

// newest returns the time of the last message of a segment that can be read.
func (l *Log) newest(s segment.Segment) (newest time.Time, ok bool) {
	// The last one nearly always can be; otherwise all of them are tried.
	for _, after := range []uint64{s.Last - 1, s.First - 1} {
		for r, err := range l.log.Read(after) {
			if r.Sequence > s.Last {
				break
			}
			if m, err := decodeRecord(r, err); err == nil {
				newest, ok = m.Enqueued, true
			}
		}
		if ok {
			return newest, true
		}
	}
	return time.Time{}, false
}
