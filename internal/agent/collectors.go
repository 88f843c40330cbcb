//go:build linux

package agent

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/tvilling/tvilling/internal/agent/baseline"
	"github.com/tvilling/tvilling/internal/agent/budget"
	"github.com/tvilling/tvilling/internal/agent/collect"
	"github.com/tvilling/tvilling/internal/agent/kernel"
	"github.com/tvilling/tvilling/internal/agent/settings"
	"github.com/tvilling/tvilling/internal/security/event"
)

// watch is in what way the kernel is watched; the zero one is not at all.
type watch struct {
	processes, connections bool
	prefer                 string
}

// collectors are all that observes.
type collectors struct {
	in     *intake
	sender *sender
	log    *slog.Logger
	budget *budget.Budget

	logins    *collect.Logins
	processes *collect.Processes
	sockets   *collect.Connections
	checks    *checks
	all       []collect.Snapshot
	kernel    *service[watch]
	login     *service[bool]
	changes   []*service[bool]
	changed   func(k event.Kind)

	handling sync.Mutex

	mu sync.Mutex
	// hardware overrides what the firmware says.
	hardware map[string]string
	// sources are what the kernel is watched by, and why not by better means.
	sources []collect.Sight
	on      settings.Settings
}

// newCollectors makes the collectors of this device.
func newCollectors(in *intake, sender *sender, b *budget.Budget, log *slog.Logger, directory string, logins []byte) *collectors {
	root := os.DirFS("/")
	c := &collectors{in: in, sender: sender, log: log, budget: b, changed: func(event.Kind) {}}
	names := collect.NewNames(root)
	c.processes = collect.NewProcesses(collect.ProcessOptions{Names: names, Wait: b.Wait}, in)
	c.sockets = collect.NewConnections(collect.ConnectionOptions{Executable: c.processes.Executable}, in)
	c.logins = collect.NewLogins(collect.LoginOptions{Root: "/"})
	if err := c.logins.Restore(logins); len(logins) > 0 && err != nil {
		log.Info("logins before the start are not told", "error", err)
	}
	c.checks = newChecks(cmp.Or(directory, baseline.CustomDir), b.Wait, func(err error) { log.Warn("the custom checks of the twin are not made", "error", err) })
	c.all = []collect.Snapshot{
		collect.NewSystem(root, c.overrides), collect.NewUsers(root), collect.NewPorts(root, collect.PortOptions{}), collect.NewFirewall(root), collect.NewHardware(root), c.checks,
	}
	c.kernel = newService("processes and connections", log, c.watchKernel)
	c.login = newService("logins", log, func(ctx context.Context, _ bool) error { return c.logins.Run(ctx, in) })
	c.changes = []*service[bool]{
		c.changeService("changes of users", event.LocalUsersKind, func(ctx context.Context, notify func()) error { return collect.UsersChanges(ctx, "/etc", notify) }),
		c.changeService("changes of the firewall", event.FirewallConfigurationKind, collect.FirewallChanges),
		c.changeService("changes of hardware", event.ConnectedHardwareKind, collect.HardwareChanges),
	}
	return c
}

func (c *collectors) changeService(name string, k event.Kind, run func(ctx context.Context, notify func()) error) *service[bool] {
	return newService(name, c.log, func(ctx context.Context, _ bool) error {
		return run(ctx, func() { c.changed(k) })
	})
}

// snapshots returns the snapshots there are, the agent's own counts among them.
func (c *collectors) snapshots() []collect.Snapshot {
	return append(slices.Clone(c.all),
		own{event.DroppedEventsStatisticsKind, c.in.dropped}, own{event.MessageStatisticsKind, c.sender.messages})
}

// own is a snapshot of the agent itself.
type own struct {
	kind event.Kind
	take func() []event.Item
}

func (o own) Kind() event.Kind                           { return o.kind }
func (o own) Sight() collect.Sight                       { return collect.Sight{} }
func (o own) Take(context.Context) ([]event.Item, error) { return o.take(), nil }

// start runs the watchers until ctx ends; what it returns waits for them.
func (c *collectors) start(ctx context.Context) (wait func()) {
	var wg sync.WaitGroup
	wg.Go(func() { c.kernel.keep(ctx) })
	wg.Go(func() { c.login.keep(ctx) })
	wg.Go(func() { c.processes.Run(ctx) })
	for _, s := range c.changes {
		wg.Go(func() { s.keep(ctx) })
	}
	return wg.Wait
}

// use makes the collectors do what s asks for.
func (c *collectors) use(s *settings.Settings) {
	c.mu.Lock()
	c.hardware, c.on = s.Hardware, *s
	c.mu.Unlock()
	c.checks.use(s)
	c.processes.SetHash(s.Extension.HashExecutables)
	c.kernel.set(watch{
		processes: kindsOf(s, event.ProcessCreateKind, event.ProcessTerminateKind),
		// Ports that are opened and closed are told by the same source.
		connections: kindsOf(s, event.ConnectionCreateKind) || s.Extension.OnChange && kindsOf(s, event.ListeningPortsKind),
		prefer:      s.Extension.ProcessSource,
	})
	c.login.set(s.Collected(event.LoginKind))
	for i, k := range []event.Kind{event.LocalUsersKind, event.FirewallConfigurationKind, event.ConnectedHardwareKind} {
		c.changes[i].set(s.Extension.OnChange && s.Collected(k))
	}
}

func (c *collectors) overrides() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hardware
}

// watchKernel watches processes and connections.
func (c *collectors) watchKernel(ctx context.Context, w watch) error {
	sources, err := kernel.Open(kernel.Options{
		Processes: w.processes, Connections: w.connections, Prefer: kernel.Prefer(w.prefer), Self: int32(os.Getpid()),
	})
	c.see(&sources)
	if err != nil {
		return err
	}
	if w.connections {
		c.changed(event.ListeningPortsKind) // what opened while nobody watched
	}
	var wg sync.WaitGroup
	errs := make([]error, len(sources.Sources))
	run, cancel := context.WithCancel(ctx)
	for i, s := range sources.Sources {
		wg.Go(func() {
			defer cancel() // without one of them the others are not all that was asked for
			errs[i] = s.Run(run, c.handle, c.lost)
		})
	}
	wg.Wait()
	cancel()
	return errors.Join(append(errs, sources.Close())...)
}

// handle gives what the kernel tells to who makes events of it.
func (c *collectors) handle(h *kernel.Happening) {
	// Each source has a goroutine of its own.
	c.handling.Lock()
	defer c.handling.Unlock()
	switch h.Kind {
	case kernel.Fork, kernel.Exit:
		c.processes.Handle(h)
	case kernel.Exec:
		c.processes.Handle(h)
		c.sockets.Handle(h) // what the process was before is no longer true
	case kernel.Connect, kernel.Refused, kernel.Accept:
		c.sockets.Handle(h)
	case kernel.Listen, kernel.Unlisten:
		c.sockets.Handle(h)
		c.changed(event.ListeningPortsKind)
	}
}

func (c *collectors) lost(n uint64, why string) { c.in.Lost(event.ProcessCreateKind, n, why) }

// see takes down by what means the kernel is watched.
func (c *collectors) see(s *kernel.Sources) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sources = c.sources[:0]
	for _, one := range []struct {
		name   string
		choice *kernel.Choice
	}{{"processes", &s.Processes}, {"connections", &s.Connections}} {
		if one.choice.Source != "" {
			c.sources = append(c.sources, sightOf(one.name, one.choice))
		}
	}
}

// sightOf says what is seen by the means that was chosen.
func sightOf(name string, c *kernel.Choice) collect.Sight {
	s := collect.Sight{Name: name, Source: c.Source, Extent: collect.Full, Why: c.Misses}
	if c.Misses != "" {
		s.Extent = collect.Partial
	}
	var remedy []string
	for _, r := range c.Reasons {
		s.Why += " Not by " + r.Source + ": " + r.Why
		remedy = append(remedy, r.Remedy)
	}
	s.Why, s.Remedy = strings.TrimSpace(s.Why), strings.Join(remedy, " ")
	return s
}

// sights returns what all collectors see.
func (c *collectors) sights() []collect.Sight {
	c.mu.Lock()
	list, on := slices.Clone(c.sources), c.on
	c.mu.Unlock()
	if on.Collected(event.LoginKind) {
		list = append(list, c.logins.Sight())
	}
	for _, s := range c.all {
		if on.Collected(s.Kind()) {
			list = append(list, s.Sight())
		}
	}
	return list
}

// reported is what the twin shows of the collectors: by what means they see.
func (c *collectors) reported() map[string]any {
	sources := map[string]any{}
	for _, s := range c.sights() {
		text := s.Source
		if s.Extent != collect.Full {
			text = strings.TrimPrefix(text+", "+string(s.Extent), ", ")
		}
		sources[strings.ReplaceAll(s.Name, " ", "_")] = quoted(text)
	}
	return map[string]any{"sources": sources}
}

// checkpoint is how far logins were read.
func (c *collectors) checkpoint() []byte {
	b, err := c.logins.Checkpoint()
	if err != nil {
		c.log.Debug("how far logins were read cannot be kept", "error", err)
	}
	return b
}
