package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tvilling/tvilling/internal/store/eventdb"
)

// backlogged is what working through a message of every device has left.
type backlogged struct {
	heapBefore, heapAfter int64 // of the hub with its default cache
	events, bytes         int64 // in the event store
	sent                  int64 // bytes of the messages
	err                   error // why there is nothing of this
}

// backlogOnce has a hub work through a message of every device, once for all
// cases that need it.
func (b *bench) backlogOnce(ctx context.Context) error {
	if b.backlogged == nil {
		b.backlogged = &backlogged{}
		b.backlogged.err = b.workBacklog(ctx, b.backlogged)
	}
	return b.backlogged.err
}

func (b *bench) workBacklog(ctx context.Context, r *backlogged) error {
	h, err := b.loadedHub(ctx) // fills the store
	if err != nil {
		return err
	}
	data := h.data
	r.heapBefore, _, err = h.memory(ctx)
	if err = errors.Join(err, h.stop()); err != nil {
		return err
	}
	if r.sent, err = b.backlog(ctx, data, sampleBody(1)); err != nil {
		return fmt.Errorf("append the backlog: %w", err)
	}
	if h, err = b.startHub(ctx, data); err != nil {
		return err
	}
	err = b.profiled(h, func(begin func()) error { return b.drain(ctx, h, begin) })
	if err == nil {
		r.heapAfter, _, err = h.memory(ctx)
	}
	if err = errors.Join(err, h.stop()); err != nil {
		return err
	}
	if r.events, r.bytes, err = storedEvents(ctx, data); err != nil {
		return err
	}
	if want := int64(b.scale.Devices) * perMessage; r.events != want {
		return fmt.Errorf("%d events are stored, want %d", r.events, want)
	}
	return nil
}

// drain measures a hub that works through what it has.
func (b *bench) drain(ctx context.Context, h *hub, begin func()) error {
	m := h.meter()
	before, err := h.metric("tvilling_events_total")
	if err != nil {
		return err
	}
	start := time.Now()
	m.begin()
	begin()
	end, err := h.drained(ctx, 15*time.Minute)
	if err != nil {
		return err
	}
	m.end()
	after, err := h.metric("tvilling_events_total")
	if err != nil {
		return err
	}
	n := after - before
	b.figure(Figure{Metric: "throughput", Value: n / end.Sub(start).Seconds(), Unit: "events/s", Reach: 20_000, Stretch: 50_000})
	b.figure(Figure{Metric: "events", Value: n, Unit: ""})
	b.figure(Figure{Metric: "server cpu", Value: us(m.cpu) / n, Unit: "µs/event", Less: true})
	b.figure(Figure{Metric: "server peak rss", Value: mib(peak(h.cmd.Process.Pid)), Unit: "MiB", Less: true})
	b.figure(Figure{Metric: "processors busy for others", Value: 100 * m.others, Unit: "%", Less: true})
	for _, c := range []struct{ metric, name string }{{"findings", "tvilling_findings_total"}, {"postures written", "tvilling_posture_written_total"}} {
		v, _, err := h.metricSum(c.name)
		if err != nil {
			return err
		}
		b.figure(Figure{Metric: c.metric, Value: v, Unit: ""})
	}
	return nil
}

// memory returns the live heap and the resident memory of a hub after it has
// collected its garbage.
func (h *hub) memory(ctx context.Context) (heap, rss int64, err error) {
	if err := h.quiet(ctx); err != nil {
		return 0, 0, err
	}
	rss, err = settle(ctx, h.cmd.Process.Pid, func() error { _, err := h.debug("heap?gc=1"); return err })
	if err != nil {
		return 0, 0, err
	}
	if _, err := h.debug("heap?gc=1"); err != nil {
		return 0, 0, err
	}
	v, err := h.metric("go_memstats_heap_alloc_bytes")
	return int64(v), rss, err
}

// storedEvents counts what the event store of a hub that is down has on disk.
func storedEvents(ctx context.Context, data string) (events, bytes int64, err error) {
	dir := filepath.Join(data, "events")
	db, err := eventdb.Open(ctx, eventdb.Options{Dir: dir})
	if err != nil {
		return 0, 0, err
	}
	events = db.Stats().Stored
	if err := db.Close(); err != nil {
		return 0, 0, err
	}
	bytes, err = sizeOf(dir)
	return events, bytes, err
}

// sizeOf adds up all files of a directory.
func sizeOf(dir string) (n int64, err error) {
	list, err := os.ReadDir(dir)
	for _, e := range list {
		info, err := e.Info()
		if err != nil {
			return 0, err
		}
		n += info.Size()
	}
	return n, err
}

func runSecurityPipeline(ctx context.Context, b *bench) error { return b.backlogOnce(ctx) }

func runSecurityDisk(ctx context.Context, b *bench) error {
	if err := b.backlogOnce(ctx); err != nil {
		return err
	}
	r := b.backlogged
	b.figure(Figure{Metric: "disk each", Value: float64(r.bytes) / float64(r.events), Unit: "B/event", Reach: 200, Less: true})
	b.figure(Figure{Metric: "sent each", Value: float64(r.sent) / float64(r.events), Unit: "B/event", Less: true})
	b.figure(Figure{Metric: "events", Value: float64(r.events), Unit: ""})
	return nil
}

// runSecurityMemory has every device send all that it is remembered by, and
// looks at the memory of the hub before and after. The hub's cache of twins and
// identities, which is as large as an operator says, is made small for it: what
// is left is what the security plane itself keeps.
func runSecurityMemory(ctx context.Context, b *bench) (err error) {
	if err := b.backlogOnce(ctx); err != nil {
		return err
	}
	data, config := filepath.Join(b.dir, "data"), filepath.Join(b.dir, "memory.toml")
	if err := os.WriteFile(config, []byte("cache = \"1MiB\"\n"), 0o600); err != nil {
		return err
	}
	h, err := b.startHub(ctx, data, "--config", config)
	if err != nil {
		return err
	}
	heapBefore, rssBefore, err := h.memory(ctx)
	if err = errors.Join(err, h.stop()); err != nil {
		return err
	}
	if _, err := b.backlog(ctx, data, stateMessage); err != nil {
		return fmt.Errorf("append the backlog: %w", err)
	}
	if h, err = b.startHub(ctx, data, "--config", config); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.stop()) }()
	if _, err := h.drained(ctx, 15*time.Minute); err != nil {
		return err
	}
	heap, rss, err := h.memory(ctx)
	if err != nil {
		return err
	}
	if b.profile != "" {
		if err := b.saveProfile(h, "heap", "heap"); err != nil {
			return err
		}
	}
	r, n := b.backlogged, float64(b.scale.Devices)
	b.figure(Figure{Metric: "heap each", Value: float64(heap-heapBefore) / n, Unit: "B/device", Reach: 800, Less: true})
	b.figure(Figure{Metric: "rss each", Value: float64(rss-rssBefore) / n, Unit: "B/device", Less: true})
	b.figure(Figure{Metric: "heap before", Value: mib(heapBefore), Unit: "MiB", Less: true})
	b.figure(Figure{Metric: "heap with all", Value: mib(heap), Unit: "MiB", Less: true})
	b.figure(Figure{Metric: "heap with the default cache, empty", Value: mib(r.heapBefore), Unit: "MiB", Less: true})
	b.figure(Figure{Metric: "heap with the default cache, after the pipeline case", Value: mib(r.heapAfter), Unit: "MiB", Less: true})
	b.figure(Figure{Metric: "devices", Value: n, Unit: ""})
	return nil
}
