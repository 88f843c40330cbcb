package collect

import "slices"

// recent is a map of bounded size that forgets what was not used for longest.
// It is not safe for concurrent use.
type recent[K comparable, V any] struct {
	most    int
	clock   uint64
	entries map[K]used[V]
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
	if _, ok := r.entries[k]; !ok && len(r.entries) >= r.most {
		r.forget()
	}
	r.clock++
	r.entries[k] = used[V]{v, r.clock}
}

func (r *recent[K, V]) delete(k K) { delete(r.entries, k) }

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
			delete(r.entries, k)
		}
	}
}
