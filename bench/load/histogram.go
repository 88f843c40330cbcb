package load

import (
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	// subBits says how fine a histogram is: each doubling of a time has
	// 1<<subBits steps, so that a value is off by 3 % at most.
	subBits = 5
	steps   = 1 << subBits
)

// Histogram counts times. Any number of goroutines may add to it at once.
type Histogram struct {
	counts [(64 - subBits + 1) * steps]atomic.Uint32
	total  atomic.Int64
	sum    atomic.Int64
	most   atomic.Int64
}

// Add counts one time.
func (h *Histogram) Add(d time.Duration) {
	v := max(int64(d), 0)
	h.counts[step(uint64(v))].Add(1)
	h.total.Add(1)
	h.sum.Add(v)
	for {
		most := h.most.Load()
		if v <= most || h.most.CompareAndSwap(most, v) {
			return
		}
	}
}

// Count returns how many times were added.
func (h *Histogram) Count() int64 { return h.total.Load() }

// Max returns the longest time.
func (h *Histogram) Max() time.Duration { return time.Duration(h.most.Load()) }

// Mean returns the mean time, 0 without any.
func (h *Histogram) Mean() time.Duration {
	n := h.total.Load()
	if n == 0 {
		return 0
	}
	return time.Duration(h.sum.Load() / n)
}

// Quantile returns the time that a share q of all times, such as 0.99, do not
// exceed; 0 without any.
func (h *Histogram) Quantile(q float64) time.Duration {
	total := h.total.Load()
	if total == 0 {
		return 0
	}
	want := max(int64(q*float64(total)+0.5), 1)
	seen := int64(0)
	for i := range h.counts {
		if seen += int64(h.counts[i].Load()); seen >= want {
			return min(upper(i), h.Max())
		}
	}
	return h.Max()
}

// step is the place of a value: exact below 2*steps, above that the leading
// subBits+1 bits count.
func step(v uint64) int {
	if v < 2*steps {
		return int(v)
	}
	shift := bits.Len64(v) - subBits - 1
	return shift*steps + int(v>>shift)
}

// upper is the largest time of a place.
func upper(i int) time.Duration {
	if i < 2*steps {
		return time.Duration(i)
	}
	shift := i/steps - 1
	lead := uint64(i%steps + steps)
	return time.Duration((lead+1)<<shift - 1)
}
