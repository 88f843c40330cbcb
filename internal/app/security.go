package app

import (
	"context"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/journal"
	"github.com/tvilling/tvilling/internal/hub/message"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/rulefile"
	"github.com/tvilling/tvilling/internal/security/alert"
	"github.com/tvilling/tvilling/internal/security/deliver"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/detection"
	"github.com/tvilling/tvilling/internal/security/follow"
	"github.com/tvilling/tvilling/internal/security/intake"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/posture"
	"github.com/tvilling/tvilling/internal/security/recommend"
	"github.com/tvilling/tvilling/internal/security/rules"
	"github.com/tvilling/tvilling/internal/security/watch"
	"github.com/tvilling/tvilling/internal/store/eventdb"
	"github.com/tvilling/tvilling/internal/store/securitydb"
)

// security is the security plane of a hub.
type security struct {
	events   *eventdb.DB
	store    *securitydb.Store
	ledger   *ledger.Ledger
	lists    *lists
	engine   *detect.Engine
	assessor *recommend.Assessor
	alerts   *alert.Service
	watch    *watch.Watch
	intake   *intake.Service
	follow   *follow.Follower
	posture  *posture.Writer
	sinks    []*deliver.Runner
}

// openSecurityStores opens what the security plane keeps, and the ledger.
func (a *App) openSecurityStores(ctx context.Context) (err error) {
	s := &a.plane
	s.events, err = eventdb.Open(ctx, eventdb.Options{
		Dir: filepath.Join(a.opt.Data, "events"), MaxAge: a.opt.Events.MaxAge, MaxBytes: a.opt.Events.MaxBytes,
		Logger: a.log.With("component", "events"),
	})
	if err != nil {
		return err
	}
	a.stops.push(s.events.Close)
	s.store, err = securitydb.Open(ctx, securitydb.Options{Dir: a.opt.Data, Logger: a.log.With("component", "ledger")})
	if err != nil {
		return err
	}
	a.stops.push(s.store.Close)
	s.ledger = ledger.NewLedger(s.store)
	return nil
}

// openDetections reads indicator lists and rules.
func (a *App) openDetections(ctx context.Context) (err error) {
	s, log := &a.plane, a.log.With("component", "detect")
	if s.lists, err = openLists(rules.Lists(), folder(a.opt.Indicators), log); err != nil {
		return err
	}
	s.engine, err = detect.New(ctx, detect.Options{
		Decode: rulefile.Parse, Builtin: rules.FS, Folder: folder(a.opt.Rules), Stateful: detection.All(), List: s.lists.list,
		Ledger: s.ledger, Logger: log,
	})
	if err != nil {
		return err
	}
	for _, v := range s.engine.List() {
		if v.Error != "" {
			log.WarnContext(ctx, "rule not in force", "detection", v.ID, "reason", v.Error)
		}
	}
	s.alerts = alert.New(s.ledger, ruleBook{s.engine})
	return nil
}

// folder is a directory as a file system; nil for none.
func folder(dir string) fs.FS {
	if dir == "" {
		return nil
	}
	return os.DirFS(dir)
}

// openReaders makes what follows the hub and what the hub is told.
func (a *App) openReaders(ctx context.Context, changes *journal.Journal, twins *twin.Service) (err error) {
	s := &a.plane
	grace := a.opt.Tuning
	s.assessor = recommend.New(recommend.Options{InstallGrace: grace.InstallGrace, CompareGrace: grace.CompareGrace, Desired: func(ctx context.Context, d tvilling.DeviceID) ([]byte, error) {
		rec, err := a.store.Twin(ctx, tvilling.Identity{Device: d, Module: tvilling.SecurityModule})
		if rec == nil || err != nil {
			return nil, err
		}
		return rec.Desired.AppendJSON(nil, doc.Form{}), nil
	}})
	s.intake, err = intake.New(ctx, intake.Options{
		Log: securityLog{a.messages}, Events: s.events, Directory: directory{a}, Ledger: s.ledger, Engine: s.engine, Assessor: s.assessor,
		Logger: a.log.With("component", "intake"), Decoders: 2, Fatal: a.fail,
	})
	if err != nil {
		return err
	}
	s.follow, err = follow.New(ctx, follow.Options{
		Journal: changes, Store: a.store, Registry: a.registry, Assessor: s.assessor, Ledger: s.ledger, Module: tvilling.SecurityModule,
		Logger: a.log.With("component", "follow"), Fatal: a.fail,
	})
	if err != nil {
		return err
	}
	s.posture = posture.NewWriter(posture.Options{
		Ledger: s.ledger, Twins: twins, Logger: a.log.With("component", "posture"), Silence: s.silence,
	})
	return a.openSinks(ctx)
}

// silence returns how long a device may send nothing, as operators have set it.
func (s *security) silence() time.Duration {
	v, err := s.engine.Get("device-silent")
	if err != nil {
		return posture.Silence
	}
	return time.Duration(v.Values["interval"]) * time.Second
}

// refused tells the security plane of a refused caller.
func (a *App) refused(r auth.Refused) { a.plane.watch.Refused(r) }

// runSecurity works the security plane until ctx ends.
func (a *App) runSecurity(ctx context.Context, wg *sync.WaitGroup) {
	s := &a.plane
	wg.Go(func() { s.intake.Run(ctx) })
	wg.Go(func() { s.follow.Run(ctx) })
	wg.Go(func() { s.posture.Run(ctx) })
	wg.Go(func() { a.keepHouse(ctx) })
	for _, r := range s.sinks {
		wg.Go(func() { r.Run(ctx) })
	}
}

// houseEvery is how often old events, alerts and entries of the feed go.
const houseEvery = time.Minute

// keepHouse drops what has been kept long enough.
func (a *App) keepHouse(ctx context.Context) {
	tick := time.NewTicker(houseEvery)
	defer tick.Stop()
	for {
		a.dropOld(ctx, time.Now())
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (a *App) dropOld(ctx context.Context, now time.Time) {
	s := &a.plane
	if n, err := s.events.Retain(ctx, now); err != nil {
		a.log.WarnContext(ctx, "old events not dropped", "error", err)
	} else if n > 0 {
		a.log.InfoContext(ctx, "old events dropped", "days", n)
	}
	n, err := s.ledger.Trim(ctx, s.keepFeed(), now.Add(-a.opt.AlertAge))
	if err != nil && ctx.Err() == nil {
		a.log.WarnContext(ctx, "old alerts not dropped", "error", err)
	} else if n > 0 {
		a.log.InfoContext(ctx, "old alerts and entries of the feed dropped", "records", n)
	}
}

// feedEntries is how many entries of the feed stay for those who look back.
const feedEntries = 1_000_000

// keepFeed returns the sequence up to which the feed may be dropped: what no
// sink still waits for, and no more than leaves a long tail to look back on.
func (s *security) keepFeed() uint64 {
	head := s.store.FeedHead()
	if head <= feedEntries {
		return 0
	}
	drop := head - feedEntries
	for _, r := range s.sinks {
		drop = min(drop, r.Status().Cursor)
	}
	return drop
}

// securityLog is the log of security messages.
type securityLog struct{ messages *message.Service }

// Read yields the messages after a sequence.
func (l securityLog) Read(ctx context.Context, after uint64, follow bool) iter.Seq2[*tvilling.Message, error] {
	return l.messages.Read(ctx, message.Security, after, follow)
}

// Head returns the sequence of the newest message.
func (l securityLog) Head() uint64 { return l.messages.Head(message.Security) }

// directory tells which devices are registered.
type directory struct{ app *App }

// Registered reports whether there is such a device.
func (d directory) Registered(ctx context.Context, id tvilling.DeviceID) (bool, error) {
	rec, err := d.app.store.Identity(ctx, tvilling.Device(id))
	if tvilling.CodeOf(err) == tvilling.Corrupt {
		return true, nil // it is there; what is damaged is not for us to say
	}
	return rec != nil, err
}
