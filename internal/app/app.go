package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/agentapi"
	"github.com/tvilling/tvilling/internal/api/hubapi"
	"github.com/tvilling/tvilling/internal/api/securityapi"
	"github.com/tvilling/tvilling/internal/console"
	devicepages "github.com/tvilling/tvilling/internal/console/devices"
	"github.com/tvilling/tvilling/internal/console/wake"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/durable"
	"github.com/tvilling/tvilling/internal/gateway/mqtt"
	"github.com/tvilling/tvilling/internal/gateway/tlsconf"
	"github.com/tvilling/tvilling/internal/hub/account"
	"github.com/tvilling/tvilling/internal/hub/audit"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/configuration"
	"github.com/tvilling/tvilling/internal/hub/index"
	"github.com/tvilling/tvilling/internal/hub/journal"
	"github.com/tvilling/tvilling/internal/hub/live"
	"github.com/tvilling/tvilling/internal/hub/message"
	"github.com/tvilling/tvilling/internal/hub/policy"
	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/hub/search"
	"github.com/tvilling/tvilling/internal/hub/session"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/security/fleet"
	"github.com/tvilling/tvilling/internal/security/onboard"
	"github.com/tvilling/tvilling/internal/security/watch"
	"github.com/tvilling/tvilling/internal/store/messagelog"
	"github.com/tvilling/tvilling/internal/store/sqlite"
)

// App is a hub, put together and listening, but not serving until it runs.
type App struct {
	opt Options
	log *slog.Logger

	store     *sqlite.Store
	telemetry *messagelog.Log
	security  *messagelog.Log
	committer *commit.Committer
	messages  *message.Service
	sessions  *session.Manager
	registry  *registry.Service
	onboard   *onboard.Service
	index     *index.Index
	search    *search.Service
	live      *live.Service
	plane     security
	fleet     *fleet.Service
	policies  *policy.Service
	accounts  *account.Service
	audit     *audit.Log
	// configurations are written to twins like by any other service.
	configurations *configuration.Service
	tls            *tlsconf.Reloader
	gateway        *mqtt.Server
	api            *hubapi.Handler
	securityAPI    *securityapi.Handler
	agentAPI       *agentapi.Handler
	console        *console.Console
	// batches are acts on many devices, asked for on pages.
	batches *devicepages.Batches
	// twins are read and changed by the pages, too.
	twins *twin.Service
	// pages is where open pages of the console wait for changes.
	pages   wake.Hub
	metrics *metrics
	// pulse has the figures of the hub that say whether it is well.
	pulse   pulse
	started time.Time

	mqtt  net.Listener
	https []net.Listener
	admin net.Listener

	// fatal takes the first reason why the hub cannot go on.
	fatal chan error
	stops stack
	// serving is true from the moment the hub is ready until it begins to stop.
	serving atomic.Bool
}

// New opens the data directory and the listeners, and wires the hub. On an
// error nothing stays open. It is one straight line on purpose: what it says
// is the order of things.
func New(ctx context.Context, o Options) (_ *App, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.fill()
	a := &App{opt: o, log: o.Logger, fatal: make(chan error, 1), started: time.Now()}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.stops.run())
		}
	}()

	// Data.
	if err := prepareData(o.Data); err != nil {
		return nil, err
	}
	if err := a.openStore(ctx); err != nil {
		return nil, err
	}
	sealer, err := a.openKeys()
	if err != nil {
		return nil, err
	}
	policies, err := loadPolicies(ctx, a.store, sealer)
	if err != nil {
		return nil, err
	}

	// Core.
	a.metrics = newMetrics()
	a.index = a.newIndex()
	a.committer, err = commit.New(ctx, commit.Options{Store: a.store, Fatal: a.fail, Observe: a.metrics.commit, Follow: a.indexed(), Recorded: a.recorded})
	if err != nil {
		return nil, err
	}
	authenticator, err := auth.New(auth.Options{Directory: a.store, Sealer: sealer, Policies: policies, Refused: a.refused})
	if err != nil {
		return nil, err
	}
	a.sessions = session.New(a.committer, a.store, authenticator, a.log.With("component", "session"))
	a.registry = registry.New(a.committer, a.store, a.sessions, sealer)
	a.policies = policy.New(a.committer, authenticator, sealer, a.sessions)
	if err := a.openAccounts(ctx); err != nil {
		return nil, err
	}
	twins := twin.New(a.committer, a.store, a.sessions)
	a.twins = twins
	a.openSearch()
	a.messages = message.New(message.Options{
		Telemetry: a.telemetry, Security: a.security,
		Logger: a.log.With("component", "message"), Fatal: a.fail, Observe: a.metrics.messages,
	})

	// Security.
	a.plane.watch = watch.New(a.messages, a.log)
	if err := a.openSecurityStores(ctx); err != nil {
		return nil, err
	}
	if err := a.openDetections(ctx); err != nil {
		return nil, err
	}
	changes := journal.New(a.store, a.committer)
	a.openLive(changes)
	if err := a.openFollowers(ctx, changes, twins); err != nil {
		return nil, err
	}
	a.onboard, err = onboard.New(ctx, a.committer, a.store, a.registry, a.log.With("component", "onboard"))
	if err != nil {
		return nil, err
	}

	// Edges.
	if err := a.openTLS(ctx); err != nil {
		return nil, err
	}
	if err := a.listen(ctx); err != nil {
		return nil, err
	}
	a.gateway, err = mqtt.New(mqtt.Options{
		TLS: a.tls.Config(), Auth: authenticator, Sessions: mqtt.Manage(a.sessions), Twins: twins, Messages: a.messages,
		Log: a.log.With("component", "mqtt"),
	})
	if err != nil {
		return nil, err
	}
	a.api = hubapi.New(hubapi.Options{
		Auth: authenticator, Registry: a.registry, Twins: twins, Search: a.search, Messages: a.messages,
		History: a.past(),
		Journal: changes, Live: a.live,
		Policies: a.policies,
		Settings: a.onboard, Adoption: a.onboard, Users: a.accounts, Audit: a.audit,
		Configurations: a.configurations, Health: a.Health, Certificates: a.certificates,
		SecurityModule: tvilling.SecurityModule,
		Ready:          a.ready, Observe: a.metrics.request,
		Logger: a.log,
	})
	a.securityAPI = securityapi.New(securityapi.Options{
		Auth: authenticator, Ledger: a.plane.store, Alerts: a.plane.alerts, Detections: a.plane.engine, Events: a.plane.events, Twins: twins,
		Devices: devices{a}, Fleet: a.fleet, Timeline: a.story(), Sinks: sinks{a}, Recommendations: recommendationTypes(), Changed: a.plane.ledger.Changed,
		Guarded: func() bool { return a.onboard.Current().GuardSecurityTwin }, Hub: a.hostName(), Observe: a.metrics.request, Logger: a.log,
	})
	a.agentAPI = agentapi.New(agentapi.Options{
		Auth: authenticator, Folder: a.opt.Agents, CA: a.authority, MQTTPort: a.mqttPort, Observe: a.metrics.request, Logger: a.log,
	})
	a.openConsole()
	a.metrics.watch(a)
	if err := a.writeFiles(policies, sealer); err != nil {
		return nil, err
	}
	return a, nil
}

// fail makes the hub stop for err; only the first one counts.
func (a *App) fail(err error) {
	select {
	case a.fatal <- err:
	default: // it is stopping already, for an earlier reason
	}
}

// prepareData makes the data directory, which is nobody's but the hub's.
func prepareData(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("look at the data directory: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("the data directory %s is not a directory", dir)
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := os.Chmod(dir, 0o700); err != nil { //nolint:gosec // a directory needs its x bit
		return fmt.Errorf("close the data directory %s to others: %w", dir, err)
	}
	return nil
}

func (a *App) openStore(ctx context.Context) (err error) {
	o := a.opt
	a.store, err = sqlite.Open(ctx, sqlite.Options{
		Dir: o.Data, Logger: a.log.With("component", "store"), CacheBytes: o.CacheBytes,
		HistoryAge: o.History.MaxAge, HistoryBytes: o.History.MaxBytes,
		FS: o.Tuning.FS, SegmentBytes: o.Tuning.SegmentBytes, DirtyBytes: o.Tuning.DirtyBytes,
		ReplayBytes: o.Tuning.ReplayBytes, WriteBackAfter: o.Tuning.WriteBackAfter,
		AcceptLoss: o.AcceptLoss,
	})
	if err != nil {
		return err
	}
	a.stops.push(a.store.Close)
	for _, l := range []struct {
		name string
		keep Retention
		// floor says what is still needed, nil if nothing is.
		floor func() uint64
		log   **messagelog.Log
	}{{"telemetry", o.Telemetry, nil, &a.telemetry}, {"security", o.Security, func() uint64 { return a.plane.intake.Keep() }, &a.security}} {
		*l.log, err = messagelog.Open(messagelog.Options{
			Dir: filepath.Join(o.Data, l.name), MaxAge: l.keep.MaxAge, MaxBytes: l.keep.MaxBytes, FS: o.Tuning.FS, Keep: l.floor,
			Logger: a.log.With("component", l.name),
		})
		if err != nil {
			return err
		}
		a.stops.push((*l.log).Close)
	}
	return nil
}

// openKeys loads the key that seals the devices' keys. It is made only for a
// hub without data: with data there, a missing key is a mistake to be told.
func (a *App) openKeys() (*auth.Sealer, error) {
	path := a.opt.HubKeyFile
	if path == "" {
		path = filepath.Join(a.opt.Data, "hub.key")
	}
	load := auth.LoadHubKey
	if sequence, _ := a.store.Head(); sequence == 0 {
		load = auth.LoadOrCreateHubKey
	}
	key, err := load(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("the hub's data is there but its key %s is not; put the key file back, or name it by hub_key_file", path)
	}
	if err != nil {
		return nil, err
	}
	return auth.NewSealer(key)
}

// loadPolicies reads the shared access policies; a new hub gets the default
// ones, durable before anything can use them.
func loadPolicies(ctx context.Context, store *sqlite.Store, sealer *auth.Sealer) (*auth.Policies, error) {
	value, err := store.Setting(ctx, auth.PoliciesSetting)
	if err != nil {
		return nil, err
	}
	if value != nil {
		return auth.ParsePolicies(value)
	}
	set, err := auth.DefaultPolicies(sealer)
	if err != nil {
		return nil, err
	}
	if value, err = json.Marshal(set); err != nil {
		return nil, fmt.Errorf("encode policies: %w", err)
	}
	return set, store.Commit(ctx, &state.Batch{
		Writes: []state.Write{{Setting: &state.Setting{Name: auth.PoliciesSetting, Value: value}}},
		Changes: []state.Change{{
			Sequence: 1, Time: time.Now().UTC(), Op: state.ChangePolicy, Actor: "hub", Body: []byte(`{"change":"created"}`),
		}},
	})
}

// openFollowers makes whoever follows the changes of the hub.
func (a *App) openFollowers(ctx context.Context, changes *journal.Journal, twins *twin.Service) error {
	if err := a.openReaders(ctx, changes, twins); err != nil {
		return err
	}
	if err := a.openConfigurations(ctx, changes, twins); err != nil {
		return err
	}
	if err := a.openFleet(ctx); err != nil {
		return err
	}
	return a.openAudit(changes)
}

func (a *App) openTLS(ctx context.Context) (err error) {
	a.tls, err = tlsconf.New(ctx, tlsconf.Options{
		Dir: a.opt.Data, Names: a.opt.Hosts,
		CertFile: a.opt.CertificateFile, KeyFile: a.opt.KeyFile,
		ClassicalCurves: a.opt.ClassicalCurves, Logger: a.log.With("component", "tls"),
	})
	return err
}

// Reload loads the certificates, the operator's rules and the indicator lists
// again, each as far as it can be. Connections stay open.
func (a *App) Reload(ctx context.Context) error {
	return errors.Join(a.tls.Reload(ctx), a.plane.lists.reload(), a.plane.engine.Reload())
}

// ready tells why the hub does not serve; nil when it does. A load balancer
// that asks takes a stopping hub out while it still answers.
func (a *App) ready(context.Context) error {
	if !a.serving.Load() {
		return tvilling.Errorf(tvilling.Unavailable, "The hub is starting or stopping.")
	}
	return nil
}

// writeFiles leaves in the data directory what clients and the CLI look for.
func (a *App) writeFiles(policies *auth.Policies, sealer *auth.Sealer) error {
	host := a.hostName()
	if owner, ok := policies.Get("iothubowner"); ok {
		keys, err := owner.Keys(sealer)
		if err != nil {
			return err
		}
		text := "HostName=" + host + ";SharedAccessKeyName=" + owner.Name + ";SharedAccessKey=" + keys.Primary + "\n"
		if err := durable.WriteFile(filepath.Join(a.opt.Data, "owner.connection-string"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	b, err := json.Marshal(a.Endpoints())
	if err != nil {
		return fmt.Errorf("encode endpoints: %w", err)
	}
	return durable.WriteFile(filepath.Join(a.opt.Data, "endpoints.json"), append(b, '\n'), 0o600)
}

// hostName is what clients call the hub.
func (a *App) hostName() string {
	if len(a.opt.Hosts) > 0 {
		return a.opt.Hosts[0]
	}
	return "localhost"
}

// Endpoints are where a hub listens, as URLs.
type Endpoints struct {
	MQTT  string   `json:"mqtt"`
	HTTPS []string `json:"https"`
	Admin string   `json:"admin"`
	// Console is where the pages for people are; "" without them.
	Console string `json:"console,omitempty"`
}

// Endpoints returns where the hub listens.
func (a *App) Endpoints() Endpoints {
	e := Endpoints{MQTT: "mqtts://" + local(a.mqtt), Admin: "http://" + local(a.admin)}
	for _, l := range a.https {
		e.HTTPS = append(e.HTTPS, "https://"+local(l))
	}
	if !a.opt.NoConsole && len(e.HTTPS) > 0 {
		e.Console = e.HTTPS[0] + web.Root
	}
	return e
}

// local is an address at which this machine reaches l.
func local(l net.Listener) string {
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return l.Addr().String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
