package securitymem

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// Store is a [ledger.Store] in memory. Make one with [New].
type Store struct {
	mu      sync.RWMutex
	closed  bool
	refusal error
	commits int
	written int

	alerts      map[string]*ledger.Alert
	keys        map[ledger.Key][]*ledger.Alert
	steps       map[string][]ledger.Step
	advice      map[adviceKey]*ledger.Recommendation
	devices     map[tvilling.DeviceID]*ledger.Device
	feed        []ledger.Entry
	head        uint64
	cursors     map[string]uint64
	values      map[string][]byte
	credentials map[tvilling.Identity][][]byte
}

type adviceKey struct {
	device tvilling.DeviceID
	typ    string
}

var _ ledger.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	return &Store{
		alerts:      make(map[string]*ledger.Alert),
		keys:        make(map[ledger.Key][]*ledger.Alert),
		steps:       make(map[string][]ledger.Step),
		advice:      make(map[adviceKey]*ledger.Recommendation),
		devices:     make(map[tvilling.DeviceID]*ledger.Device),
		cursors:     make(map[string]uint64),
		values:      make(map[string][]byte),
		credentials: make(map[tvilling.Identity][][]byte),
	}
}

// Refuse makes every Commit fail with err and keep nothing; nil ends that.
func (s *Store) Refuse(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = err
}

// Commits returns how many batches were committed, and how many records of
// alerts, recommendations and devices they held.
func (s *Store) Commits() (batches, records int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.commits, s.written
}

// Close ends the store: later calls are refused.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// usable refuses calls whose context has ended, or after Close. s.mu is held.
func (s *Store) usable(ctx context.Context) error {
	if ctx.Err() != nil {
		return &tvilling.Error{
			Code: tvilling.Unavailable, Op: "use security store",
			Message: "The call was given up before it was answered.", Err: context.Cause(ctx),
		}
	}
	if s.closed {
		return &tvilling.Error{Code: tvilling.Unavailable, Op: "use security store", Message: "The security store is closed; the hub is stopping."}
	}
	return nil
}

// Commit makes b visible.
func (s *Store) Commit(ctx context.Context, b *ledger.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	if s.refusal != nil {
		return s.refusal
	}
	if err := s.check(b); err != nil {
		return err
	}
	for _, d := range b.Forget {
		delete(s.devices, d)
		maps.DeleteFunc(s.advice, func(k adviceKey, _ *ledger.Recommendation) bool { return k.device == d })
	}
	for _, a := range b.Alerts {
		s.putAlert(a)
	}
	for _, st := range b.Steps {
		s.steps[st.Alert] = append(s.steps[st.Alert], st)
	}
	for _, r := range b.Recommendations {
		own := *r
		s.advice[adviceKey{r.Device, r.Type}] = &own
	}
	for _, d := range b.Devices {
		own := *d
		own.Memory = maps.Clone(d.Memory)
		s.devices[d.ID] = &own
	}
	s.feed = append(s.feed, b.Feed...)
	if n := len(b.Feed); n > 0 {
		s.head = b.Feed[n-1].Sequence
	}
	maps.Copy(s.cursors, b.Cursors)
	for name, v := range b.Values {
		if v == nil {
			delete(s.values, name)
		} else {
			s.values[name] = append([]byte{}, v...)
		}
	}
	for _, c := range b.Credentials {
		s.putCredential(c)
	}
	s.commits++
	s.written += len(b.Alerts) + len(b.Recommendations) + len(b.Devices)
	return nil
}

// check refuses what no store keeps.
func (s *Store) check(b *ledger.Batch) error {
	last := s.head
	for i := range b.Feed {
		if b.Feed[i].Sequence <= last {
			return tvilling.Errorf(tvilling.Internal, "feed entry %d follows entry %d", b.Feed[i].Sequence, last)
		}
		last = b.Feed[i].Sequence
	}
	for _, a := range b.Alerts {
		if !slices.Contains(statuses, a.Status) || a.Severity >= ledger.Severities {
			return tvilling.Errorf(tvilling.Internal, "alert %q has severity %d and status %q", a.ID, a.Severity, a.Status)
		}
		if was := s.alerts[a.ID]; was != nil && (was.Key != a.Key || !was.Created.Equal(a.Created)) {
			return tvilling.Errorf(tvilling.Internal, "alert %s has got another key or another time of creation", a.ID)
		}
	}
	for _, r := range b.Recommendations {
		if r.State != ledger.Active && r.State != ledger.Mended || r.Severity >= ledger.Severities {
			return tvilling.Errorf(tvilling.Internal, "recommendation %q of %q has severity %d and state %q", r.Type, r.Device, r.Severity, r.State)
		}
	}
	return nil
}

var statuses = []ledger.Status{ledger.New, ledger.Acknowledged, ledger.InProgress, ledger.Resolved, ledger.Dismissed}

func (s *Store) putAlert(a *ledger.Alert) {
	own := *a
	own.Evidence = slices.Clone(a.Evidence)
	s.alerts[a.ID] = &own
	list := s.keys[a.Key]
	if i := slices.IndexFunc(list, func(x *ledger.Alert) bool { return x.ID == a.ID }); i >= 0 {
		list[i] = &own
		return
	}
	s.keys[a.Key] = append(list, &own)
}

func (s *Store) putCredential(c ledger.Credential) {
	if len(c.Fingerprints) == 0 {
		delete(s.credentials, c.ID)
		return
	}
	var list [][]byte
	for _, f := range c.Fingerprints {
		list = append(list, slices.Clone(f))
	}
	slices.SortFunc(list, bytes.Compare)
	s.credentials[c.ID] = slices.CompactFunc(list, bytes.Equal)
}

// FeedHead returns the newest sequence of the feed.
func (s *Store) FeedHead() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.head
}

// Trim drops feed entries up to a sequence, and resolved or dismissed alerts
// not updated since a time, with their history.
func (s *Store) Trim(ctx context.Context, feed uint64, alerts time.Time) (dropped int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	kept := slices.DeleteFunc(slices.Clone(s.feed), func(e ledger.Entry) bool { return e.Sequence <= feed })
	dropped = len(s.feed) - len(kept)
	s.feed = kept
	for id, a := range s.alerts {
		if a.Status.Open() || !a.Updated.Before(alerts) {
			continue
		}
		dropped++
		delete(s.alerts, id)
		delete(s.steps, id)
		rest := slices.DeleteFunc(slices.Clone(s.keys[a.Key]), func(x *ledger.Alert) bool { return x.ID == id })
		if s.keys[a.Key] = rest; len(rest) == 0 {
			delete(s.keys, a.Key)
		}
	}
	return dropped, nil
}
