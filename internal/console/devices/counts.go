package devices

import (
	"context"
	"sync"
	"time"

	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/search"
)

const (
	// countFor is how long a count is shown again.
	countFor = 5 * time.Second
	// planFor is how long it is taken for known how a query is answered.
	planFor = 30 * time.Second
	// maxCounts is how many conditions have theirs kept.
	maxCounts = 256
)

// counts counts devices by conditions, for all open pages together: each
// condition once in a while, and one at a time.
type counts struct {
	search Search

	mu   sync.Mutex
	kept map[string]*counted
}

type counted struct {
	mu sync.Mutex
	n  int64
	at time.Time
	// scans says that all devices are looked at for it, as of planned.
	scans   bool
	planned time.Time
}

// of counts the devices that a condition finds. It does not count, unless that
// is wanted anyway, where the hub would have to look at each of many devices.
func (k *counts) of(ctx context.Context, c condition, from string, devices int64, anyway bool) (n int64, ok bool, err error) {
	q, err := c.compile(from, "")
	if err != nil {
		return 0, false, err
	}
	if scans, err := k.scans(ctx, c, from, "", devices); err != nil || scans && !anyway {
		return 0, false, err
	}
	entry := k.entry(from + "\n" + c.text)
	entry.mu.Lock()
	defer entry.mu.Unlock()
	if time.Since(entry.at) < countFor {
		return entry.n, true, nil
	}
	if n, err = k.search.Count(ctx, q); err != nil {
		return 0, false, err
	}
	entry.n, entry.at = n, time.Now()
	return n, true, nil
}

// scans reports whether the hub looks at each of many devices to find those of
// a condition in an order.
func (k *counts) scans(ctx context.Context, c condition, from, order string, devices int64) (bool, error) {
	if devices <= fewDevices {
		return false, nil
	}
	q, err := c.compile(from, order)
	if err != nil {
		return false, err
	}
	entry := k.entry(from + "\n" + c.text + "\n" + order)
	entry.mu.Lock()
	defer entry.mu.Unlock()
	if time.Since(entry.planned) < planFor {
		return entry.scans, nil
	}
	e, err := k.search.Explain(ctx, q, query.Options{}, false)
	if err != nil {
		return false, err
	}
	entry.scans, entry.planned = e.Plan == search.Scan, time.Now()
	return entry.scans, nil
}

func (k *counts) entry(key string) *counted {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.kept[key]; e != nil {
		return e
	}
	if len(k.kept) >= maxCounts {
		k.kept = nil // those in use are counted again; that is all
	}
	if k.kept == nil {
		k.kept = make(map[string]*counted)
	}
	e := &counted{}
	k.kept[key] = e
	return e
}
