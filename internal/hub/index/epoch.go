package index

import "sync"

// epochs tells whether every query is over that was under way at some moment.
type epochs struct {
	mu     sync.Mutex
	moment uint64
	active map[uint64]struct{} // the moments at which the queries under way began
}

// begin notes a query; its end must be told.
func (e *epochs) begin() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.moment++
	if e.active == nil {
		e.active = make(map[uint64]struct{})
	}
	e.active[e.moment] = struct{}{}
	return e.moment
}

func (e *epochs) end(moment uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.active, moment)
}

// now returns a moment for over.
func (e *epochs) now() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.moment
}

// over reports whether no query that had begun at a moment is still under way.
func (e *epochs) over(moment uint64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for m := range e.active {
		if m <= moment {
			return false
		}
	}
	return true
}
