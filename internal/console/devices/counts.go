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
}

// of counts the devices that a condition finds.
func (k *counts) of(ctx context.Context, c condition, from string) (int64, error) {
	q, err := c.compile(from, "")
	if err != nil {
		return 0, err
	}
	entry := k.entry(from + "\n" + c.text)
	entry.mu.Lock()
	defer entry.mu.Unlock()
	if time.Since(entry.at) < countFor {
		return entry.n, nil
	}
	n, err := k.search.Count(ctx, q)
	if err != nil {
		return 0, err
	}
	entry.n, entry.at = n, time.Now()
	return n, nil
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

// cheap reports whether a query is answered without looking at every device.
func (p *pages) cheap(ctx context.Context, q *query.Query, devices int64) (bool, error) {
	if devices <= fewDevices {
		return true, nil
	}
	e, err := p.Search.Explain(ctx, q, query.Options{}, false)
	if err != nil {
		return false, err
	}
	return e.Plan != search.Scan, nil
}
