package collect

import "slices"

// recent is a map of bounded size that forgets what was not used for longest.
// It is not safe for concurrent use.
type recent[K comparable, V any] struct {
	most    int
	clock   uint64
	entries map[K]used[V]
	// size, if set, is how large a value is; all together have at most room.
	size       func(V) int
	room, full int
}

type used[V any] struct {
	value V
	at    uint64
}

func newRecent[K comparable, V any](most int) recent[K, V] {
	return recent[K, V]{most: most, entries: make(map[K]used[V])}
}

func (r *recent[K, V]) get(k K) (V, bool) {
	e, ok := r.entries[k]
	if ok {
		r.clock++
		e.at = r.clock
		r.entries[k] = e
	}
	return e.value, ok
}

func (r *recent[K, V]) put(k K, v V) {
	r.delete(k)
	for len(r.entries) >= r.most || len(r.entries) > 0 && r.full+r.sizeOf(v) > r.room {
		r.forget()
	}
	r.clock++
	r.entries[k] = used[V]{v, r.clock}
	r.full += r.sizeOf(v)
}

func (r *recent[K, V]) delete(k K) {
	if e, ok := r.entries[k]; ok {
		r.full -= r.sizeOf(e.value)
		delete(r.entries, k)
	}
}

func (r *recent[K, V]) sizeOf(v V) int {
	if r.size == nil {
		return 0
	}
	return r.size(v)
}

// forget makes room: an eighth at a time, so that it costs little per entry.
func (r *recent[K, V]) forget() {
	times := make([]uint64, 0, len(r.entries))
	for _, e := range r.entries {
		times = append(times, e.at)
	}
	slices.Sort(times)
	limit := times[len(times)/8]
	for k, e := range r.entries {
		if e.at <= limit {
			r.delete(k)
		}
	}
}
