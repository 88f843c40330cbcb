package live

import (
	"context"
	"errors"
	"hash/maphash"
	"iter"
	"log/slog"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// batch is how many touches are taken at once. An identity that is touched
// several times in one is looked at as few times as possible.
const batch = 1024

// gather is the least time between two looks for touches: under load a reader is
// woken for many rounds of the committer at once, and not for each of them.
const gather = 5 * time.Millisecond

// errStopped ends the work for a reader that wants no more events.
var errStopped = errors.New("the reader stopped")

// Subscription is one live query. It is used by one goroutine.
type Subscription struct {
	service *Service
	query   *query.Query
	text    mark
	// reads is what the query reads or shows, asks what its condition does.
	reads, asks areas
	modules     bool

	// at is how far events were told.
	at position
	// found are the identities to begin with.
	found []tvilling.Identity
	// anew says why a client that has rows must forget them, "" if it need not;
	// from is where a client goes on, nil for one that begins.
	anew string
	from *position

	// members has the hash of what is shown of each row.
	members map[tvilling.Identity]uint64
	// counted is what the service counts of the members.
	counted int64

	emit func(Event) error
	// spoke is when the reader was last told something.
	spoke  time.Time
	shown  []byte
	looked map[tvilling.Identity]uint64
	closed bool
}

// Close ends the subscription.
func (l *Subscription) Close() {
	if l.closed {
		return
	}
	l.closed = true
	l.count(-l.counted)
	l.service.feed.leave()
	l.service.open.Add(-1)
}

// count changes the number of members that the service knows of.
func (l *Subscription) count(n int64) {
	l.counted += n
	l.service.members.Add(n)
}

// find runs the query, and makes what the search had been told of before the
// place to follow from.
func (l *Subscription) find(ctx context.Context) error {
	o := l.service.opt
	head := l.service.feed.head()
	l.at = position{told: head, seen: head}
	l.found = l.found[:0]
	for id, err := range o.Search.Each(ctx, l.query, tvilling.Identity{}) {
		switch {
		case tvilling.CodeOf(err) == tvilling.Corrupt:
			l.damaged(ctx, err)
			continue
		case err != nil:
			return err
		case len(l.found) == o.Members:
			return l.tooLarge()
		}
		l.found = append(l.found, id)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	l.count(int64(len(l.found)) - l.counted)
	if l.service.members.Load() > l.service.mostMembers() {
		return l.tooMany()
	}
	l.members = make(map[tvilling.Identity]uint64, len(l.found))
	return nil
}

func (l *Subscription) tooLarge() error {
	l.service.gaveUp.Add(1)
	return fault(tvilling.TooLarge, "The query finds more than %d twins, which is as many as a live query may have; narrow its WHERE, or ask for a count again and again.", l.service.opt.Members)
}

func (l *Subscription) tooMany() error {
	l.service.refused.Add(1)
	return fault(tvilling.Throttled, "All live queries together may have %d rows, and those of this one would be too many; narrow its WHERE, or close another.", l.service.mostMembers())
}

// damaged tells the operator of a row that is left out.
func (l *Subscription) damaged(ctx context.Context, err error) {
	l.service.opt.Logger.ErrorContext(ctx, "damaged twin left out of a live query", slog.String("error", err.Error()))
}

// Events yields what happens to the result, until ctx ends or there is an
// error, which is the last that is yielded. A reader that takes its time is
// told less often of the same row, never less of the result.
func (l *Subscription) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		l.emit = func(e Event) error {
			if e.Kind <= Left {
				l.service.events.Add(1)
			}
			if !yield(e, nil) {
				return errStopped
			}
			l.spoke = time.Now()
			return nil
		}
		if err := l.run(ctx); !errors.Is(err, errStopped) && ctx.Err() == nil {
			yield(Event{}, err)
		}
	}
}

// run tells all, until it returns why it cannot go on.
func (l *Subscription) run(ctx context.Context) error {
	for {
		if err := l.begin(ctx); err != nil {
			return err
		}
		reason, err := l.follow(ctx)
		if err != nil {
			return err
		}
		l.anew = reason
		if err := l.find(ctx); err != nil {
			return err
		}
	}
}

// begin tells the rows that there are, or what became of them since a cursor.
func (l *Subscription) begin(ctx context.Context) error {
	if l.from != nil {
		err := l.goOn(ctx, *l.from)
		if l.from = nil; err != nil {
			return err
		}
		if l.anew == "" {
			return l.ready()
		}
		if err := l.find(ctx); err != nil {
			return err
		}
	}
	if l.anew != "" {
		l.service.resets.Add(1)
		if err := l.emit(Event{Kind: Reset, Reason: l.anew}); err != nil {
			return err
		}
		l.anew = ""
	}
	err := l.load(ctx, func(id tvilling.Identity) error {
		return l.emit(Event{Kind: Entered, ID: id, Row: l.row()})
	})
	if err != nil {
		return err
	}
	return l.ready()
}

// load looks at the identities that were found, and tells each member.
func (l *Subscription) load(ctx context.Context, member func(tvilling.Identity) error) error {
	for _, id := range l.found {
		is, hash, err := l.look(ctx, id)
		if err != nil {
			return err
		}
		if !is {
			continue
		}
		l.members[id] = hash
		if err := member(id); err != nil {
			return err
		}
	}
	l.found = nil
	return nil
}

// ready tells that all there is was told.
func (l *Subscription) ready() error {
	l.count(int64(len(l.members)) - l.counted)
	l.at.seen = l.service.opt.Journal.Head()
	return l.emit(Event{Kind: Ready, Members: len(l.members), Cursor: l.cursor()})
}

func (l *Subscription) cursor() string { return l.at.encode(l.text, l.service.run) }

// row returns what was last looked at, to be kept.
func (l *Subscription) row() []byte { return append([]byte(nil), l.shown...) }

// look reports whether the query finds an identity, as it is now, and the hash
// of what it then shows of it.
func (l *Subscription) look(ctx context.Context, id tvilling.Identity) (is bool, hash uint64, err error) {
	row, err := l.service.opt.Search.Row(ctx, id)
	if err == nil && row != nil {
		if is = l.query.Match(row); is {
			hash = l.show(row)
		}
		err = row.Err()
	}
	code := tvilling.CodeOf(err)
	switch {
	case err == nil:
		return is, hash, nil
	case code == tvilling.DeviceNotFound, code == tvilling.ModuleNotFound:
		return false, 0, nil
	case code == tvilling.Corrupt:
		l.damaged(ctx, err)
		return false, 0, nil
	}
	return false, 0, err
}

// show keeps what the query shows of a row, and returns its hash.
func (l *Subscription) show(row query.Row) uint64 {
	l.shown = l.query.Project(l.shown[:0], row)
	return maphash.Bytes(l.service.seed, l.shown)
}

// follow tells what happens, until it can only be told by beginning anew, and
// then returns why.
func (l *Subscription) follow(ctx context.Context) (reason string, err error) {
	touches := make([]touch, 0, batch)
	l.looked = make(map[tvilling.Identity]uint64)
	quiet, pause := time.NewTimer(l.service.opt.Quiet), time.NewTimer(gather)
	defer quiet.Stop()
	defer pause.Stop()
	for {
		if time.Since(l.spoke) >= l.service.opt.Quiet {
			if err := l.idle(); err != nil {
				return "", err
			}
		}
		next, more, ok := l.service.feed.after(l.at.told, touches[:0])
		if !ok {
			if next, reason, err = l.catchUp(ctx, touches[:0]); err != nil || reason != "" {
				return reason, err
			}
		}
		if len(next) == 0 {
			if err := l.wait(ctx, more, quiet, pause); err != nil {
				return "", err
			}
			continue
		}
		pause.Reset(gather)
		clear(l.looked)
		for _, t := range next {
			if err := l.tell(ctx, t); err != nil {
				return "", err
			}
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
	}
}

// wait waits for more, but no longer than the reader may be told nothing. With
// more it returns no earlier than pause ends.
func (l *Subscription) wait(ctx context.Context, more <-chan struct{}, quiet, pause *time.Timer) error {
	quiet.Reset(time.Until(l.spoke.Add(l.service.opt.Quiet)))
	select {
	case <-more:
	case <-quiet.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-pause.C:
		pause.Reset(0) // it has ended, and stays so
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *Subscription) idle() error { return l.emit(Event{Kind: Idle, Cursor: l.cursor()}) }

// tell looks at what a change touched, if it concerns the query.
func (l *Subscription) tell(ctx context.Context, t touch) error {
	l.at.told = t.sequence
	l.at.seen = max(l.at.seen, t.sequence)
	if t.op == state.ChangePolicy {
		return l.idle()
	}
	if !l.concerns(t) || l.looked[t.id] >= t.sequence {
		return nil
	}
	before, was := l.members[t.id]
	if !was && touchedBy(t.op)&l.asks == 0 {
		return nil // what was not found is not found by what is shown of it
	}
	journal := l.service.opt.Journal
	l.looked[t.id] = journal.Head()
	is, hash, err := l.look(ctx, t.id)
	if err != nil {
		return err
	}
	// What was looked at is not newer than this, whoever writes meanwhile.
	l.at.seen = max(l.at.seen, journal.Head())
	switch {
	case is && !was:
		if len(l.members) == l.service.opt.Members {
			return l.tooLarge()
		}
		if l.service.members.Load() >= l.service.mostMembers() {
			return l.tooMany()
		}
		l.members[t.id] = hash
		l.count(1)
		return l.emit(Event{Kind: Entered, ID: t.id, Row: l.row(), Cursor: l.cursor()})
	case is && hash != before:
		l.members[t.id] = hash
		return l.emit(Event{Kind: Changed, ID: t.id, Row: l.row(), Cursor: l.cursor()})
	case was && !is:
		delete(l.members, t.id)
		l.count(-1)
		return l.emit(Event{Kind: Left, ID: t.id, Cursor: l.cursor()})
	}
	return nil
}

// concerns reports whether a change can make a difference to the query.
func (l *Subscription) concerns(t touch) bool {
	return t.id.Device != "" && t.id.IsModule() == l.modules && touchedBy(t.op)&l.reads != 0
}

// catchUp reads from the journal what the feed no longer has.
func (l *Subscription) catchUp(ctx context.Context, dst []touch) (_ []touch, reason string, err error) {
	o := l.service.opt
	if behind := o.Journal.Head() - l.at.told; behind > uint64(o.Behind) {
		l.service.slow.Add(1)
		return nil, "", fault(tvilling.Throttled, "The reader is %d changes behind, more than %d; go on from the last cursor, and read faster or follow less.", behind, o.Behind)
	}
	const gone = "Changes that were not told yet are no longer kept."
	next := l.at.told
	for c, err := range o.Journal.Read(ctx, l.at.told, false) {
		next++
		switch {
		case tvilling.CodeOf(err) == tvilling.Corrupt:
			return nil, "A change is damaged in the journal.", nil
		case err != nil:
			return nil, "", err
		case c.Sequence != next:
			return nil, gone, nil
		}
		if dst = append(dst, touchOf(&c)); len(dst) == cap(dst) {
			break
		}
	}
	if len(dst) == 0 {
		return nil, gone, nil
	}
	return dst, "", nil
}
