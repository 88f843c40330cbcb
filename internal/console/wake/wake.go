// Package wake tells open pages that something they show has changed. It is
// told of every durable round of the hub's changes and wakes those who show one
// of the devices; what the change was, a page reads for itself.
//
// It keeps no changes and starts nothing: it is a map from devices to those who
// wait.
package wake

import (
	"sync"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// Hub is where pages wait. The zero value is ready to use.
type Hub struct {
	mu      sync.Mutex
	devices map[tvilling.DeviceID]map[*Watch]struct{}
	all     map[*Watch]struct{}
}

// Watch is one page that waits. It is used by one goroutine.
type Watch struct {
	hub *Hub
	ids []tvilling.DeviceID
	// woken has room for one: more changes than one are one reason to look.
	woken chan struct{}
}

// Devices returns a watch that wakes for changes of these devices, of their
// modules, and of who is connected. Whoever opens a watch closes it.
func (h *Hub) Devices(ids ...tvilling.DeviceID) *Watch {
	w := &Watch{hub: h, woken: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	w.add(ids)
	return w
}

// Everything returns a watch that wakes for every change of the hub.
func (h *Hub) Everything() *Watch {
	w := &Watch{hub: h, woken: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all == nil {
		h.all = make(map[*Watch]struct{})
	}
	h.all[w] = struct{}{}
	return w
}

// Recorded is told of the changes of a durable round. It does not block.
func (h *Hub) Recorded(changes []state.Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.all {
		w.wake()
	}
	if len(h.devices) == 0 {
		return
	}
	for i := range changes {
		for w := range h.devices[changes[i].ID.Device] {
			w.wake()
		}
	}
}

// C has a value when something has changed since it was last read.
func (w *Watch) C() <-chan struct{} { return w.woken }

// Watch replaces the devices that wake w, as when a page shows others now.
func (w *Watch) Watch(ids ...tvilling.DeviceID) {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	w.drop()
	w.add(ids)
}

// Close ends the watch.
func (w *Watch) Close() {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	w.drop()
	delete(w.hub.all, w)
}

func (w *Watch) add(ids []tvilling.DeviceID) {
	h := w.hub
	if h.devices == nil {
		h.devices = make(map[tvilling.DeviceID]map[*Watch]struct{})
	}
	for _, id := range ids {
		if h.devices[id] == nil {
			h.devices[id] = make(map[*Watch]struct{})
		}
		h.devices[id][w] = struct{}{}
	}
	w.ids = append([]tvilling.DeviceID(nil), ids...)
}

func (w *Watch) drop() {
	for _, id := range w.ids {
		delete(w.hub.devices[id], w)
		if len(w.hub.devices[id]) == 0 {
			delete(w.hub.devices, id)
		}
	}
	w.ids = nil
}

func (w *Watch) wake() {
	select {
	case w.woken <- struct{}{}:
	default: // it is awake already
	}
}
