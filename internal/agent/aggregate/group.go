package aggregate

import (
	"slices"
	"strconv"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
)

// The items of an event are bounded: in number, and in bytes so that the event
// fits into the smallest message that can be configured (asc §2.2, 8192 bytes),
// which is more than the event's own members take of a few items.
const (
	maxGroupItems = 200
	maxGroupBytes = 6 << 10
)

// hits are equal events.
type hits struct {
	item event.Item // without what is discarded
	// first and last are when the events happened, in milliseconds of Unix time.
	first, last int64
	n           int64
	size        int
}

func newHits(at int64, it event.Item, size int) hits {
	return hits{item: discarded(it), first: at, last: at, n: 1, size: size}
}

// add counts one more. Of the details only those stay that are the same in all
// events: a hash tells of all, or of none.
func (h *hits) add(at int64, it event.Item) {
	h.n++
	h.first, h.last = min(h.first, at), max(h.last, at)
	other := it.Details()
	d := details(h.item)
	*d = slices.DeleteFunc(*d, func(m event.Detail) bool {
		v, ok := other.Get(m.Name)
		return !ok || v != m.Value
	})
}

// added are the names of the details that an aggregated item has (asc §3.7).
var added = [...]string{event.HitCount, "StartTimeLocal", "StartTimeUtc", "EndTimeLocal", "EndTimeUtc"}

// aggregated returns the item that stands for all hits.
func (h *hits) aggregated() event.Item {
	start, end := time.UnixMilli(h.first), time.UnixMilli(h.last)
	d := details(h.item)
	*d = slices.Grow(*d, len(added))
	for i, v := range [...]string{
		strconv.FormatInt(h.n, 10),
		start.Local().Format(time.RFC3339), start.UTC().Format(time.RFC3339),
		end.Local().Format(time.RFC3339), end.UTC().Format(time.RFC3339),
	} {
		*d = append(*d, event.Detail{Name: added[i], Value: v})
	}
	return h.item
}

// appendGroups makes groups of all hits.
func appendGroups(groups []Group, k event.Kind, all []hits) []Group {
	for len(all) > 0 {
		n, size := 0, 0
		for n < len(all) && n < maxGroupItems && (n == 0 || size+all[n].size <= maxGroupBytes) {
			size += all[n].size
			n++
		}
		g := Group{Kind: k, Items: make([]event.Item, n)}
		last := all[0].last
		for i := range all[:n] {
			g.Items[i] = all[i].aggregated()
			last = max(last, all[i].last)
		}
		g.At = time.UnixMilli(last)
		groups = append(groups, g)
		all = all[n:]
	}
	return groups
}
