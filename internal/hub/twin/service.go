// Package twin reads and changes twins: merges patches into the compact
// documents of package doc, checks etags and versions, counts versions up,
// records every change in the journal and tells connected devices of changed
// desired properties. It does not know who may do what, nor any wire.
package twin

import (
	"bytes"
	"context"
	"iter"
	"strconv"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// Store reads twins; a [state.Store] is one.
type Store interface {
	Identity(ctx context.Context, id tvilling.Identity) (*state.Identity, error)
	Twin(ctx context.Context, id tvilling.Identity) (*state.Twin, error)
	Session(ctx context.Context, id tvilling.Identity) (*state.Session, error)
	Scan(ctx context.Context, r state.Range) iter.Seq2[state.Entry, error]
}

// Sessions knows who is connected and takes changes of desired properties to
// them; a session.Manager is one.
type Sessions interface {
	Live(id tvilling.Identity) (connected bool, since, activity time.Time)
	Desired(id tvilling.Identity, version int64, patch []byte)
}

// Service reads and changes the twins of a hub.
type Service struct {
	commit   *commit.Committer
	store    Store
	sessions Sessions
}

// New returns a service over a store.
func New(c *commit.Committer, store Store, sessions Sessions) *Service {
	return &Service{commit: c, store: store, sessions: sessions}
}

// View is a twin with what belongs to its document but lives elsewhere.
type View struct {
	*state.Twin
	Identity     *state.Identity
	Connected    bool
	LastActivity time.Time // zero if never connected
}

// Get returns the twin of id; DeviceNotFound or ModuleNotFound if there is none.
func (s *Service) Get(ctx context.Context, id tvilling.Identity) (View, error) {
	rec, err := s.store.Identity(ctx, id)
	if err != nil {
		return View{}, err
	}
	t, err := s.store.Twin(ctx, id)
	if err != nil {
		return View{}, err
	}
	if rec == nil || t == nil {
		return View{}, notFound("read twin", id)
	}
	return s.view(ctx, rec, t)
}

func (s *Service) view(ctx context.Context, rec *state.Identity, t *state.Twin) (View, error) {
	v := View{Twin: t, Identity: rec}
	v.Connected, _, v.LastActivity = s.sessions.Live(t.ID)
	if v.Connected {
		return v, nil
	}
	kept, err := s.store.Session(ctx, t.ID)
	if err != nil && tvilling.CodeOf(err) != tvilling.Corrupt { // a damaged one tells nothing
		return View{}, err
	}
	if kept != nil {
		v.LastActivity = kept.LastActivity
	}
	return v, nil
}

// All yields twins in ascending order of identity, from after on. An entry
// that is damaged is yielded as an error; the scan then goes on.
func (s *Service) All(ctx context.Context, kind state.Kind, after tvilling.Identity) iter.Seq2[View, error] {
	return func(yield func(View, error) bool) {
		for e, err := range s.store.Scan(ctx, state.Range{Kind: kind, After: after}) {
			var v View
			if err == nil {
				v, err = s.view(ctx, e.Identity, e.Twin)
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

// Device returns what a device reads of its own twin: the desired and reported
// sections with their versions, no tags, no metadata (wire §1.6).
func (s *Service) Device(ctx context.Context, id tvilling.Identity) ([]byte, error) {
	t, err := s.store.Twin(ctx, id)
	if err != nil {
		return nil, err
	}
	return deviceDocument(id, t)
}

// DeviceInOrder is Device after every change submitted before it is durable.
// done is called from the committer's goroutine and must not block.
func (s *Service) DeviceInOrder(id tvilling.Identity, done func(body []byte, err error)) {
	s.commit.Submit(func(*commit.Tx) error { return nil }, func(err error) {
		if err != nil {
			done(nil, err)
			return
		}
		done(s.Device(context.Background(), id))
	})
}

func deviceDocument(id tvilling.Identity, t *state.Twin) ([]byte, error) {
	if t == nil {
		return nil, notFound("read twin", id)
	}
	scratch := documents.Get().(*[]byte)
	b := (*scratch)[:0]
	b = append(b, `{"desired":`...)
	b = t.Desired.AppendJSON(b, doc.Form{Version: true})
	b = append(b, `,"reported":`...)
	b = t.Reported.AppendJSON(b, doc.Form{Version: true})
	b = append(b, '}')
	body := bytes.Clone(b)
	*scratch = b
	documents.Put(scratch)
	return body, nil
}

// documents holds buffers to write documents into, whose size is known only
// when they are written.
var documents = sync.Pool{New: func() any { return new([]byte) }}

// Report merges a device's patch of reported properties into its twin. With a
// base version of 0 or more it is refused unless that is the current version
// of the section. Report waits while the hub's queue is full; done is called
// with the new version once it is durable, or with the refusal, from the
// committer's goroutine (or at once, for a malformed patch) and must not block.
func (s *Service) Report(id tvilling.Identity, actor string, body []byte, base int64, done func(version int64, err error)) {
	patch, err := doc.Parse(body, doc.Reported)
	if err != nil {
		done(0, err)
		return
	}
	var version int64
	s.commit.Submit(func(tx *commit.Tx) error {
		t, err := tx.Twin(id)
		if err != nil {
			return err
		}
		if t == nil {
			return notFound("patch reported", id)
		}
		if base >= 0 && base != t.Reported.Version() {
			return stale("patch reported", id, "The base version is "+strconv.FormatInt(base, 10)+" but the reported properties have version "+strconv.FormatInt(t.Reported.Version(), 10))
		}
		next := *t
		next.Reported, err = t.Reported.Merge(patch, doc.Reported, doc.Stamp{Time: tx.Time(), Actor: actor})
		if err != nil {
			return err
		}
		version = next.Reported.Version()
		tx.PutTwin(&next)
		tx.Record(state.Change{
			Op: state.ReportTwin, ID: id, Actor: actor, Version: t.Version, Reported: version,
			Body: sections(patch, "reported", version),
		})
		return nil
	}, func(err error) { done(version, err) })
}

// sections is the journal body of a change to one section.
func sections(p *doc.Patch, name string, version int64) []byte {
	b := make([]byte, 0, 256)
	b = append(b, `{"properties":{"`...)
	b = append(b, name...)
	b = append(b, `":`...)
	b = p.AppendJSON(b, version)
	return append(b, "}}"...)
}
