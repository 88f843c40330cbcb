package account

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/state"
)

const (
	// refusalPace is the least time between two entries of refusals in the
	// journal, so that a flood of tries does not become one of entries.
	refusalPace = 10 * time.Second
	// maxRefusals is how many names with addresses one entry tells apart.
	maxRefusals = 20
	// sweepEvery is how often sessions that ended by themselves are removed.
	sweepEvery = time.Minute
)

// refusals gathers refused sign-ins until the journal is told of them.
type refusals struct {
	mu     sync.Mutex
	counts map[pair]int
	// more are those that had no room, total are all, ever those that were
	// told as well.
	more, total int
	ever        int64
	// wake has a value while there is something to tell.
	wake chan struct{}
}

func newRefusals() *refusals {
	return &refusals{counts: make(map[pair]int), wake: make(chan struct{}, 1)}
}

// add counts a refusal for a user ("" for a name that is nobody's).
func (r *refusals) add(user, address string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total++
	r.ever++
	p := pair{user, cut(address, 64)}
	if _, ok := r.counts[p]; !ok && len(r.counts) >= maxRefusals {
		r.more++
	} else {
		r.counts[p]++
	}
	select {
	case r.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Stats are what the service has counted since the start of the hub.
type Stats struct {
	// Refused are sign-ins that were refused, or had to wait.
	Refused int64
	// Sessions are open now.
	Sessions int64
}

// Stats returns what the service has counted.
func (s *Service) Stats() Stats {
	var out Stats
	now := time.Now()
	for _, o := range s.now().sessions {
		if !s.over(o, now) {
			out.Sessions++
		}
	}
	s.refusals.mu.Lock()
	defer s.refusals.mu.Unlock()
	out.Refused = s.refusals.ever
	return out
}

// take returns what is to be told, and begins anew.
func (r *refusals) take() map[string]any {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.total == 0 {
		return nil
	}
	list := make([]map[string]any, 0, len(r.counts))
	keys := slices.SortedFunc(maps.Keys(r.counts), func(a, b pair) int {
		if c := r.counts[b] - r.counts[a]; c != 0 {
			return c
		}
		return strings.Compare(a.name+"\x00"+a.address, b.name+"\x00"+b.address)
	})
	for _, p := range keys {
		one := map[string]any{"address": p.address, "count": r.counts[p]}
		if p.name != "" {
			one["user"] = p.name
		}
		list = append(list, one)
	}
	body := map[string]any{"refused": list, "count": r.total}
	if r.more > 0 {
		body["more"] = r.more
	}
	clear(r.counts)
	r.more, r.total = 0, 0
	return body
}

// Run tells the journal of refused sign-ins, and removes sessions that have
// ended by themselves, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	<-pause.C
	wake := s.refusals.wake
	for {
		select {
		case <-wake:
			s.tell(ctx)
			wake = nil
			pause.Reset(refusalPace)
		case <-pause.C:
			wake = s.refusals.wake
		case <-sweep.C:
			s.sweep(ctx)
		case <-ctx.Done():
			s.tell(ctx)
			return
		}
	}
}

// tell writes what was refused since the last time, also when ctx has ended:
// the committer outlives who tells.
func (s *Service) tell(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refusalPace)
	defer cancel()
	body := s.refusals.take()
	if body == nil {
		return
	}
	c, err := entry(state.SignInRefused, "nobody", body)
	if err == nil {
		err = s.opt.Commit.Do(ctx, func(tx *commit.Tx) error {
			tx.Record(c)
			return nil
		})
	}
	if err != nil {
		s.opt.Logger.ErrorContext(ctx, "refused sign-ins are not in the journal", "refused", body["count"], "error", err)
	}
}

// sweep removes sessions that ended by themselves, so that none comes back
// with a restart, which forgets when they were used.
func (s *Service) sweep(ctx context.Context) {
	now, ended := time.Now(), false
	for _, o := range s.now().sessions {
		ended = ended || s.over(o, now)
	}
	if !ended {
		return
	}
	err := s.change(ctx, func(*book, time.Time) (state.Change, error) { return state.Change{}, nil })
	if err != nil && ctx.Err() == nil {
		s.opt.Logger.WarnContext(ctx, "ended sessions are not removed yet", "error", err)
	}
}
