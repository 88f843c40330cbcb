// Package timeline tells what happened to a device, newest first: what was
// concluded of it, what changed of it and by whom, when it came and went, who
// logged in. It puts together what the journal, the ledger and the store of
// events have, keeps nothing, and decides nothing.
package timeline

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/history"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// Kind says what an entry is about.
type Kind string

// The kinds.
const (
	Alert          Kind = "alert"
	Recommendation Kind = "recommendation"
	Posture        Kind = "posture"
	Connection     Kind = "connection"
	Twin           Kind = "twin"
	Reported       Kind = "reported"
	Configuration  Kind = "configuration"
	Identity       Kind = "identity"
	Login          Kind = "login"
	Refusal        Kind = "refusal"
	Agent          Kind = "agent"
)

// Kinds returns all kinds.
func Kinds() []Kind {
	return []Kind{Alert, Recommendation, Posture, Connection, Twin, Reported, Configuration, Identity, Login, Refusal, Agent}
}

// Usual returns the kinds that are told where none are asked for: all but what
// devices report of themselves, which is much.
func Usual() []Kind {
	return slices.DeleteFunc(Kinds(), func(k Kind) bool { return k == Reported })
}

// Limits of a page.
const (
	DefaultLimit = 50
	MaxLimit     = 200
)

// Entry is one thing that happened.
type Entry struct {
	Time time.Time `json:"time"`
	Kind Kind      `json:"kind"`
	// Title says what, Detail more of it, in words around what the device sent.
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"`
	// Actor is who did it, as the journal names it; "" where nobody did.
	Actor string `json:"actor,omitempty"`
	// Severity is that of an alert or a recommendation.
	Severity string `json:"severity,omitempty"`
	// State is the state that the posture came to.
	State string `json:"state,omitempty"`
	// Alert, Recommendation and Event name what the entry is about: the id of an
	// alert, a type, the place of an event ("sequence.index").
	Alert          string `json:"alert,omitempty"`
	Recommendation string `json:"recommendation,omitempty"`
	Event          string `json:"event,omitempty"`
	// Module is set for what is about the security module, Version for changes
	// of tags and desired properties.
	Module  tvilling.ModuleID `json:"moduleId,omitempty"`
	Version int64             `json:"version,omitempty"`
	// Sequence is the place of a change in the journal.
	Sequence uint64 `json:"sequence,omitempty"`
}

// Query asks for entries.
type Query struct {
	// Kinds are those that are wanted; the usual ones if none.
	Kinds []Kind
	// Before is where the page begins: what the page before gave as Next.
	Before string
	// Limit is how many at most; DefaultLimit if 0.
	Limit int
}

// Page is a page of entries, newest first.
type Page struct {
	Entries []Entry `json:"entries"`
	// Next is where the next page begins, "" if this was the last. A page may be
	// short, and have a next, where much had to be passed over.
	Next string `json:"next,omitempty"`
	// Kept is since when the journal of changes is kept.
	Kept time.Time `json:"kept,omitzero"`
}

// History tells of changes; a [history.Service] does.
type History interface {
	Versions(ctx context.Context, id tvilling.Identity, q history.Query) (*history.Page, error)
}

// Ledger has what was concluded; a [ledger.Store] does.
type Ledger interface {
	Alerts(ctx context.Context, f ledger.AlertFilter, after string) iter.Seq2[*ledger.Alert, error]
	History(ctx context.Context, alert string) ([]ledger.Step, error)
	Recommendations(ctx context.Context, f ledger.RecommendationFilter, afterDevice tvilling.DeviceID, afterType string) iter.Seq2[*ledger.Recommendation, error]
}

// Options are what a Service works with.
type Options struct {
	History History
	Ledger  Ledger
	// Events yields stored events.
	Events func(ctx context.Context, q event.Query) iter.Seq2[*event.Record, error]
	// Items reads the payload of a stored event.
	Items func(r *event.Record) ([]event.Item, error)
	// Advice is the title of a type of recommendations.
	Advice func(typ string) string
}

// Service puts timelines together. It is safe for concurrent use.
type Service struct{ opt Options }

// New returns a service.
func New(o Options) *Service { return &Service{o} }

// source gives entries of one kind of origin, newest first.
type source struct {
	next func() (item, error, bool)
	stop func()
	// head is the newest that was not told yet.
	head item
	has  bool
}

// item is an entry with where its source goes on after it. An item without an
// entry says that the source stopped there, with more behind it.
type item struct {
	Entry

	short bool
	// key orders entries of one time.
	key  string
	mark func(*cursor)
}

// Page returns a page of the timeline of a device. An error of code
// InvalidArgument is about the query.
func (s *Service) Page(ctx context.Context, d tvilling.DeviceID, q Query) (*Page, error) {
	at, err := readCursor(q.Before)
	if err != nil {
		return nil, err
	}
	if q.Limit <= 0 {
		q.Limit = DefaultLimit
	}
	q.Limit = min(q.Limit, MaxLimit)
	if len(q.Kinds) == 0 {
		q.Kinds = Usual()
	}
	r := &reading{Service: s, ctx: ctx, device: d, kinds: q.Kinds, at: at, page: &Page{Entries: []Entry{}}}
	sources, err := r.open()
	defer func() {
		for _, src := range sources {
			src.stop()
		}
	}()
	if err != nil {
		return nil, err
	}
	return r.merge(sources, q.Limit)
}

// merge takes the newest entry of all sources, again and again.
func (r *reading) merge(sources []*source, limit int) (*Page, error) {
	for {
		newest := -1
		for i, src := range sources {
			if src.has && (newest < 0 || before(src.head, sources[newest].head)) {
				newest = i
			}
		}
		if newest < 0 {
			return r.page, nil
		}
		src := sources[newest]
		if len(r.page.Entries) == limit || src.head.short {
			if src.head.short {
				src.head.mark(&r.at)
			}
			r.page.Next = r.at.String()
			return r.page, nil
		}
		r.page.Entries = append(r.page.Entries, src.head.Entry)
		src.head.mark(&r.at)
		if err := src.advance(); err != nil {
			return nil, err
		}
	}
}

// before reports whether a is told before b: the newer one, and one that tells
// of a source that stopped before anything older.
func before(a, b item) bool {
	if !a.Time.Equal(b.Time) {
		return a.Time.After(b.Time)
	}
	return a.short && !b.short
}

func (s *source) advance() error {
	it, err, ok := s.next()
	s.head, s.has = it, ok
	if ok && err != nil {
		s.has = false
		return err
	}
	return nil
}

func newSource(seq iter.Seq2[item, error]) (*source, error) {
	next, stop := iter.Pull2(seq)
	s := &source{stop: stop}
	s.next = func() (item, error, bool) { return next() }
	return s, s.advance()
}
