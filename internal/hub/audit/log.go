package audit

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
)

// Store keeps entries in order.
type Store interface {
	// Append keeps entries, in order, and how far each source was read, all of
	// it or nothing. It sets the sequences.
	Append(entries []Entry, cursors map[string]uint64) error
	// Cursors returns how far the sources were read.
	Cursors() (map[string]uint64, error)
	// Read yields the entries after a sequence, oldest first. What is damaged is
	// an error of code Corrupt beside an entry with the sequence of the last that
	// is lost there.
	Read(ctx context.Context, after uint64) iter.Seq2[Entry, error]
	// First and Head are the oldest and the newest sequence.
	First() uint64
	Head() uint64
}

// Step is one record of a source.
type Step struct {
	// Number is the record's in its source.
	Number uint64
	// Entry is what the log is to have of it, nil for nothing.
	Entry *Entry
}

// Source is a journal that acts are picked out of.
type Source struct {
	Name string
	// Read yields the records after a number, oldest first, up to the newest.
	// An error without a number ends it; one beside a number is of that record.
	Read func(ctx context.Context, after uint64) iter.Seq2[Step, error]
	// Changed returns a channel that is closed when there are more.
	Changed func() <-chan struct{}
}

// Options are what a Log works with.
type Options struct {
	Store   Store
	Sources []Source
	Logger  *slog.Logger
}

// Log is the audit log. Make one with [New], run it with [Log.Run].
type Log struct {
	opt Options
	// cursors are how far each source was read, kept those that are durable.
	// They belong to Run.
	cursors map[string]uint64
	unkept  bool
	kept    time.Time
	changed signal
}

const (
	// pace is the least time between two looks at the sources.
	pace = 250 * time.Millisecond
	// batch is how many entries are kept at once.
	batch = 500
	// keepEvery is how often the places in the sources are kept although no
	// entry was found there: what is read again after a restart.
	keepEvery = time.Minute
	// retryAfter is how long a source that failed is left alone.
	retryAfter = 5 * time.Second
)

// New returns a log.
func New(o Options) (*Log, error) {
	cursors, err := o.Store.Cursors()
	if err != nil {
		return nil, err
	}
	l := &Log{opt: o, cursors: cursors, kept: time.Now()}
	if l.cursors == nil {
		l.cursors = make(map[string]uint64)
	}
	l.changed.init()
	return l, nil
}

// Changed returns a channel that is closed when there are more entries.
func (l *Log) Changed() <-chan struct{} { return l.changed.wait() }

// Run follows the sources until ctx ends.
func (l *Log) Run(ctx context.Context) {
	for {
		waits := []reflect.SelectCase{{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(ctx.Done())}}
		for _, s := range l.opt.Sources {
			waits = append(waits, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(s.Changed())})
		}
		rest := pace
		for i := range l.opt.Sources {
			if err := l.follow(ctx, &l.opt.Sources[i]); err != nil && ctx.Err() == nil {
				l.opt.Logger.ErrorContext(ctx, "the audit log is behind", "source", l.opt.Sources[i].Name, "error", err)
				rest = retryAfter
			}
		}
		if l.unkept && (time.Since(l.kept) >= keepEvery || ctx.Err() != nil) {
			if err := l.keep(nil); err != nil {
				l.opt.Logger.WarnContext(ctx, "the audit log will read again what it has read", "error", err)
			}
		}
		if ctx.Err() != nil || !wait(ctx, rest, waits) {
			l.last(ctx)
			return
		}
	}
}

// last keeps the places when the hub stops.
func (l *Log) last(ctx context.Context) {
	if !l.unkept {
		return
	}
	if err := l.keep(nil); err != nil {
		l.opt.Logger.WarnContext(ctx, "the audit log will read again what it has read", "error", err)
	}
}

// wait returns true when one of the sources has more, after a rest; false when
// ctx has ended.
func wait(ctx context.Context, rest time.Duration, waits []reflect.SelectCase) bool {
	pause := time.NewTimer(rest)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
		return false
	}
	keep := time.NewTimer(keepEvery)
	defer keep.Stop()
	chosen, _, _ := reflect.Select(append(waits, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(keep.C)}))
	return chosen != 0
}

// follow reads a source to its end.
func (l *Log) follow(ctx context.Context, s *Source) error {
	var entries []Entry
	var ended error
	for step, err := range s.Read(ctx, l.cursors[s.Name]) {
		if err != nil && tvilling.CodeOf(err) != tvilling.Corrupt {
			ended = err
			break
		}
		if err != nil {
			// The source tells of its damage itself; the rest is worth having.
			l.opt.Logger.WarnContext(ctx, "a damaged record is not in the audit log", "source", s.Name, "error", err)
		}
		if step.Number == 0 {
			continue
		}
		l.cursors[s.Name], l.unkept = step.Number, true
		if err == nil && step.Entry != nil {
			e := *step.Entry
			e.Source, e.Number = s.Name, step.Number
			entries = append(entries, e)
		}
		if len(entries) >= batch {
			if err := l.keep(entries); err != nil {
				return err
			}
			entries = nil
		}
	}
	if len(entries) > 0 {
		ended = errors.Join(ended, l.keep(entries))
	}
	return ended
}

// keep makes entries durable with the places that they were found at. If that
// fails, the sources are read again from the places kept before.
func (l *Log) keep(entries []Entry) error {
	if err := l.opt.Store.Append(entries, l.cursors); err != nil {
		if before, failed := l.opt.Store.Cursors(); failed == nil {
			l.cursors = before
		}
		return err
	}
	l.unkept, l.kept = false, time.Now()
	if len(entries) > 0 {
		l.changed.tell()
	}
	return nil
}

// Filter says which entries are wanted; what is empty does not matter.
type Filter struct {
	// Actor is "user:anna", or a kind of actor: "user", "policy".
	Actor string
	// Action is an action or a group of them: "device.delete", "device".
	Action string
	// Subject is a part of the subject.
	Subject string
	// From and To bound the time, half open.
	From, To time.Time
}

// Takes reports whether an entry is wanted.
func (f *Filter) Takes(e *Entry) bool {
	switch {
	case f.Actor != "" && e.Actor != f.Actor && !strings.HasPrefix(e.Actor, f.Actor+":"):
	case f.Action != "" && e.Action != f.Action && e.Group() != f.Action:
	case f.Subject != "" && !strings.Contains(e.Subject, f.Subject):
	case !f.From.IsZero() && e.Time.Before(f.From):
	case !f.To.IsZero() && !e.Time.Before(f.To):
	default:
		return true
	}
	return false
}

// Page is a part of the log, newest first.
type Page struct {
	Entries []Entry
	// Next is before which the next page begins; 0 at the end of the log.
	Next uint64
	// Reached is the time of the oldest entry that was looked at.
	Reached time.Time
	// Damaged counts entries that could not be read.
	Damaged int
}

const (
	// window is how many entries are read at once, maxLook how many for one
	// page at most: a page that finds little says how far back it looked.
	window, maxLook = 1000, 20_000
)

// Page returns up to limit entries before a sequence (0: from the newest on).
// It looks at a bounded part of the log only.
func (l *Log) Page(ctx context.Context, f Filter, before uint64, limit int) (Page, error) {
	var p Page
	end := l.opt.Store.Head() + 1
	if before > 0 && before < end {
		end = before
	}
	for looked := 0; looked < maxLook; looked += window {
		first := max(l.opt.Store.First(), 1)
		if end <= first {
			return p, nil
		}
		begin := max(first, end-min(end, window))
		found, err := l.read(ctx, begin, end, &p)
		if err != nil {
			return p, err
		}
		for i := len(found) - 1; i >= 0; i-- {
			e := &found[i]
			if e.Action == "" {
				continue // a place only
			}
			p.Reached = e.Time
			if !f.From.IsZero() && e.Time.Before(f.From.Add(-slack)) {
				return p, nil // what is older still is not wanted
			}
			if !f.Takes(e) {
				continue
			}
			p.Entries = append(p.Entries, *e)
			if len(p.Entries) == limit {
				if p.Next = e.Sequence; p.Next <= first {
					p.Next = 0
				}
				return p, nil
			}
		}
		end = begin
	}
	p.Next = end
	return p, nil
}

// slack is how far entries of different sources may be out of order in time.
const slack = time.Hour

// read returns the entries from begin to before end.
func (l *Log) read(ctx context.Context, begin, end uint64, p *Page) ([]Entry, error) {
	var list []Entry
	for e, err := range l.opt.Store.Read(ctx, begin-1) {
		if e.Sequence >= end {
			break
		}
		switch {
		case err == nil:
			list = append(list, e)
		case tvilling.CodeOf(err) == tvilling.Corrupt:
			p.Damaged++
		default:
			return nil, err
		}
	}
	return list, nil
}

// All yields the wanted entries, oldest first.
func (l *Log) All(ctx context.Context, f Filter) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for e, err := range l.opt.Store.Read(ctx, 0) {
			if err == nil && (e.Action == "" || !f.Takes(&e)) {
				continue
			}
			if !yield(e, err) {
				return
			}
		}
	}
}
