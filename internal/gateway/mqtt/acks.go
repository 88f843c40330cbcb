package mqtt

import "github.com/tvilling/tvilling/internal/gateway/mqtt/packet"

// acks sends PUBACKs in the order of their PUBLISH packets [MQTT-4.6.0-2],
// though what they acknowledge completes in any order. It has no bound of its
// own; whoever adds to it bounds what is in flight.
type acks struct {
	base  uint64 // number of slots[head]
	head  int
	slots []slot
}

type slot struct {
	id   uint16
	done bool
}

// add opens a slot for a PUBLISH and returns its number.
func (a *acks) add(id uint16) uint64 {
	a.slots = append(a.slots, slot{id: id})
	return a.base + uint64(len(a.slots)-a.head-1)
}

// complete marks a slot as done. Completing one twice does nothing.
func (a *acks) complete(n uint64) {
	if n >= a.base {
		a.slots[a.head+int(n-a.base)].done = true
	}
}

// flush appends the PUBACKs that may go out and returns how many.
func (a *acks) flush(dst []byte) ([]byte, int) {
	n := 0
	for a.head < len(a.slots) && a.slots[a.head].done {
		dst = packet.AppendPuback(dst, a.slots[a.head].id)
		a.head++
		n++
	}
	a.base += uint64(n)
	switch {
	case a.head < len(a.slots):
		// Drop the answered half now and then, or the slice would creep.
		if a.head > 64 && a.head > len(a.slots)/2 {
			a.slots = a.slots[:copy(a.slots, a.slots[a.head:])]
			a.head = 0
		}
	case cap(a.slots) > 16:
		a.slots, a.head = nil, 0 // an idle connection holds nothing
	default:
		a.slots, a.head = a.slots[:0], 0
	}
	return dst, n
}
