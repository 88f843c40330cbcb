package fleet

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/store/securitymem"
)

// search answers the questions of a small fleet, and counts how often it is
// asked for states.
type search struct {
	asked atomic.Int64
	fail  atomic.Bool
}

var answers = map[*query.Query]string{
	askStates:   `[{"state":"unhealthy","points":40,"n":1},{"state":"healthy","points":100,"n":2},{"state":"unknown","points":50,"n":4},{"n":3}]`,
	askAlerts:   `[{"points":-60,"n":1},{"points":0,"n":2}]`,
	askAdvice:   `[{"points":0,"n":3}]`,
	askAgent:    `[{"points":0,"n":3}]`,
	askAffected: `[{"deviceId":"pump","state":"unhealthy","score":40,"alerts":{"high":1}},{"deviceId":"odd","state":"atRisk","score":80}]`,
	askSync:     `[{"sync":"inSync","n":3},{"sync":"differs","n":1},{"n":6}]`,
	askVersions: `[{"version":"1.0","n":2}]`,
	askVersion:  `[{"n":5}]`,
	askSilent:   `[{"n":1}]`,
	askNever:    `[{"n":7}]`,
	askOnline:   `[{"n":2}]`,
}

func (s *search) Run(_ context.Context, q *query.Query, _ query.Options) (*query.Page, error) {
	if q == askStates {
		s.asked.Add(1)
	}
	if s.fail.Load() {
		return nil, &tvilling.Error{Code: tvilling.Throttled, Op: "query", Message: "Too many queries look at all twins."}
	}
	return &query.Page{Body: []byte(answers[q])}, nil
}

func service(t *testing.T, s Search, l *ledger.Ledger) *Service {
	t.Helper()
	f, err := New(t.Context(), Options{
		Ledger: l, Search: s, Registered: func(context.Context) (int64, error) { return 10, nil },
		Counters: func() Counters {
			return Counters{Messages: time.Now().Unix() * 10, Refused: map[string]int64{"tls": 1}}
		},
		Silence:    func() time.Duration { return time.Hour },
		AlertTitle: strings.ToUpper, RecommendationTitle: strings.ToUpper,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func put(t *testing.T, l *ledger.Ledger, alerts ...*ledger.Alert) {
	t.Helper()
	if err := l.Store().Commit(t.Context(), &ledger.Batch{Alerts: alerts}); err != nil {
		t.Fatal(err)
	}
	// Tells those who wait that the ledger has changed.
	if err := l.Do(t.Context(), func(tx *ledger.Tx) error { tx.SetValue("test", []byte("x")); return nil }); err != nil {
		t.Fatal(err)
	}
}

func alertOf(id, device, typ string, s ledger.Severity, created time.Time) *ledger.Alert {
	return &ledger.Alert{ID: id, Key: ledger.Key{Device: tvilling.DeviceID(device), Type: typ}, Severity: s, Status: ledger.New, Created: created, Last: created}
}

// pass lets time go by, that of the bubble which the test runs in.
func pass(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // it is made up

func TestFigures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := ledger.NewLedger(securitymem.New()), &search{}
		now := time.Now().UTC()
		put(t, l, alertOf("1", "a", "x", ledger.High, now), alertOf("2", "a", "x", ledger.Low, now), alertOf("3", "b", "x", ledger.Low, now.Add(-25*time.Hour)))
		f := service(t, s, l)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go f.Run(ctx)
		got, err := f.Figures(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(map[string]int64{"unhealthy": 1, "atRisk": 0, "healthy": 2, "unknown": 7}, got.States); d != "" {
			t.Errorf("states: %s", d)
		}
		if d := cmp.Diff(&Score{Value: 80, Devices: 3, Alerts: -20}, got.Score); d != "" {
			t.Errorf("score: %s", d)
		}
		if d := cmp.Diff([]Type{{Type: "x", Title: "X", Severity: "high", Count: 3, Devices: 2}}, got.TopTypes); d != "" {
			t.Errorf("types: %s", d)
		}
		if a := got.Agents; a.InSync != 3 || a.Differs != 1 || a.NotKnown != 6 || a.Others != 3 || a.Silent != 1 || a.Never != 7 || a.Silence != time.Hour {
			t.Errorf("agents: %+v", a)
		}
		if got.Affected.All != 1 || len(got.Affected.Devices) != 2 || got.Affected.Devices[1].Alerts == nil {
			t.Errorf("affected: %+v", got.Affected)
		}
		if d := cmp.Diff([]Hour{{Hour: now.Add(-25 * time.Hour).Truncate(time.Hour), Low: 1}, {Hour: now.Truncate(time.Hour), High: 1, Low: 1}}, got.Raised); d != "" {
			t.Errorf("raised: %s", d)
		}
		if *got.Traffic.Connected != 2 || *got.Registered != 10 || len(got.Problems) != 0 {
			t.Errorf("connected %d, registered %d, problems %v", *got.Traffic.Connected, *got.Registered, got.Problems)
		}
	})
}

// TestOnlyWhileSomebodyLooks: figures are never older than they may be while
// somebody asks, and are not read when nobody does.
func TestOnlyWhileSomebodyLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &search{}
		f := service(t, s, ledger.NewLedger(securitymem.New()))
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go f.Run(ctx)
		pass(10 * time.Minute)
		idle := s.asked.Load()
		if idle > 1 { // the hour's
			t.Errorf("asked %d times while nobody looks", idle)
		}
		for range 20 {
			got, err := f.Figures(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if age := time.Since(got.At); age > Fresh {
				t.Errorf("the figures are %s old", age)
			}
			pass(7 * time.Second)
		}
		if got := f.Latest(); time.Since(got.At) > Fresh {
			t.Errorf("the latest figures are %s old while somebody looks", time.Since(got.At))
		}
		pass(looks + Fresh)
		before := s.asked.Load()
		pass(5 * time.Minute)
		if n := s.asked.Load() - before; n > 1 {
			t.Errorf("asked %d times after everybody has left", n)
		}
	})
}

// TestProblem: a part that cannot be had is nil and has its reason; the others
// are there.
func TestProblem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &search{}
		s.fail.Store(true)
		f := service(t, s, ledger.NewLedger(securitymem.New()))
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go f.Run(ctx)
		got, err := f.Figures(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got.States != nil || got.Agents != nil || got.Affected != nil || got.Traffic.Connected != nil {
			t.Errorf("what could not be had is there: %+v", got)
		}
		for _, part := range []string{"devices", "agents", "connected"} {
			if got.Problem(part) != "Too many queries look at all twins." {
				t.Errorf("%s: %q", part, got.Problem(part))
			}
		}
		if got.Alerts == nil || got.Problem("alerts") != "" {
			t.Errorf("alerts: %v, %s", got.Alerts, got.Problem("alerts"))
		}
		s.fail.Store(false)
		pass(Fresh)
		if got, err := f.Figures(t.Context()); err != nil || got.States == nil || len(got.Problems) > 0 {
			t.Errorf("afterwards: %+v, %v", got, err)
		}
	})
}

// TestGivesUp: whoever waits for figures is answered when its time is over.
func TestGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := service(t, &search{}, ledger.NewLedger(securitymem.New())) // nobody runs it
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := f.Figures(ctx)
		if tvilling.CodeOf(err) != tvilling.Unavailable || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// TestTrend: hours are kept, over a restart, up to their number; hours in which
// the hub did not run are gaps.
func TestTrend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ledger.NewLedger(securitymem.New())
		run := func(d time.Duration) *Service {
			f := service(t, &search{}, l)
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); f.Run(ctx) }()
			pass(d)
			stop()
			<-done
			return f
		}
		begin := time.Now().UTC().Truncate(time.Hour)
		run(3*time.Hour + time.Minute)
		pass(5 * time.Hour) // the hub is down
		f := run(2 * time.Hour)
		var hours []int
		for _, p := range f.trend.Points {
			hours = append(hours, int(p.Hour.Sub(begin)/time.Hour))
			if p.Unhealthy != 1 || p.Unknown != 7 || *p.Score != 80 {
				t.Errorf("point %+v", p)
			}
		}
		if d := cmp.Diff([]int{0, 1, 2, 3, 8, 9, 10}, hours); d != "" {
			t.Error(d)
		}
		if !f.trend.Since.Equal(begin) {
			t.Errorf("since %s, want %s", f.trend.Since, begin)
		}
		figures := &Figures{At: begin.Add(10*time.Hour + time.Minute), Trend: f.trend.Points}
		if figures.Before(2) == nil || figures.Before(5) != nil {
			t.Error("there is a point of 2 hours before, and none of 5")
		}
		again, err := readTrend(t.Context(), l)
		if err != nil || len(again.Points) != 7 {
			t.Errorf("%d points are kept, %v", len(again.Points), err)
		}
		for i := range trendHours {
			again = again.with(Point{Hour: begin.Add(time.Duration(11+i) * time.Hour)})
		}
		if len(again.Points) != trendHours || !again.Points[0].Hour.Equal(begin.Add(11*time.Hour)) || !again.Since.Equal(begin) {
			t.Errorf("%d points are kept, from %s", len(again.Points), again.Points[0].Hour)
		}
	})
}

// TestRaisedFollows: what is raised is seen at once, and a changed severity of
// old when the days are counted again.
func TestRaisedFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ledger.NewLedger(securitymem.New())
		old, now := time.Now().UTC().Add(-50*time.Hour), time.Now().UTC()
		put(t, l, alertOf("1", "a", "x", ledger.Low, old), alertOf("9", "a", "x", ledger.Low, now.AddDate(0, 0, -40)))
		var r raised
		count := func() (low, high int64) {
			if err := r.read(t.Context(), l.Store(), time.Now().UTC()); err != nil {
				t.Fatal(err)
			}
			for _, h := range r.list() {
				low, high = low+h.Low, high+h.High
			}
			return low, high
		}
		if low, high := count(); low != 1 || high != 0 {
			t.Errorf("%d low, %d high", low, high)
		}
		put(t, l, alertOf("1", "a", "x", ledger.High, old), alertOf("2", "a", "x", ledger.High, now))
		if low, high := count(); low != 1 || high != 1 {
			t.Errorf("at once: %d low, %d high", low, high)
		}
		pass(recountEvery)
		if low, high := count(); low != 0 || high != 2 {
			t.Errorf("later: %d low, %d high", low, high)
		}
		if since := r.since(time.Now().UTC()); now.Sub(since) < (chartDays-1)*day {
			t.Errorf("all days are counted since %s only", since)
		}
	})
}

func TestTraffic(t *testing.T) {
	t.Parallel()
	var r ring
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if got := r.traffic(Counters{DeadLetters: 3}); got.MessagesPerSecond != nil || got.DeadLetters != 3 {
		t.Errorf("without a reading: %+v", got)
	}
	for i := range samples + 10 {
		r.add(sample{
			at: begin.Add(time.Duration(i) * sampleEvery), connected: math.NaN(),
			counters: Counters{Messages: int64(i) * 50, Events: int64(i) * 5, Refused: map[string]int64{"tls": int64(i)}},
		})
	}
	r.connect(7)
	got := r.traffic(Counters{Refused: map[string]int64{"tls": int64(samples + 9), "level": 2, "will": 0}, Shed: map[string]int64{"a": 0, "b": 1}, Behind: 4})
	if *got.MessagesPerSecond != 10 || *got.EventsPerSecond != 1 {
		t.Errorf("%g messages/s, %g events/s", *got.MessagesPerSecond, *got.EventsPerSecond)
	}
	if d := cmp.Diff(map[string]int64{"tls": int64(samples - 1), "level": 2}, got.Refused); d != "" {
		t.Errorf("refused within the hour: %s", d)
	}
	if !got.RefusedSince.Equal(begin.Add(10 * sampleEvery)) {
		t.Errorf("since %s", got.RefusedSince)
	}
	if d := cmp.Diff(map[string]int64{"b": 1}, got.Shed); d != "" {
		t.Errorf("shed: %s", d)
	}
	if n := len(got.MessagesLine); n != sparkPoints || len(got.ConnectedLine) != n || got.ConnectedLine[n-1] != 7 || !math.IsNaN(got.ConnectedLine[0]) || got.SecurityBehind != 4 {
		t.Errorf("lines: %d, %v", n, got.ConnectedLine)
	}
}
