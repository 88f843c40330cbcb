package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tvilling/tvilling/bench/load"
)

// The questions that are asked of the fleet, here and of PostgreSQL.
const (
	askCount    = "SELECT COUNT() AS n FROM devices.modules WHERE properties.reported.machine.arch = 'armv7l' AND properties.reported.x > 990"
	askGroup    = "SELECT security.state, COUNT() AS n FROM devices.modules GROUP BY security.state"
	askTwoKeys  = "SELECT security.state, security.configuration, COUNT() AS n FROM devices.modules GROUP BY security.state, security.configuration"
	askPage     = "SELECT * FROM devices.modules WHERE properties.reported.baseline.failed = 29 AND tags.ring = 3"
	askDevices  = "SELECT COUNT() AS n FROM devices WHERE tags.site = 's007' AND properties.reported.battery.level < 20"
	askUnserved = "SELECT COUNT() AS n FROM devices.modules WHERE ENDSWITH(properties.reported.fingerprint, '00ff')"
)

// runFleetQuery asks a hub with a whole fleet what operators ask.
func runFleetQuery(ctx context.Context, b *bench) (err error) {
	data, err := b.fleetData(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	h, err := b.startHub(ctx, data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.stop()) }()
	b.figure(Figure{Metric: "start to ready", Value: ms(time.Since(start)), Unit: "ms", Less: true})
	built, err := h.indexed(ctx, start)
	if err != nil {
		return err
	}
	b.figure(Figure{Metric: "start to index", Value: built.Seconds(), Unit: "s", Reach: 20, Less: true})
	bytes, err := h.metric("tvilling_index_bytes")
	if err != nil {
		return err
	}
	b.figure(Figure{Metric: "index memory", Value: bytes / (1 << 20), Unit: "MiB", Reach: 500, Less: true})
	if err := h.quiet(ctx); err != nil {
		return err
	}
	q, err := newAsker(h)
	if err != nil {
		return err
	}
	for _, ask := range []struct {
		name, text string
		n          int
		goal       Figure
	}{
		{"two predicates, count", askCount, 300, Figure{Reach: 5, Stretch: 2}},
		{"two predicates, count of devices", askDevices, 300, Figure{Reach: 5, Stretch: 2}},
		{"groups by one path", askGroup, 100, Figure{Reach: 50, Stretch: 20}},
		{"groups by two paths", askTwoKeys, 100, Figure{Reach: 50, Stretch: 20}},
		{"first page of 100 twins", askPage, 300, Figure{Reach: 5}},
	} {
		if err := b.ask(ctx, q, ask.name, ask.text, ask.n, ask.goal); err != nil {
			return err
		}
	}
	if err := b.askUnserved(ctx, h, q); err != nil {
		return err
	}
	b.figure(Figure{Metric: "hub rss", Value: mib(resident(h.cmd.Process.Pid)), Unit: "MiB", Reach: 2560, Less: true})
	b.figure(Figure{Metric: "hub peak rss", Value: mib(peak(h.cmd.Process.Pid)), Unit: "MiB", Less: true})
	return nil
}

// ask sends one query again and again and reports how long its first page takes,
// from before it is sent to after its last byte has come.
func (b *bench) ask(ctx context.Context, q *asker, name, text string, n int, goal Figure) error {
	var h load.Histogram
	if page, _, err := q.page(ctx, text, ""); err != nil || len(page) == 0 {
		return fmt.Errorf("%s: %d rows: %w", name, len(page), err)
	}
	bytes := 0
	for i := range n + n/10 {
		start := time.Now()
		page, _, err := q.fetch(ctx, text, "")
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		bytes = len(page)
		if i >= n/10 { // the first ones warm up
			h.Add(time.Since(start))
		}
	}
	b.figure(Figure{Metric: name + ", size", Value: kib(int64(bytes)), Unit: "KiB", Less: true})
	b.figure(Figure{Metric: name + ", p50", Value: ms(h.Quantile(0.5)), Unit: "ms", Less: true})
	goal.Metric, goal.Value, goal.Unit, goal.Less = name+", p99", ms(h.Quantile(0.99)), "ms", true
	b.figure(goal)
	return nil
}

// askUnserved asks what no index serves: alone, and while devices write.
func (b *bench) askUnserved(ctx context.Context, h *hub, q *asker) error {
	best, err := b.fastest(ctx, q, askUnserved)
	if err != nil {
		return err
	}
	b.figure(Figure{Metric: "unindexed predicate, warm, best of 5", Value: best.Seconds(), Unit: "s", Reach: 1.5, Less: true})
	conns, err := b.dialFleet(ctx, h, 100, answersFilter)
	if err != nil {
		return err
	}
	defer load.CloseAll(conns)
	scanning, stop := context.WithCancel(ctx)
	defer stop()
	var asking sync.WaitGroup
	var failed error
	scans := 0
	asking.Go(func() {
		for scanning.Err() == nil {
			if _, err := q.all(scanning, askUnserved); err != nil && scanning.Err() == nil {
				failed = err
				return
			}
			scans++
		}
	})
	r, err := load.Run(ctx, load.Plan{Conns: conns, InFlight: 32, Work: patches, Warm: b.scale.Warm / 2, Measure: b.scale.Measure / 2})
	stop()
	asking.Wait()
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	b.figure(Figure{Metric: "scans while devices write", Value: float64(scans), Unit: ""})
	b.figure(Figure{Metric: "patches meanwhile", Value: r.Rate(), Unit: "/s"})
	b.figure(Figure{Metric: "patches meanwhile, p99", Value: ms(r.Quantile(0.99)), Unit: "ms", Reach: 100, Less: true})
	return nil
}

func (b *bench) fastest(ctx context.Context, q *asker, text string) (best time.Duration, err error) {
	for range 5 {
		start := time.Now()
		if _, err := q.all(ctx, text); err != nil {
			return 0, err
		}
		if took := time.Since(start); best == 0 || took < best {
			best = took
		}
	}
	return best, nil
}

// dialFleet connects n devices spread over the fleet.
func (b *bench) dialFleet(ctx context.Context, h *hub, n int, filters ...string) ([]*load.Conn, error) {
	return b.dialEvery(ctx, h, b.scale.Fleet/n, 0, n, filters...)
}
