package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tvilling/tvilling/bench/load"
)

const answersFilter = "$iothub/twin/res/#"

var (
	patches = &load.Twins{Topic: "$iothub/twin/PATCH/properties/reported/?$rid=", Payload: appendPatch, Status: "204"}
	gets    = &load.Twins{Topic: "$iothub/twin/GET/?$rid=", Status: "200"}
)

// drive runs a plan against a server and reports it.
func (b *bench) drive(ctx context.Context, p *process, plan load.Plan, goal, p99 Figure) error {
	m := p.meter()
	profile := plan.Begin
	plan.Warm, plan.Measure = b.scale.Warm, b.scale.Measure
	plan.Begin = func() {
		m.begin()
		if profile != nil {
			profile()
		}
	}
	plan.End = m.end
	r, err := load.Run(ctx, plan)
	if err != nil {
		return err
	}
	b.measured(r, m, "", goal, p99)
	return nil
}

// driveHub runs a plan against a fresh hub over the filled store.
func (b *bench) driveHub(ctx context.Context, conns int, filters []string, plan load.Plan, goal, p99 Figure) (err error) {
	h, err := b.loadedHub(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.stop()) }()
	if plan.Conns, err = b.dial(ctx, h, conns, filters...); err != nil {
		return err
	}
	defer load.CloseAll(plan.Conns)
	return b.profiled(h, func(begin func()) error {
		plan.Begin = begin
		if err := b.drive(ctx, h.process, plan, goal, p99); err != nil {
			return err
		}
		b.figure(Figure{Metric: "server peak rss", Value: mib(peak(h.cmd.Process.Pid)), Unit: "MiB", Less: true})
		return nil
	})
}

func runPatch(ctx context.Context, b *bench) error {
	return b.driveHub(ctx, b.scale.Connections, []string{answersFilter}, load.Plan{InFlight: inFlight, Work: patches},
		Figure{Reach: 10_000, Stretch: 25_000}, Figure{Reach: 80, Stretch: 20})
}

func runPatchOne(ctx context.Context, b *bench) error {
	return b.driveHub(ctx, 1, []string{answersFilter}, load.Plan{InFlight: 1, Work: patches}, Figure{Reach: 1000}, Figure{})
}

func runGet(ctx context.Context, b *bench) error {
	return b.driveHub(ctx, b.scale.Connections, []string{answersFilter}, load.Plan{InFlight: inFlight, Work: gets},
		Figure{Reach: 25_000, Stretch: 60_000}, Figure{})
}

// telemetry is the load of the telemetry cases. All messages of a connection
// have one topic, so slots and connections must match.
func (b *bench) telemetry() load.Plan {
	n := b.scale.Publishers
	topics := make([][]byte, n)
	for i := range topics {
		topics[i] = []byte("devices/" + string(deviceID(b.spread(i, n))) + "/messages/events/$.ct=application%2Fjson&$.ce=utf-8")
	}
	return load.Plan{
		InFlight: window * n, Sticky: true,
		Work: &load.Telemetry{
			Topic: func(slot int) []byte { return topics[slot%n] },
			Payload: func(dst []byte, pick uint64) []byte {
				const size = 200
				start := len(dst)
				dst = fmt.Appendf(dst, `{"temperature":%d.%03d,"humidity":%d,"pad":"`, pick%40, pick>>8%1000, pick>>20%100)
				for len(dst)-start < size-2 {
					dst = append(dst, 'a'+byte(pick>>(len(dst)%8*8)%26))
				}
				return append(dst, `"}`...)
			},
		},
	}
}

func runTelemetry(ctx context.Context, b *bench) error {
	return b.driveHub(ctx, b.scale.Publishers, nil, b.telemetry(), Figure{Reach: 25_000, Stretch: 80_000}, Figure{})
}

func runStart(ctx context.Context, b *bench) error {
	var times []time.Duration
	for i := range b.scale.Starts {
		start := time.Now()
		h, err := b.startHub(ctx, fmt.Sprintf("%s/start-%d", b.dir, i))
		if err != nil {
			return err
		}
		times = append(times, time.Since(start))
		if err := h.stop(); err != nil {
			return err
		}
	}
	slices.Sort(times)
	b.figure(Figure{Metric: "median", Value: ms(times[len(times)/2]), Unit: "ms", Reach: 300, Less: true})
	b.figure(Figure{Metric: "best", Value: ms(times[0]), Unit: "ms", Less: true})
	b.figure(Figure{Metric: "worst", Value: ms(times[len(times)-1]), Unit: "ms", Less: true})
	return nil
}
