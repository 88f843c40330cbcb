package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/device"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// fleet is a set of simulated devices. Each connects as itself and as its
// security module, reads its twins, takes desired changes and reports them
// back, reports what it measures, and sends telemetry and security messages.
type fleet struct {
	hub      *client.Client
	addr     string
	tls      *tls.Config
	interval time.Duration
	security bool
	// tags, if set, makes tags for a device that was not there before.
	tags func(id tvilling.DeviceID) json.RawMessage

	connected, messages, reports, desired, failures atomic.Int64
	lastError                                       atomic.Pointer[string]
}

// enlisted is one simulated device with its keys.
type enlisted struct {
	id          tvilling.DeviceID
	key, module string
	// orders, if not nil, are messages that its agent is told to send besides.
	orders chan order
}

// order is a security message to be sent at once. Taken is told, once, when the
// hub has it or why it has not; there is room for that.
type order struct {
	body  []byte
	taken chan<- error
}

// enlist registers the devices, or reads the keys of those that are there.
func (f *fleet) enlist(ctx context.Context, ids []string, progress func(n int)) ([]enlisted, error) {
	var list []enlisted
	err := each(ctx, ids, func(id string) (enlisted, error) {
		return f.enlistOne(ctx, tvilling.DeviceID(id))
	}, func(n int, m enlisted) error {
		list = append(list, m)
		progress(n)
		return nil
	})
	return list, err
}

func (f *fleet) enlistOne(ctx context.Context, id tvilling.DeviceID) (enlisted, error) {
	d, err := f.hub.CreateDevice(ctx, client.Device{DeviceID: id})
	if err == nil && f.tags != nil {
		_, err = f.hub.PatchTwin(ctx, tvilling.Device(id), client.TwinPatch{Tags: f.tags(id)}, tvilling.Match{Any: true, Given: true})
	}
	if tvilling.CodeOf(err) == tvilling.DeviceAlreadyExists {
		d, err = f.hub.Device(ctx, id)
	}
	if err != nil {
		return enlisted{}, err
	}
	m := enlisted{id: id, key: d.Authentication.SymmetricKey.Primary}
	if m.key == "" {
		return m, fmt.Errorf("device %s has no symmetric key to connect with", id)
	}
	if !f.security {
		return m, nil
	}
	module, err := f.hub.Module(ctx, tvilling.Identity{Device: id, Module: tvilling.SecurityModule})
	if tvilling.CodeOf(err) == tvilling.ModuleNotFound {
		return m, nil // its owner has deleted it
	}
	if err != nil {
		return m, err
	}
	m.module = module.Authentication.SymmetricKey.Primary
	return m, nil
}

// run keeps the devices connected until ctx ends. They connect spread over an
// interval, so that a large fleet does not come all at once.
func (f *fleet) run(ctx context.Context, members []enlisted) {
	var wg sync.WaitGroup
	for i, m := range members {
		delay := time.Duration(i) * min(f.interval, 30*time.Second) / time.Duration(len(members))
		wg.Go(func() { f.keep(ctx, delay, tvilling.Device(m.id), m.key, nil, f.device) })
		if m.module != "" {
			id := tvilling.Identity{Device: m.id, Module: tvilling.SecurityModule}
			wg.Go(func() { f.keep(ctx, delay, id, m.module, m.orders, f.agent) })
		}
	}
	wg.Wait()
}

// keep keeps one identity connected, with a growing, jittered pause after each
// failure.
func (f *fleet) keep(ctx context.Context, delay time.Duration, id tvilling.Identity, key string, orders <-chan order, live func(context.Context, *device.Client, *shadow) error) {
	pause := time.Second
	for wait(ctx, delay) {
		started := time.Now()
		err := f.connect(ctx, id, key, orders, live)
		if ctx.Err() != nil {
			return
		}
		f.failures.Add(1)
		if err != nil {
			text := id.String() + ": " + describe(err)
			f.lastError.Store(&text)
		}
		if time.Since(started) > time.Minute {
			pause = time.Second
		}
		delay = pause/2 + rand.N(pause) //nolint:gosec // spreads load, guards nothing
		pause = min(2*pause, time.Minute)
	}
}

// wait waits; false when ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// shadow is a simulated identity with what it was told: by its desired
// properties, and to send.
type shadow struct {
	id      tvilling.Identity
	changed chan json.RawMessage
	orders  <-chan order
}

func (f *fleet) connect(ctx context.Context, id tvilling.Identity, key string, orders <-chan order, live func(context.Context, *device.Client, *shadow) error) error {
	s := &shadow{id: id, changed: make(chan json.RawMessage, 16), orders: orders}
	c, err := device.Dial(ctx, device.Options{
		Addr: f.addr, TLS: f.tls, HostName: f.hub.HostName(), ID: id, Key: key,
		ClientType: "tvilling-simulate", KeepAlive: 4 * time.Minute,
		OnDesired: func(_ int64, patch []byte) {
			select {
			case s.changed <- append(json.RawMessage(nil), patch...):
			default: // it reports a later one
			}
		},
	})
	if err != nil {
		return err
	}
	f.connected.Add(1)
	defer f.connected.Add(-1)
	err = live(ctx, c, s)
	return errors.Join(err, c.Close())
}

// device lives as the device itself.
func (f *fleet) device(ctx context.Context, c *device.Client, s *shadow) error {
	if _, err := c.Twin(ctx); err != nil {
		return err
	}
	if err := c.SubscribeDesired(ctx); err != nil {
		return err
	}
	if err := f.report(ctx, c, map[string]any{"firmware": "1.4.2", "model": "simulated"}); err != nil {
		return err
	}
	temperature := 18 + 6*rand.Float64() //nolint:gosec // a measurement
	changed := func(patch json.RawMessage) error { return f.report(ctx, c, patch) }
	return f.live(ctx, c, s, changed, func() error {
		temperature += rand.Float64() - 0.5 //nolint:gosec // a measurement
		rounded := json.Number(fmt.Sprintf("%.2f", temperature))
		if err := f.report(ctx, c, map[string]any{"temperature": rounded}); err != nil {
			return err
		}
		return f.send(ctx, c, map[string]any{"temperature": rounded}, false)
	})
}

// agent lives as the security module: it reports its effective configuration
// and sends security messages.
func (f *fleet) agent(ctx context.Context, c *device.Client, s *shadow) error {
	if err := c.SubscribeDesired(ctx); err != nil {
		return err
	}
	if err := f.reportConfiguration(ctx, c); err != nil {
		return err
	}
	agent := newGUID()
	changed := func(json.RawMessage) error { return f.reportConfiguration(ctx, c) }
	return f.live(ctx, c, s, changed, func() error { return f.send(ctx, c, securityMessage(agent, s.id.Device), true) })
}

// reportConfiguration reports the whole configuration that the agent runs with:
// what is desired, and defaults for the rest.
func (f *fleet) reportConfiguration(ctx context.Context, c *device.Client) error {
	doc, err := c.Twin(ctx)
	if err != nil {
		return err
	}
	var twin struct{ Desired json.RawMessage }
	if err := json.Unmarshal(doc, &twin); err != nil {
		return fmt.Errorf("read the twin: %w", err)
	}
	desired, _ := agentconfig.Reported(twin.Desired)
	whole, _ := agentconfig.Effective(desired)
	return f.report(ctx, c, map[string]json.RawMessage{agentconfig.Object: whole.JSON()})
}

// live does work every interval, the first time after a random part of one,
// and answers changes of what it is told, until ctx or the connection ends.
func (f *fleet) live(ctx context.Context, c *device.Client, s *shadow, changed func(patch json.RawMessage) error, work func() error) error {
	next := time.NewTimer(rand.N(f.interval)) //nolint:gosec // spreads load, guards nothing
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.Done():
			return c.Err()
		case patch := <-s.changed:
			f.desired.Add(1)
			if err := changed(patch); err != nil && tvilling.CodeOf(err) != tvilling.InvalidArgument {
				return err
			}
		case o := <-s.orders:
			err := c.Send(ctx, securityEnvelope(o.body))
			if o.taken <- err; err != nil {
				return err
			}
			f.messages.Add(1)
		case <-next.C:
			if err := work(); err != nil {
				return err
			}
			next.Reset(f.interval)
		}
	}
}

func (f *fleet) report(ctx context.Context, c *device.Client, patch any) error {
	b, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	if _, err := c.Report(ctx, b); err != nil {
		return err
	}
	f.reports.Add(1)
	return nil
}

func (f *fleet) send(ctx context.Context, c *device.Client, body any, security bool) error {
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	m := envelope(b)
	if security {
		m = securityEnvelope(b)
	}
	if err := c.Send(ctx, m); err != nil {
		return err
	}
	f.messages.Add(1)
	return nil
}

// envelope is a message with a body of JSON.
func envelope(body []byte) *tvilling.Message {
	return &tvilling.Message{Body: body, System: []tvilling.Property{
		{Name: "content-type", Value: "application/json"}, {Name: "content-encoding", Value: "utf-8"},
	}}
}

// securityEnvelope is a security message.
func securityEnvelope(body []byte) *tvilling.Message {
	m := envelope(body)
	m.System = append(m.System, tvilling.Property{Name: "iothub-interface-id", Value: tvilling.SecurityInterface})
	return m
}
