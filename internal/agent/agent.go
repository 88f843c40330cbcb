//go:build linux

package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tvilling/tvilling/internal/agent/aggregate"
	"github.com/tvilling/tvilling/internal/agent/budget"
	"github.com/tvilling/tvilling/internal/agent/identity"
	"github.com/tvilling/tvilling/internal/agent/link"
	"github.com/tvilling/tvilling/internal/agent/settings"
	"github.com/tvilling/tvilling/internal/agent/spool"
	"github.com/tvilling/tvilling/internal/security/event"
)

// Options are what an agent is made with.
type Options struct {
	// Config is the local configuration.
	Config identity.Config
	// Version is the program's.
	Version string
	Logger  *slog.Logger
	// Embedded says that the agent is a guest in another program: it does not
	// bound the process's memory, nor look at its use.
	Embedded bool
}

const (
	// twinTimeout is how long the agent waits for its twin before it begins with
	// what it knows.
	twinTimeout = 30 * time.Second
	// syncGap is how long observed events may wait for the disk.
	syncGap = time.Second
	// watchBudget is how often the agent looks at what it uses.
	watchBudget = 10 * time.Second
	// startSpread is within what time first snapshots are taken, so that a
	// fleet that is switched on together does not send together.
	startSpread = 2 * time.Second
)

// Agent is a security agent. Make one with New, run it with Run.
type Agent struct {
	opt        Options
	log        *slog.Logger
	identity   *identity.Source
	agentID    string
	started    time.Time
	budget     *budget.Budget
	spool      *spool.Spool
	in         *intake
	sender     *sender
	link       *link.Link
	reporter   *reporter
	collectors *collectors
	kept       kept
	snaps      *snapshots

	// These are the loop's: bytes sent that the budget knows of, whether load is
	// shed, and when the state was kept.
	charged  uint64
	shedding bool
	keptAt   time.Time
	noted    bool // the twin was told what is used

	twins   chan []byte // the newest desired section, one at most
	changed chan struct{}

	mu   sync.Mutex
	conf configuration
	// lastUse is what was used when the last snapshot was taken: reports that
	// followed every byte would be reports without end.
	lastUse budget.Use
	// renewals is how often the twin was found to be another one, as far as the
	// reporter knows.
	renewals uint64
	// configured says that what is in force was given to all parts.
	configured bool
}

// New makes an agent. It reads the local configuration's files, and connects to
// nothing.
func New(o Options) (*Agent, error) {
	handler := newDiagnostics(o.Logger.Handler())
	a := &Agent{
		opt: o, log: slog.New(handler), started: time.Now(),
		twins: make(chan []byte, 1), changed: make(chan struct{}, 1),
	}
	var err error
	if a.identity, err = identity.New(o.Config); err != nil {
		return nil, err
	}
	state := o.Config.StateDirectory
	a.kept = readKept(state)
	if a.agentID, err = o.Config.LoadAgentID(); err != nil {
		a.log.Warn("the agent's id cannot be kept; it is another one after each start", "error", err)
	}
	a.conf.dialect = settings.DialectOf(o.Config.ModuleID)
	a.conf.current, a.conf.state = settings.Default(a.conf.dialect), settings.StateDefaults
	a.budget = budget.New(budget.Options{Limits: limitsOf(&a.conf.current), Day: a.kept.Day, Embedded: o.Embedded})
	if a.spool, err = spool.Open(spool.Options{Dir: filepath.Join(state, "spool"), MaxBytes: a.conf.current.MaxCache}); err != nil {
		return nil, err
	}
	initial := a.conf.current // the parts read theirs without this one's lock
	a.in = &intake{
		spool: a.spool, groups: aggregate.New(), lost: make(map[loss]uint64), settings: &initial,
		changed: func() { kick(a.changed) },
	}
	handler.sink.observe = a.in.Observe
	a.sender = &sender{
		spool: a.spool, settings: &initial, wake: make(chan struct{}, 1), log: a.log,
		connected: a.connected, mayTry: a.budget.MayTry,
		message: func(dst []byte, b spool.Batch) []byte { return b.AppendMessage(dst, o.Version, a.agentID) },
	}
	a.in.urgent = func(wait time.Duration) { a.sender.noteUrgent(wait); kick(a.changed) }
	a.link = link.New(link.Options{
		Identity: a.identity, Logger: a.log, ClientType: "tvilling-agent/" + o.Version,
		KeepAlive: o.Config.KeepAlive,
		OnTwin:    a.twin,
		OnState:   func() { a.sender.noteChange(); kick(a.reporter.wake) },
	})
	a.sender.send = a.link.Send
	a.reporter = &reporter{
		report: a.link.Report, connected: a.connected, build: a.report, wake: make(chan struct{}, 1), anew: a.reportAnew,
		failed: func(err error) { a.log.Info("the reported properties could not be written", "error", err) },
	}
	a.collectors = newCollectors(a.in, a.sender, a.budget, a.log, o.Config.ChecksDirectory, a.kept.Logins)
	a.snaps = newSnapshots(a.collectors.snapshots(), a.in.snapshot, a.budget.Wait, a.log)
	a.snaps.after = func() {
		a.budget.Release() // a snapshot's work is garbage, and the next one is hours away
	}
	a.collectors.changed = func(k event.Kind) {
		if s := a.settings(); s.Extension.OnChange && s.Collected(k) {
			a.snaps.changed(k)
		}
	}
	return a, nil
}

// SnapshotNow takes all snapshots and sends all that waits.
func (a *Agent) SnapshotNow() {
	a.snaps.askThen(a.collected(), a.sender.flushAll)
}

// collected returns the kinds of event that the settings ask for.
func (a *Agent) collected() set {
	s := a.settings()
	var kinds set
	for k := range event.Kinds {
		if s.Collected(k) {
			kinds |= setOf(k)
		}
	}
	return kinds
}

func (a *Agent) connected() bool { return a.link.State().Connected }

// twin is told of desired sections by the link. Only the newest counts.
func (a *Agent) twin(section []byte) {
	for {
		select {
		case a.twins <- section:
			return
		default:
		}
		select {
		case <-a.twins:
		default:
		}
	}
}

// Run runs the agent until ctx ends. It then puts everything that waits on the
// disk, and says goodbye. It fails where another agent runs with the same
// state directory.
func (a *Agent) Run(ctx context.Context) error {
	only, err := theOnlyOne(ctx, a.opt.Config.StateDirectory)
	if err != nil {
		return errors.Join(err, a.spool.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	linkCtx, stopLink := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLink()
	wg.Go(func() { a.link.Run(linkCtx) })
	if path := a.opt.Config.StatusSocket; path != "" {
		wg.Go(func() {
			if err := serveStatus(ctx, path, a.Status); err != nil {
				a.log.WarnContext(ctx, "the agent cannot be asked for its status", "error", err)
			}
		})
	}
	a.waitForTwin(ctx)
	wg.Go(func() { a.sender.run(ctx) })
	wg.Go(func() { a.reporter.run(ctx) })
	wg.Go(func() { a.snaps.run(ctx) })
	collecting := a.collectors.start(ctx)
	a.loop(ctx)
	collecting() // the collectors' last words are heard
	a.in.windows(time.Now(), true)
	cancel()
	stopLink()
	wg.Wait()
	if err := a.keepState(); err != nil {
		a.log.WarnContext(ctx, "the agent's state cannot be kept", "error", err)
	}
	return errors.Join(a.spool.Close(), release(only))
}

// waitForTwin waits for the twin, for a while: what it asks for is then done
// from the first moment. Without it the section that was applied last is, or
// the defaults are.
func (a *Agent) waitForTwin(ctx context.Context) {
	timer := time.NewTimer(twinTimeout)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case section := <-a.twins:
		a.configure(ctx, section)
	case <-timer.C:
		section, err := os.ReadFile(a.sectionFile())
		if err != nil || !json.Valid(section) {
			a.log.WarnContext(ctx, "the hub has not given the twin; the agent runs on its defaults", "hub", a.opt.Config.HostName)
			a.configure(ctx, nil)
			return
		}
		a.log.WarnContext(ctx, "the hub has not given the twin; the agent runs on what it asked for last", "hub", a.opt.Config.HostName)
		a.configure(ctx, section)
	}
}

// loop is what the agent does as time goes by.
func (a *Agent) loop(ctx context.Context) {
	var (
		snapshot  = time.NewTimer(spread(startSpread))
		heartbeat = time.NewTimer(spread(startSpread))
		windows   = time.NewTicker(time.Minute)
		watch     = time.NewTicker(watchBudget)
		changed   = (<-chan struct{})(a.changed)
		sync      <-chan time.Time

		lastSnapshot, lastHeartbeat time.Time
	)
	defer snapshot.Stop()
	defer heartbeat.Stop()
	defer windows.Stop()
	defer watch.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case section := <-a.twins:
			before := a.settings()
			a.configure(ctx, section)
			s := a.settings()
			// From the last one on, so that a twin that changes and changes puts
			// nothing off. The first ones are due soon in any case.
			if s.Snapshot != before.Snapshot && !lastSnapshot.IsZero() {
				snapshot.Reset(time.Until(lastSnapshot.Add(s.Snapshot)))
			}
			if !lastSnapshot.IsZero() && !sameChecks(&s, &before) && a.collected().has(event.OSBaselineKind) {
				a.snaps.changed(event.OSBaselineKind)
			}
			if d := s.Extension.Heartbeat; d != before.Extension.Heartbeat && d > 0 {
				heartbeat.Reset(max(time.Until(lastHeartbeat.Add(d)), spread(startSpread)))
			}
		case lastSnapshot = <-snapshot.C:
			a.snaps.ask(a.collected())
			a.noteUse()
			snapshot.Reset(a.settings().Snapshot)
		case now := <-heartbeat.C:
			if d := a.settings().Extension.Heartbeat; d > 0 {
				lastHeartbeat = now
				a.in.snapshot(now, event.HeartbeatKind, nil)
				heartbeat.Reset(d)
			}
		case now := <-windows.C:
			a.in.windows(now, false)
		case <-watch.C:
			a.watchBudget(ctx)
		case <-changed:
			// What comes until then need not wake anybody: it may wait for the
			// disk, and what is urgent has told the sender itself.
			changed, sync = nil, time.After(syncGap)
		case <-sync:
			changed, sync = a.changed, nil
			a.sender.noteChange()
			if err := a.spool.Sync(); err != nil {
				a.log.DebugContext(ctx, "the spool is not on the disk", "error", err)
			}
		}
	}
}

// settings returns those in force.
func (a *Agent) settings() settings.Settings {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.conf.current
}

// configure takes a desired section, and does what it asks for.
func (a *Agent) configure(ctx context.Context, section []byte) {
	a.mu.Lock()
	if a.configured && bytes.Equal(section, a.conf.section) {
		a.mu.Unlock()
		return // a new connection tells it again
	}
	changed := a.conf.take(section, time.Now())
	first := !a.configured
	a.configured = true
	state, problems := a.conf.state, a.conf.problems
	complaint := a.conf.complaint()
	current := a.conf.current
	a.mu.Unlock()
	if changed || first {
		a.use(&current)
	}
	switch state {
	case settings.StateApplied:
		a.log.InfoContext(ctx, "the configuration of the twin is in force", "version", versionOf(section))
		if err := write(a.sectionFile(), section); err != nil {
			a.log.DebugContext(ctx, "the configuration cannot be kept for a start without the hub", "error", err)
		}
	case settings.StateRefused:
		a.log.ErrorContext(ctx, "the configuration of the twin is refused; the one before stays in force", "problems", texts(problems))
	case settings.StateDefaults:
		if section == nil {
			break // it was said why
		}
		a.log.ErrorContext(ctx, "the configuration of the twin is refused; the agent runs on its defaults", "problems", texts(problems))
	}
	if len(complaint) > 0 {
		a.in.complain(time.Now(), complaint)
	}
	kick(a.reporter.wake)
}

// use makes s what all parts follow.
func (a *Agent) use(s *settings.Settings) {
	a.budget.Set(limitsOf(s))
	a.spool.Resize(s.MaxCache)
	a.in.use(s)
	a.sender.use(s)
	if a.conf.dialect == settings.MicroAgent {
		a.sender.flushAll() // asc §12.3: what is not sent yet goes before the change
	}
	a.collectors.use(s)
}

// report builds the reported properties.
func (a *Agent) report() map[string]any {
	status := a.collectors.reported()
	a.mu.Lock()
	defer a.mu.Unlock()
	status["agentVersion"] = quoted(a.opt.Version)
	status["use"] = useReport(&a.lastUse)
	return settings.Report(a.conf.dialect, &a.conf.current, a.conf.state, a.conf.problems, status)
}

// reportAnew reports whether the twin is another one than before.
func (a *Agent) reportAnew() bool {
	n := a.link.State().Renewals
	a.mu.Lock()
	defer a.mu.Unlock()
	anew := n != a.renewals
	a.renewals = n
	return anew
}

func texts(problems []settings.Problem) []string {
	all := make([]string, 0, len(problems))
	for _, p := range problems {
		all = append(all, string(p.Kind)+": "+p.Message)
	}
	return all
}
