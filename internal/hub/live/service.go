package live

import (
	"context"
	"crypto/rand"
	"hash/maphash"
	"iter"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
)

const operation = "follow query"

// Search finds what queries find; a search.Service is one.
type Search interface {
	// Each yields all identities that q finds.
	Each(ctx context.Context, q *query.Query, after tvilling.Identity) iter.Seq2[tvilling.Identity, error]
	// Row returns the row of an identity as it is now, nil if there is none.
	Row(ctx context.Context, id tvilling.Identity) (query.Row, error)
}

// Journal is the record of all changes; a journal.Journal is one.
type Journal interface {
	Head() uint64
	Read(ctx context.Context, after uint64, follow bool) iter.Seq2[state.Change, error]
}

// Store keeps how identities were; a [state.Store] is one.
type Store interface {
	History(ctx context.Context, id tvilling.Identity, until uint64) iter.Seq2[state.Past, error]
}

// Sessions knows who is connected; a session.Manager is one.
type Sessions interface {
	Live(id tvilling.Identity) (connected bool, since, activity time.Time)
	// Settle returns once the journal has what Live has told so far.
	Settle(ctx context.Context) error
}

// Options are what a [Service] works with.
type Options struct {
	Search   Search
	Journal  Journal
	Store    Store
	Sessions Sessions
	// Document appends a whole twin to dst as services see it.
	Document func(dst []byte, v twin.View) []byte
	Logger   *slog.Logger

	// Queries is how many live queries there may be at once; 64 if 0.
	Queries int
	// Members is how many rows one live query may have; 100,000 if 0. All
	// together may have ten times as many: a row takes about 150 bytes.
	Members int
	// Quiet is the time without an event after which one of kind [Idle] tells
	// the cursor; 15 s if 0.
	Quiet time.Duration
	// Feed is how many touched identities are kept in memory for all; 16,384 if 0.
	Feed int
	// Behind is by how many changes a reader may be behind before its live query
	// ends; 1,048,576 if 0.
	Behind int
}

func (o Options) fill() Options {
	for value, byDefault := range map[*int]int{&o.Queries: 64, &o.Members: 100_000, &o.Feed: 16_384, &o.Behind: 1 << 20} {
		if *value == 0 {
			*value = byDefault
		}
	}
	if o.Quiet == 0 {
		o.Quiet = 15 * time.Second
	}
	return o
}

// Service keeps the live queries of a hub. It is safe for concurrent use.
type Service struct {
	opt  Options
	feed *feed
	seed maphash.Seed
	// run tells this run of the hub from others in cursors.
	run mark

	open, members, events         atomic.Int64
	refused, resets, slow, gaveUp atomic.Int64
}

// New returns a service without subscriptions. The committer must tell it of
// every durable round from now on ([Service.Recorded]).
func New(o Options) *Service {
	s := &Service{opt: o.fill(), seed: maphash.MakeSeed()}
	s.feed = newFeed(s.opt.Feed, s.opt.Journal.Head())
	_, _ = rand.Read(s.run[:]) // crypto/rand never fails since Go 1.24
	return s
}

// Recorded takes the changes of a durable round, in order. It does not block.
func (s *Service) Recorded(changes []state.Change) { s.feed.add(changes) }

// mostMembers is how many rows all live queries together may have.
func (s *Service) mostMembers() int64 { return int64(10 * s.opt.Members) }

// Stats are the figures of a service.
type Stats struct {
	// Open is how many subscriptions there are, Members how many rows they have.
	Open, Members int64
	// Events counts what was told of rows.
	Events int64
	// Refused counts live queries that were not opened, or that ended, since there
	// were too many or too many rows in all, Resets those that had to begin anew, Slow those that ended since
	// their reader was too far behind, TooLarge those that found too many rows.
	Refused, Resets, Slow, TooLarge int64
}

// Stats returns the figures as they are.
func (s *Service) Stats() Stats {
	return Stats{
		Open: s.open.Load(), Members: s.members.Load(), Events: s.events.Load(),
		Refused: s.refused.Load(), Resets: s.resets.Load(), Slow: s.slow.Load(), TooLarge: s.gaveUp.Load(),
	}
}

// Open begins a live query of a text. A cursor that an event of the same query
// had makes it go on from there; "" begins with all rows. Whoever opens a
// subscription closes it.
//
// An error is of code InvalidArgument for a malformed text or cursor,
// Unsupported for a query that cannot be followed, TooLarge when it finds too
// many rows, Throttled when there are too many live queries.
func (s *Service) Open(ctx context.Context, text, cursor string) (*Subscription, error) {
	q, err := query.Compile(text)
	if err != nil {
		return nil, err
	}
	if err := check(q); err != nil {
		return nil, err
	}
	l := &Subscription{service: s, query: q, text: digest(text), reads: readBy(q), asks: askedBy(q), modules: q.Collection() == query.Modules}
	if cursor != "" {
		from, run, err := decode(cursor, l.text)
		if err != nil {
			return nil, err
		}
		if l.anew = s.resumable(l, from, run); l.anew == "" {
			l.from = &from
		}
	}
	if n := s.open.Add(1); n > int64(s.opt.Queries) {
		s.open.Add(-1)
		s.refused.Add(1)
		return nil, fault(tvilling.Throttled, "The hub follows %d queries already, which is as many as it does at once; close one, or try again later.", s.opt.Queries)
	}
	s.feed.join()
	if err := l.find(ctx); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// check refuses queries whose result is not a set of twins.
func check(q *query.Query) error {
	switch c := q.Collection(); {
	case q.Explain():
		return fault(tvilling.Unsupported, "EXPLAIN is not followed; send it as a query.")
	case c != query.Devices && c != query.Modules:
		return fault(tvilling.Unsupported, "Live queries read FROM devices or FROM devices.modules; this one reads %s. Send it as a query, as often as needed.", c)
	case q.Grouped() || len(q.Aggregates()) > 0:
		return fault(tvilling.Unsupported, "Groups and aggregates are not followed; follow the rows they are made of, and count those.")
	case q.Top() > 0:
		return fault(tvilling.Unsupported, "TOP is not followed, since every row that leaves would bring in another; leave it away, and narrow the WHERE.")
	case len(q.Order()) > 0:
		return fault(tvilling.Unsupported, "ORDER BY is not followed: events come in the order of changes. Leave it away, and sort what is shown.")
	}
	return nil
}

// resumable tells why a subscription cannot go on from a position, "" if it may.
func (s *Service) resumable(l *Subscription, from position, run mark) string {
	switch head := s.opt.Journal.Head(); {
	case from.told > head || from.seen > head:
		return "The cursor is of a later state than the hub has."
	case head-from.told > maxSince:
		return "More has changed since the cursor than is looked through."
	case readsActivity(l.query.Where()):
		return "What was found at the cursor depends on when devices were last heard of, of which no history is kept."
	case run != s.run && l.reads&connection != 0:
		return "The hub was started anew since, and the query shows or reads what connections tell."
	}
	return ""
}

func fault(code tvilling.Code, format string, args ...any) error {
	e := tvilling.Errorf(code, format, args...)
	e.Op = operation
	return e
}
