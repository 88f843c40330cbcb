package detect

import "sync"

// counters count findings by detection.
type counters struct {
	mu sync.Mutex
	by map[string]int64
}

func (c *counters) add(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = make(map[string]int64)
	}
	c.by[id]++
}

// Hits calls f for every detection that has found something since the start.
func (e *Engine) Hits(f func(id string, findings int64)) {
	e.hits.mu.Lock()
	defer e.hits.mu.Unlock()
	for id, n := range e.hits.by {
		f(id, n)
	}
}
