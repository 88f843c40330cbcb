package index

import "github.com/tvilling/tvilling"

// Split returns up to n-1 devices, ascending, that cut the devices, and their
// modules, into n ranges of about the same size, each from behind one of them
// up to the next. Fewer if there are few.
func (x *Index) Split(n int) []tvilling.Identity {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var cuts []tvilling.Identity
	chunks := x.order.chunks
	last := 0
	for i := 1; i < n; i++ {
		if at := len(chunks) * i / n; at > last {
			cuts = append(cuts, tvilling.Device(tvilling.DeviceID(x.deviceName(chunks[at][0]))))
			last = at
		}
	}
	return cuts
}
