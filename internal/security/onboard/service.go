package onboard

import (
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"sync/atomic"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// inFlight bounds the adoptions that wait for the committer, so that adopting
// a large fleet leaves room for the fleet's own traffic.
const inFlight = 128

// Store reads what onboarding needs; a [state.Store] is one.
type Store interface {
	Setting(ctx context.Context, name string) ([]byte, error)
	Counters(ctx context.Context) (state.Counters, error)
	Scan(ctx context.Context, r state.Range) iter.Seq2[state.Entry, error]
}

// Registry takes the companion rule and applies it to devices that exist.
type Registry interface {
	SetCompanion(rule *registry.Companion)
	EnsureCompanion(d tvilling.DeviceID, done func(made bool, err error))
}

// Progress tells how far the adoption of existing devices is.
type Progress struct {
	Enabled bool `json:"enabled"`
	Running bool `json:"running"`
	// Seen devices were looked at, Adopted of them were given the module,
	// Failed could not be; Remaining are still to be looked at.
	Seen      int64 `json:"seen"`
	Adopted   int64 `json:"adopted"`
	Failed    int64 `json:"failed"`
	Remaining int64 `json:"remaining"`
}

// Service keeps the settings and adopts devices. Make one with [New], run it
// with [Service.Run].
type Service struct {
	commit   *commit.Committer
	store    Store
	registry Registry
	log      *slog.Logger

	current atomic.Pointer[stored]
	wake    chan struct{}

	running                      atomic.Bool
	seen, adopted, failed, total atomic.Int64
}

// New reads the settings and puts them in force. A store without any gets the
// defaults.
func New(ctx context.Context, c *commit.Committer, store Store, reg Registry, log *slog.Logger) (*Service, error) {
	s := &Service{commit: c, store: store, registry: reg, log: log, wake: make(chan struct{}, 1)}
	st := &stored{Settings: Default()}
	b, err := store.Setting(ctx, settingName)
	if err != nil {
		return nil, err
	}
	if b != nil {
		*st = stored{}
		if err := json.Unmarshal(b, st); err != nil {
			return nil, &tvilling.Error{Code: tvilling.Corrupt, Op: "read settings", Subject: settingName, Err: err}
		}
	}
	rule, err := st.rule()
	if err != nil {
		return nil, err
	}
	s.current.Store(st)
	reg.SetCompanion(rule)
	return s, nil
}

// Progress returns how far adoption is.
func (s *Service) Progress() Progress {
	p := Progress{
		Enabled: s.current.Load().SecurityModule.Enabled,
		Running: s.running.Load(),
		Seen:    s.seen.Load(), Adopted: s.adopted.Load(), Failed: s.failed.Load(),
	}
	if p.Running {
		p.Remaining = max(0, s.total.Load()-p.Seen)
	}
	return p
}

// Run adopts whenever there is something to adopt, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	for {
		if st := s.current.Load(); st.SecurityModule.Enabled && !st.Adopted {
			if err := s.adopt(ctx); err != nil && ctx.Err() == nil {
				s.log.ErrorContext(ctx, "devices not given their security module; retried at the next start or change of settings", "error", err)
			}
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return
		}
	}
}

// adopt gives every device its security module. It ends early when the rule is
// switched off.
func (s *Service) adopt(ctx context.Context) error {
	counters, err := s.store.Counters(ctx)
	if err != nil {
		return err
	}
	s.seen.Store(0)
	s.adopted.Store(0)
	s.failed.Store(0)
	s.total.Store(counters.Devices)
	s.running.Store(true)
	defer s.running.Store(false)

	slots := make(chan struct{}, inFlight)
	for e, err := range s.store.Scan(ctx, state.Range{Kind: state.Devices}) {
		if err != nil && e.Identity == nil {
			s.seen.Add(1)
			s.failed.Add(1)
			s.log.WarnContext(ctx, "device skipped in adoption", "error", err)
			continue
		}
		if ctx.Err() != nil || !s.current.Load().SecurityModule.Enabled {
			break
		}
		slots <- struct{}{}
		s.registry.EnsureCompanion(e.Identity.ID.Device, func(made bool, err error) {
			s.seen.Add(1)
			if made {
				s.adopted.Add(1)
			}
			if err != nil {
				s.failed.Add(1)
				s.log.WarnContext(ctx, "device not given its security module", "device_id", e.Identity.ID.Device, "error", err)
			}
			<-slots
		})
	}
	for range inFlight { // wait for those under way
		slots <- struct{}{}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.finish(ctx)
}

// finish notes that adoption need not run again, unless devices were left out.
func (s *Service) finish(ctx context.Context) error {
	if n := s.adopted.Load(); n > 0 {
		s.log.InfoContext(ctx, "existing devices given their security module", "devices", n)
	}
	if s.failed.Load() > 0 {
		return tvilling.Errorf(tvilling.Unavailable, "%d devices could not be given their security module.", s.failed.Load())
	}
	return s.commit.Do(ctx, func(tx *commit.Tx) error {
		st := *s.current.Load()
		if !st.SecurityModule.Enabled || st.Adopted {
			return nil
		}
		st.Adopted = true
		if err := s.put(tx, &st); err != nil {
			return err
		}
		tx.Effect(func() { s.current.Store(&st) })
		return nil
	})
}
