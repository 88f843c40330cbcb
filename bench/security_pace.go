package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/tvilling/tvilling/bench/load"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/store/securitydb"
)

// attackEvery says that one message of so many has an attack in it.
const attackEvery = 10

// paced is one run of security messages over MQTT with a webhook to tell.
type paced struct {
	run    int
	rate   int // events a second
	during time.Duration
	// patience is how long after the end the hub may take for the rest.
	patience time.Duration
}

// pacedResult is what a run has shown.
type pacedResult struct {
	*load.PaceResult
	receiver *receiver
	messages int
	// looked is when, after the last message was due, the hub had looked at
	// all of them, and told when the webhook had been told of everything.
	looked, told time.Duration
}

// runPaced sends messages at a rate and waits until everything that follows
// from them has come out. It fails if anything is missing or comes double.
func (b *bench) runPaced(ctx context.Context, o paced) (res *pacedResult, err error) {
	if err := b.backlogOnce(ctx); err != nil {
		return nil, err
	}
	data := filepath.Join(b.dir, "data")
	before, _, err := storedEvents(ctx, data)
	if err != nil {
		return nil, err
	}
	r, err := b.newReceiver(o.run)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	messages, err := b.prepare(o)
	if err != nil {
		return nil, err
	}
	h, err := b.startHub(ctx, data, "--config", r.config)
	if err != nil {
		return nil, err
	}
	if res, err = b.drivePaced(ctx, h, o, r, messages); err != nil {
		return nil, errors.Join(err, h.stop())
	}
	if err := h.stop(); err != nil {
		return nil, err
	}
	after, _, err := storedEvents(ctx, data)
	if err != nil {
		return nil, err
	}
	if got, want := after-before, int64(len(messages))*perMessage; got != want {
		return nil, fmt.Errorf("%d events were stored, want %d", got, want)
	}
	alerts, err := countAlerts(ctx, data, o.run)
	if err == nil && alerts != r.sent {
		err = fmt.Errorf("%d alerts were raised, want %d", alerts, r.sent)
	}
	return res, err
}

// prepare makes the messages of a run beforehand: making them takes more
// processor time than sending them.
func (b *bench) prepare(o paced) ([][]byte, error) {
	body := sampleBody(uint64(100 + o.run)) //nolint:gosec // small
	list := make([][]byte, int(o.during.Seconds()*float64(o.rate)/perMessage))
	now := time.Now()
	for i := range list {
		list[i] = body(b.spread(i%b.scale.Agents, b.scale.Agents), now)
		if i%attackEvery != 0 {
			continue
		}
		var err error
		if list[i], err = withAttack(list[i], attackPath(o.run, i), now); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (b *bench) drivePaced(ctx context.Context, h *hub, o paced, r *receiver, messages [][]byte) (*pacedResult, error) {
	conns, err := b.dialSecurity(ctx, h, b.scale.Agents)
	if err != nil {
		return nil, err
	}
	defer load.CloseAll(conns)
	if err := h.quiet(ctx); err != nil {
		return nil, err
	}
	topics := make([][]byte, len(conns))
	for i := range topics {
		topics[i] = securityTopic(deviceID(b.spread(i, len(conns))))
	}
	every := time.Duration(float64(time.Second) * perMessage / float64(o.rate))
	m := h.meter()
	res := &pacedResult{receiver: r, messages: len(messages)}
	err = b.profiled(h, func(begin func()) error {
		m.begin()
		begin()
		start := time.Now()
		res.PaceResult, err = load.RunPace(ctx, load.Pace{
			Conns: conns, Count: len(messages), Every: every, Patience: o.patience,
			Message: func(i int) (topic, payload []byte) { return topics[i%len(topics)], messages[i] },
			Due: func(i int, at time.Time) {
				if i%attackEvery == 0 {
					r.expect(i, at)
				}
			},
		})
		if err != nil {
			return err
		}
		last := start.Add(time.Duration(len(messages)) * every)
		at, err := h.drained(ctx, o.patience)
		if err != nil {
			return err
		}
		res.looked = at.Sub(last)
		if err := r.wait(ctx, o.patience); err != nil {
			return err
		}
		res.told = time.Since(last)
		m.end()
		return nil
	})
	if err != nil {
		return nil, err
	}
	n := float64(len(messages) * perMessage)
	b.figure(Figure{Metric: "sent", Value: n / res.Took.Seconds(), Unit: "events/s"})
	b.figure(Figure{Metric: "server cpu", Value: us(m.cpu) / n, Unit: "µs/event", Less: true})
	b.figure(Figure{Metric: "generator cpu", Value: us(m.generator) / n, Unit: "µs/event", Less: true})
	b.figure(Figure{Metric: "server peak rss", Value: mib(peak(h.cmd.Process.Pid)), Unit: "MiB", Less: true})
	b.figure(Figure{Metric: "processors busy for others", Value: 100 * m.others, Unit: "%", Less: true})
	return res, nil
}

// countAlerts counts the alerts of a run's attacks in a hub that is down.
func countAlerts(ctx context.Context, data string, run int) (n int, err error) {
	s, err := securitydb.Open(ctx, securitydb.Options{Dir: data})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	prefix := fmt.Sprintf("/tmp/bench-%d-", run)
	for a, err := range s.Alerts(ctx, ledger.AlertFilter{Type: "IoT_CryptoMiner"}, "") {
		if err != nil {
			return 0, err
		}
		if len(a.Cause) > len(prefix) && a.Cause[:len(prefix)] == prefix {
			n++
		}
	}
	return n, nil
}

func runSecurityLatency(ctx context.Context, b *bench) error {
	res, err := b.runPaced(ctx, paced{run: 1, rate: 5000, during: b.scale.Latency, patience: time.Minute})
	if err != nil {
		return err
	}
	t := &res.receiver.times
	b.figure(Figure{Metric: "p50", Value: ms(t.Quantile(0.5)), Unit: "ms", Reach: 150, Less: true})
	b.figure(Figure{Metric: "p99", Value: ms(t.Quantile(0.99)), Unit: "ms", Reach: 1000, Less: true})
	b.figure(Figure{Metric: "max", Value: ms(t.Max()), Unit: "ms", Less: true})
	b.figure(Figure{Metric: "alerts", Value: float64(t.Count()), Unit: ""})
	b.figure(Figure{Metric: "other entries told", Value: float64(res.receiver.other), Unit: ""})
	b.figure(Figure{Metric: "acknowledged p50", Value: ms(res.Acks.Quantile(0.5)), Unit: "ms", Less: true})
	b.figure(Figure{Metric: "acknowledged p99", Value: ms(res.Acks.Quantile(0.99)), Unit: "ms", Less: true})
	b.figure(Figure{Metric: "generator late p99", Value: ms(res.Late.Quantile(0.99)), Unit: "ms", Less: true})
	return nil
}

func runSecurityBurst(ctx context.Context, b *bench) error {
	res, err := b.runPaced(ctx, paced{run: 2, rate: 25_000, during: b.scale.Burst, patience: 10 * time.Minute})
	if err != nil {
		return err
	}
	// runPaced has counted what is stored and what was told.
	b.figure(Figure{Metric: "events", Value: float64(res.messages * perMessage), Unit: ""})
	b.figure(Figure{Metric: "alerts", Value: float64(res.receiver.sent), Unit: ""})
	b.figure(Figure{Metric: "alerts told more than once", Value: float64(res.receiver.again), Unit: "", Less: true})
	b.figure(Figure{Metric: "looked at after the end", Value: max(res.looked.Seconds(), 0), Unit: "s", Reach: 60, Less: true})
	b.figure(Figure{Metric: "told after the end", Value: max(res.told.Seconds(), 0), Unit: "s", Reach: 60, Less: true})
	b.figure(Figure{Metric: "acknowledged p50", Value: ms(res.Acks.Quantile(0.5)), Unit: "ms", Less: true})
	b.figure(Figure{Metric: "acknowledged p99", Value: ms(res.Acks.Quantile(0.99)), Unit: "ms", Less: true})
	b.figure(Figure{Metric: "generator late p99", Value: ms(res.Late.Quantile(0.99)), Unit: "ms", Less: true})
	b.figure(Figure{Metric: "told p50", Value: ms(res.receiver.times.Quantile(0.5)), Unit: "ms", Less: true})
	return nil
}
