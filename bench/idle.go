package main

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling/bench/load"
)

const desiredFilter = "$iothub/twin/PATCH/properties/desired/#"

// memory is what connections cost a server.
type memory struct{ before, after, peak int64 }

func (b *bench) reportMemory(m memory, goal Figure) {
	n := int64(b.scale.Idle)
	goal.Metric, goal.Value, goal.Unit, goal.Less = "rss each", kib(m.after-m.before)/float64(n), "KiB", true
	b.figure(goal)
	b.figure(Figure{Metric: "peak rss each", Value: kib(m.peak-m.before) / float64(n), Unit: "KiB", Less: true})
	b.figure(Figure{Metric: "rss before", Value: mib(m.before), Unit: "MiB", Less: true})
	b.figure(Figure{Metric: "rss with all", Value: mib(m.after), Unit: "MiB", Less: true})
	b.figure(Figure{Metric: "connections", Value: float64(n), Unit: ""})
}

func runIdle(ctx context.Context, b *bench) (err error) {
	h, err := b.loadedHub(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.stop()) }()
	pid := h.cmd.Process.Pid
	collect := func() error { _, err := h.debug("heap?gc=1"); return err }
	var m memory
	if m.before, err = settle(ctx, pid, collect); err != nil {
		return err
	}
	// The second half finds the hub's bounded caches full.
	half := b.scale.Idle / 2
	var between int64
	var took time.Duration
	for from := 0; from < b.scale.Idle; from += half {
		start := time.Now()
		conns, err := b.dialSome(ctx, h, from, half, b.scale.Idle, desiredFilter)
		if err != nil {
			return err
		}
		defer load.CloseAll(conns)
		took += time.Since(start)
		between = m.after
		if m.after, err = settle(ctx, pid, collect); err != nil {
			return err
		}
	}
	b.figure(Figure{Metric: "connects", Value: float64(2*half) / took.Seconds(), Unit: "/s"})
	b.figure(Figure{Metric: "rss each of the second half", Value: kib(m.after-between) / float64(half), Unit: "KiB", Less: true})
	m.peak = peak(pid)
	if err := b.reportRuntime(h); err != nil {
		return err
	}
	if b.profile != "" {
		for _, kind := range []string{"heap", "goroutine"} {
			if err := b.saveProfile(h, kind, kind); err != nil {
				return err
			}
		}
	}
	b.reportMemory(m, Figure{Reach: 20, Stretch: 14})
	return nil
}

// reportRuntime says what the memory of a hub is for, as its runtime sees it.
func (b *bench) reportRuntime(h *hub) error {
	text, err := h.get("metrics")
	if err != nil {
		return err
	}
	for _, c := range []struct{ metric, name string }{
		{"heap in use each", "go_memstats_heap_alloc_bytes"},
		{"heap spans in use each", "go_memstats_heap_inuse_bytes"},
		{"stacks each", "go_memstats_stack_inuse_bytes"},
	} {
		for line := range strings.Lines(string(text)) {
			rest, ok := strings.CutPrefix(line, c.name+" ")
			if !ok {
				continue
			}
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				return err
			}
			b.figure(Figure{Metric: c.metric, Value: v / 1024 / float64(b.scale.Idle), Unit: "KiB", Less: true})
		}
	}
	return nil
}

// settle has a process collect its garbage until it gives no more memory back,
// and returns the memory it then holds. A Go process gives back what it freed
// in the background, some seconds after two collections.
func settle(ctx context.Context, pid int, collect func() error) (int64, error) {
	const enough = 5 // looks without a change
	last, same := int64(0), 0
	for range 40 {
		if same <= 1 {
			if err := collect(); err != nil {
				return 0, err
			}
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
		now := procValue(pid, "status", "VmRSS:")
		if now < last-last/200 || last == 0 {
			last, same = now, 0
			continue
		}
		if same++; same == enough {
			return now, nil
		}
	}
	return last, nil
}
