package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"syscall"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/bench/load"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
	"github.com/tvilling/tvilling/internal/security/event"
)

// How often things happen in a day, by the agent's defaults.
const (
	dayPings      = 86400.0 / 1177 // if nothing else is said
	dayResumes    = 24.0 / 36      // new tokens, at the soonest
	daySnapshots  = 24.0 / 13
	dayHeartbeats = 24.0 / 6
)

// runAgentUplink measures each of the pieces that a day at rest consists of, and
// adds them up.
func runAgentUplink(ctx context.Context, b *bench) error {
	first, resumed, err := b.connects(ctx)
	if err != nil {
		return fmt.Errorf("measure connections: %w", err)
	}
	heartbeat, ping, err := b.signsOfLife(ctx)
	if err != nil {
		return fmt.Errorf("measure signs of life: %w", err)
	}
	round, err := b.snapshotRound(ctx)
	if err != nil {
		return fmt.Errorf("measure snapshots: %w", err)
	}
	var day traffic
	piece := func(name string, t traffic, times float64) {
		b.figure(Figure{Metric: name + ": up", Value: float64(t.up), Unit: "B", Less: true})
		b.figure(Figure{Metric: name + ": down", Value: float64(t.down), Unit: "B", Less: true})
		if times > 0 {
			b.figure(Figure{Metric: name + ": up in a day", Value: times * float64(t.up) / 1e3, Unit: "KB", Less: true})
		}
		day.up += int64(times * float64(t.up))
		day.down += int64(times * float64(t.down))
	}
	piece("start, first snapshots included", first, 0)
	piece("connection made anew", resumed, dayResumes)
	piece("keep-alive", ping, dayPings)
	piece("heartbeat", heartbeat, dayHeartbeats)
	piece("all snapshots", round, daySnapshots)
	b.figure(Figure{Metric: "up in a day", Value: float64(day.up) / 1e3, Unit: "KB", Reach: 50, Less: true})
	b.figure(Figure{Metric: "down in a day", Value: float64(day.down) / 1e3, Unit: "KB", Less: true})
	return nil
}

// connects measures the first connection of an agent with its defaults, the
// first snapshots and reported properties included, and one that is made anew.
func (b *bench) connects(ctx context.Context) (first, resumed traffic, err error) {
	r, err := b.startAgent(ctx, agentOptions{})
	if err != nil {
		return first, resumed, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := errors.Join(r.settled(ctx), r.still(ctx, 3*time.Second)); err != nil {
		return first, resumed, err
	}
	first = r.proxy.bytes()
	r.proxy.cut()
	err = r.until(ctx, "the agent has connected anew", 30*time.Second, func() (bool, error) {
		st, err := r.status(ctx)
		return r.proxy.accepted.Load() > 1 && st.Connected, err
	})
	err = errors.Join(err, r.still(ctx, 3*time.Second))
	return first, r.proxy.bytes().minus(first), err
}

// nothingTriggered switches off all that happens by itself, more puts other
// values beside.
func nothingTriggered(more map[string]any) map[string]any {
	asc := map[string]any{"lowPriorityMessageFrequency": "PT5S", "highPriorityMessageFrequency": "PT3S"}
	for _, k := range []event.Kind{event.ProcessCreateKind, event.ProcessTerminateKind, event.ConnectionCreateKind, event.LoginKind, event.DiagnosticKind} {
		asc[agentconfig.PriorityOf(k)] = agentconfig.Off
	}
	maps.Copy(asc, more)
	return asc
}

// signsOfLife measures a heartbeat in a message of its own, and a keep-alive.
func (b *bench) signsOfLife(ctx context.Context) (heartbeat, ping traffic, err error) {
	off := map[string]any{}
	for k := range event.Kinds {
		if name := agentconfig.PriorityOf(k); name != "" {
			off[name] = agentconfig.Off
		}
	}
	r, err := b.startAgent(ctx, agentOptions{asc: nothingTriggered(off), own: map[string]any{"heartbeatFrequency": "PT1M"}})
	if err != nil {
		return heartbeat, ping, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := errors.Join(r.heartbeats(ctx, 1), r.still(ctx, 3*time.Second)); err != nil {
		return heartbeat, ping, err
	}
	before := r.proxy.bytes()
	if err := errors.Join(r.heartbeats(ctx, 2), r.still(ctx, 3*time.Second)); err != nil {
		return heartbeat, ping, err
	}
	heartbeat = r.proxy.bytes().minus(before)
	ping, err = r.pings(ctx)
	return heartbeat, ping, err
}

// heartbeats waits until the hub has so many heartbeats.
func (r *agentRun) heartbeats(ctx context.Context, want int) error {
	return r.until(ctx, fmt.Sprintf("%d heartbeats are told", want), 3*time.Minute, func() (bool, error) {
		n := 0
		for _, err := range r.owner.Events(ctx, client.EventFilter{Device: agentDevice, Names: []string{event.HeartbeatKind.String()}}, client.Paging{}, false) {
			if err != nil {
				return false, err
			}
			n++
		}
		return n >= want, nil
	})
}

// pings starts the agent anew with a keep-alive that is short, so that there are
// some to measure, and returns the mean of them.
func (r *agentRun) pings(ctx context.Context) (t traffic, err error) {
	if err := r.agent.stop(syscall.SIGTERM); err != nil {
		return t, err
	}
	if err := r.desire(ctx, nil, map[string]any{"heartbeatFrequency": "PT0S"}); err != nil {
		return t, err
	}
	if err := r.configure("keep-alive = \"2s\"\n"); err != nil {
		return t, err
	}
	if err := errors.Join(r.run(ctx), sleep(ctx, 5*time.Second)); err != nil {
		return t, err
	}
	before, said := r.proxy.bytes(), r.proxy.said.Load()
	if err := sleep(ctx, 21*time.Second); err != nil {
		return t, err
	}
	n := r.proxy.said.Load() - said
	if n < 5 || n > 12 {
		return t, fmt.Errorf("in 21 s the agent spoke %d times, and not with a keep-alive each 2 s", n)
	}
	t = r.proxy.bytes().minus(before)
	return traffic{t.up / n, t.down / n}, nil
}

// snapshotRound measures what all snapshots send, the reported use of the
// budget included: the mean of some rounds in a row.
func (b *bench) snapshotRound(ctx context.Context) (t traffic, err error) {
	const every, rounds = 20 * time.Second, 3
	r, err := b.startAgent(ctx, agentOptions{asc: nothingTriggered(map[string]any{"snapshotFrequency": "PT20S"}), own: map[string]any{"heartbeatFrequency": "PT0S"}})
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	// After five seconds of silence the round is over, and the next is not due.
	if err := errors.Join(r.settled(ctx), r.still(ctx, 6*time.Second)); err != nil {
		return t, err
	}
	before := r.proxy.bytes()
	if err := sleep(ctx, rounds*every); err != nil {
		return t, err
	}
	t = r.proxy.bytes().minus(before)
	return traffic{t.up / rounds, t.down / rounds}, nil
}

// runAgentSetting changes a setting of one device, while an application of the
// same device is connected, too.
func runAgentSetting(ctx context.Context, b *bench) (err error) {
	r, err := b.startAgent(ctx, agentOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	other, app, err := r.application(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, app.Close(), other.close()) }()
	if err := errors.Join(r.settled(ctx), r.still(ctx, 3*time.Second)); err != nil {
		return err
	}
	apps := other.bytes()
	var most, soon traffic
	for percent := 6; percent < 11; percent++ {
		at, all, err := r.change(ctx, percent)
		if err != nil {
			return err
		}
		soon = traffic{max(soon.up, at.up), max(soon.down, at.down)}
		most = traffic{max(most.up, all.up), max(most.down, all.down)}
	}
	untouched := other.bytes().minus(apps)
	if err := r.answers(ctx, other, app); err != nil {
		return err
	}
	b.figure(Figure{Metric: "down until in force, most of five changes", Value: float64(soon.down), Unit: "B", Less: true})
	b.figure(Figure{Metric: "down in all, most of five changes", Value: float64(most.down), Unit: "B", Reach: 300, Less: true})
	b.figure(Figure{Metric: "up in all, most of five changes", Value: float64(most.up), Unit: "B", Reach: 2000, Less: true})
	b.figure(Figure{Metric: "over the application's connection", Value: float64(untouched.up + untouched.down), Unit: "B", Less: true})
	b.figure(Figure{Metric: "connections that the application made", Value: float64(other.accepted.Load()), Reach: 1, Less: true})
	return nil
}

// change changes a setting. It returns what has passed until that was in force,
// and in all, when nothing more came.
func (r *agentRun) change(ctx context.Context, percent int) (soon, all traffic, err error) {
	before := r.proxy.bytes()
	was, err := r.status(ctx)
	if err != nil {
		return soon, all, err
	}
	if err := r.desire(ctx, nil, map[string]any{"cpuLimitInPercent": percent}); err != nil {
		return soon, all, err
	}
	err = r.until(ctx, "the changed setting is in force", 30*time.Second, func() (bool, error) {
		st, err := r.status(ctx)
		return st.Configuration.Version > was.Configuration.Version, err
	})
	soon = r.proxy.bytes().minus(before)
	err = errors.Join(err, r.still(ctx, 3*time.Second))
	return soon, r.proxy.bytes().minus(before), err
}

// application connects as the device itself, through a proxy of its own, and
// follows its twin.
func (r *agentRun) application(ctx context.Context) (*proxy, *load.Conn, error) {
	d, err := r.owner.Device(ctx, agentDevice)
	if err != nil {
		return nil, nil, err
	}
	conf, err := trust(r.hub.data)
	if err != nil {
		return nil, nil, err
	}
	id := tvilling.Device(agentDevice).String()
	token, err := auth.Sign("localhost/devices/"+id, d.Authentication.SymmetricKey.Primary, "", time.Now().Add(time.Hour))
	if err != nil {
		return nil, nil, err
	}
	p, err := newProxy(r.hub.mqtt)
	if err != nil {
		return nil, nil, err
	}
	c, err := load.Dial(ctx, load.DialOptions{
		Addr: p.addr().String(), TLS: conf, ClientID: id, Username: "localhost/" + id + "/?api-version=2021-04-12", Password: token,
		Filters: []string{"$iothub/twin/PATCH/properties/desired/#"},
	})
	if err != nil {
		return nil, nil, errors.Join(err, p.close())
	}
	return p, c, nil
}

// answers checks that the hub still answers over a connection.
func (r *agentRun) answers(ctx context.Context, p *proxy, c *load.Conn) error {
	before := p.bytes()
	if err := c.Send([]byte{0xc0, 0}); err != nil { // PINGREQ
		return fmt.Errorf("the application's connection: %w", err)
	}
	return r.until(ctx, "the application's connection is answered", 10*time.Second, func() (bool, error) {
		return p.bytes().down > before.down, nil
	})
}
