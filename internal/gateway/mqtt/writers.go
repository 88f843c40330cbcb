package mqtt

import "sync"

// idleWriters is how many writer goroutines may wait for work. Keeping some
// saves their stacks from growing anew for every packet.
const idleWriters = 32

// writers are goroutines that send what waits in outboxes. There are as many
// as connections that are sending at the moment, and a few that wait.
type writers struct {
	wg    *sync.WaitGroup
	ready chan *conn
	stop  chan struct{}

	mu   sync.Mutex // guards idle
	idle int
}

func newWriters(wg *sync.WaitGroup) *writers {
	return &writers{wg: wg, ready: make(chan *conn), stop: make(chan struct{})}
}

// start has a goroutine flush c. It does not block.
func (w *writers) start(c *conn) {
	select {
	case w.ready <- c:
	default:
		w.wg.Go(func() { w.run(c) })
	}
}

func (w *writers) run(c *conn) {
	for {
		c.flush()
		c = nil // an idle writer keeps no connection alive
		if !w.enter() {
			return
		}
		select {
		case c = <-w.ready:
		case <-w.stop:
		}
		w.leave()
		if c == nil {
			return
		}
	}
}

func (w *writers) enter() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.idle >= idleWriters {
		return false
	}
	w.idle++
	return true
}

func (w *writers) leave() {
	w.mu.Lock()
	w.idle--
	w.mu.Unlock()
}
