package fleet

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

const (
	// Fresh is the greatest age of figures while somebody looks.
	Fresh = 5 * time.Second
	// every is how long after the begin of a reading the next one begins.
	every = 3 * time.Second
	// looks is for how long somebody looks who has asked once.
	looks = time.Minute
	// most is how long a reading may take.
	most = 20 * time.Second
)

// Search answers queries over twins; a search.Service does.
type Search interface {
	Run(ctx context.Context, q *query.Query, o query.Options) (*query.Page, error)
}

// Options are what a Service works with.
type Options struct {
	Ledger *ledger.Ledger
	Search Search
	// Registered counts the devices.
	Registered func(ctx context.Context) (int64, error)
	// Counters reads what the hub has counted; it does not wait.
	Counters func() Counters
	// Silence is how long an agent may send nothing.
	Silence func() time.Duration
	// AlertTitle and RecommendationTitle say a type in words.
	AlertTitle, RecommendationTitle func(typ string) string
	Logger                          *slog.Logger
}

// Service keeps the figures of a fleet. Make one with [New], run it with
// [Service.Run].
type Service struct {
	opt Options
	// wake asks for a reading now.
	wake chan struct{}

	// mu guards all below.
	mu sync.Mutex
	// looked is when somebody last asked.
	looked time.Time
	latest *Figures
	// made is closed and replaced after each reading.
	made chan struct{}

	// What follows is Run's own.
	ring   ring
	raised raised
	trend  trend
	// concluded has the parts that only the ledger changes, stale until it does.
	concluded concluded
}

// concluded are figures of the ledger as of a change of it.
type concluded struct {
	changed                 <-chan struct{}
	alerts, recommendations map[string]int64
	types, advice           []Type
	problems                []Problem
}

// New returns a service, with the hours that were kept.
func New(ctx context.Context, o Options) (*Service, error) {
	t, err := readTrend(ctx, o.Ledger)
	if err != nil {
		return nil, err
	}
	return &Service{opt: o, wake: make(chan struct{}, 1), made: make(chan struct{}), trend: t}, nil
}

// Latest returns the newest figures, nil if there are none yet. It does not
// wait; asking has them kept fresh for a minute.
func (s *Service) Latest() *Figures {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look()
	return s.latest
}

// look notes that somebody looks; mu is held.
func (s *Service) look() {
	now := time.Now()
	s.looked = now
	if s.latest == nil || now.Sub(s.latest.At) > Fresh {
		select {
		case s.wake <- struct{}{}:
		default: // it was asked already
		}
	}
}

// Figures returns figures no older than [Fresh]; it waits for them if need be.
func (s *Service) Figures(ctx context.Context) (*Figures, error) {
	begin := time.Now()
	for {
		s.mu.Lock()
		s.look()
		f, made := s.latest, s.made
		s.mu.Unlock()
		if f != nil && begin.Sub(f.At) <= Fresh {
			return f, nil
		}
		select {
		case <-made:
		case <-ctx.Done():
			return nil, &tvilling.Error{
				Code: tvilling.Unavailable, Op: "read the fleet",
				Message: "The figures of the fleet could not be read in time.", Err: ctx.Err(),
			}
		}
	}
}

// Changed returns a channel that is closed after the next reading.
func (s *Service) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made
}

// wanted reports whether somebody looks.
func (s *Service) wanted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.looked) < looks
}

// Run reads figures while somebody looks, and keeps the hours, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	next := time.NewTimer(every)
	defer next.Stop()
	s.sample()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.sample()
			s.keepHour(ctx)
		case <-s.wake:
			next.Reset(s.round(ctx))
		case <-next.C:
			if s.wanted() {
				next.Reset(s.round(ctx))
			} else {
				next.Reset(every)
			}
		}
	}
}

// round makes figures and returns how long to wait before the next ones: a
// reading takes half of the time of one processor at most.
func (s *Service) round(ctx context.Context) time.Duration {
	begin := time.Now()
	bounded, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	f := s.read(bounded, begin)
	if ctx.Err() != nil {
		return every
	}
	s.mu.Lock()
	s.latest = f
	close(s.made)
	s.made = make(chan struct{})
	s.mu.Unlock()
	took := time.Since(begin)
	for _, p := range f.Problems {
		s.opt.Logger.WarnContext(ctx, "figures of the fleet are incomplete", "part", p.Part, "code", p.Code, "reason", p.Message)
	}
	return max(every-took, took)
}

func (s *Service) sample() {
	s.ring.add(sample{at: time.Now(), counters: s.opt.Counters(), connected: math.NaN()})
}

// failed notes why a part cannot be had.
func failed(list *[]Problem, part string, err error) {
	message := tvilling.MessageOf(err)
	if message == "" {
		message = "The hub's log has the reason."
	}
	*list = append(*list, Problem{Part: part, Code: string(tvilling.CodeOf(err)), Message: message})
}

// read reads all figures.
func (s *Service) read(ctx context.Context, now time.Time) *Figures {
	f := &Figures{At: now.UTC(), TopTypes: []Type{}, TopRecommendations: []Type{}}
	if n, err := s.opt.Registered(ctx); err != nil {
		failed(&f.Problems, "registered", err)
	} else {
		f.Registered = &n
	}
	var err error
	if f.States, f.Score, err = states(ctx, s.opt.Search); err != nil {
		failed(&f.Problems, "devices", err)
	} else if f.Affected, err = affected(ctx, s.opt.Search, f.States); err != nil {
		failed(&f.Problems, "affected", err)
	}
	if f.Agents, err = agents(ctx, s.opt.Search); err != nil {
		f.Agents = nil
		failed(&f.Problems, "agents", err)
	} else {
		f.Agents.Silence = s.opt.Silence()
	}
	s.conclude(ctx)
	f.Alerts, f.TopTypes = s.concluded.alerts, s.concluded.types
	f.Recommendations, f.TopRecommendations = s.concluded.recommendations, s.concluded.advice
	f.Problems = append(f.Problems, s.concluded.problems...)
	if err := s.raised.read(ctx, s.opt.Ledger.Store(), f.At); err != nil {
		failed(&f.Problems, "raised", err)
	} else {
		f.Raised = s.raised.list()
	}
	online, err := askCount(ctx, s.opt.Search, askOnline)
	if err == nil {
		s.ring.connect(online)
	}
	f.Traffic = s.ring.traffic(s.opt.Counters())
	if err != nil {
		failed(&f.Problems, "connected", err)
	} else {
		f.Traffic.Connected = &online
	}
	f.Trend, f.Since = append([]Point{}, s.trend.Points...), s.trend.Since
	if from := s.raised.since(f.At); from.After(f.At.Truncate(day).Add(-(chartDays-1)*day)) && from.After(f.Since) {
		f.Since = from
	}
	return f
}

// conclude reads what the ledger alone changes, if it has.
func (s *Service) conclude(ctx context.Context) {
	c := &s.concluded
	if c.changed != nil && len(c.problems) == 0 {
		select {
		case <-c.changed:
		default:
			return
		}
	}
	// Asked for before the reading: what changes meanwhile is read next time.
	*c = concluded{changed: s.opt.Ledger.Changed(), types: []Type{}, advice: []Type{}}
	var err error
	var list []Type
	if c.alerts, list, err = s.alerts(ctx); err != nil {
		failed(&c.problems, "alerts", err)
	} else {
		c.types = list
	}
	if c.recommendations, list, err = s.recommendations(ctx); err != nil {
		failed(&c.problems, "recommendations", err)
	} else {
		c.advice = list
	}
}

// keepHour keeps the fleet as it is in an hour of which nothing is kept yet.
func (s *Service) keepHour(ctx context.Context) {
	hour := time.Now().UTC().Truncate(time.Hour)
	if s.trend.has(hour) {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	by, score, err := states(bounded, s.opt.Search)
	if err != nil {
		s.opt.Logger.WarnContext(ctx, "the fleet's hour is not kept yet", "error", err)
		return
	}
	p := Point{Hour: hour, Unhealthy: by["unhealthy"], AtRisk: by["atRisk"], Healthy: by["healthy"], Unknown: by["unknown"]}
	if score != nil {
		p.Score = &score.Value
	}
	next := s.trend.with(p)
	if err := next.write(ctx, s.opt.Ledger); err != nil {
		s.opt.Logger.WarnContext(ctx, "the fleet's hour is not kept yet", "error", err)
		return
	}
	s.trend = next
}
