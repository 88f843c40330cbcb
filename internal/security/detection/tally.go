package detection

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
)

const (
	tallyForm = 1
	// maxKeys bounds the addresses, and the users, that are counted at a time.
	maxKeys = 8
	// maxSlots bounds the seconds with attempts that are kept of one. It is
	// more than twice the attempts that are looked for by default, so that the
	// bound cannot hide them: that many within two windows are enough in one.
	maxSlots = 24
	// maxCount bounds the attempts of a kind within a second.
	maxCount = 1 << 14
	// maxGood bounds the successes that wait for failures that come late.
	maxGood = 2
	// forgetAfter is how long a device may be silent until what it sent before
	// no longer counts. Events sent again within it are known and not seen.
	forgetAfter = 72 * time.Hour
)

// class says what a key is.
type class byte

const (
	byAddress class = iota
	byUser
)

// tally counts failed logins by address and by user. It keeps whole seconds.
// What was attempted in one second is counted by record: an agent tells of one
// attempt up to three times, once for each record of the audit system that it
// left, and the most frequent kind of record is how often it was tried.
type tally struct {
	received int64 // when the newest message was received, Unix minutes
	keys     []key
}

// key is an address or a user, newest last.
type key struct {
	class class
	name  uint64
	slots []slot // ascending by second
	good  []int64
}

// slot is a second with failures.
type slot struct {
	second int64
	counts []count
}

// count is how many failures a second has from one address by one kind of
// record. The address is one byte of a digest, 0 for a failure without one.
type count struct {
	from, op byte
	n        int64
}

// attempts returns how often somebody tried in the second: over all addresses,
// the most of one kind of record.
func (s *slot) attempts() int64 {
	var sum int64
	for i, c := range s.counts {
		most := c.n
		first := true
		for j, o := range s.counts {
			if o.from != c.from {
				continue
			}
			first = first && j >= i
			most = max(most, o.n)
		}
		if first {
			sum += most
		}
	}
	return sum
}

// within returns the attempts from a second on, for the length of the window.
// several tells whether they came from more than one address, or from none.
func (k *key) within(from, window int64) (n int64, several bool) {
	first, seen := byte(0), false
	for i := range k.slots {
		s := &k.slots[i]
		if s.second < from || s.second > from+window {
			continue
		}
		n += s.attempts()
		for _, c := range s.counts {
			several = several || c.from == 0 || seen && c.from != first
			first, seen = c.from, true
		}
	}
	return n, several
}

// best returns the most attempts in a window that the second lies in.
func (k *key) best(second, window int64, lone bool) int64 {
	var most int64
	for i := range k.slots {
		from := k.slots[i].second
		if from > second || second > from+window {
			continue
		}
		if n, several := k.within(from, window); n > most && (lone || several) {
			most = n
		}
	}
	return most
}

// fail counts a failure. Seconds further from it than twice the window are
// dropped: older ones cannot count any more, and later ones come from a clock
// that was set back.
func (k *key) fail(second, window int64, c count) {
	k.slots = slices.DeleteFunc(k.slots, func(s slot) bool { return far(s.second, second, window) })
	i, ok := slices.BinarySearchFunc(k.slots, second, func(s slot, t int64) int { return int(min(1, max(-1, s.second-t))) })
	if !ok {
		k.slots = slices.Insert(k.slots, i, slot{second: second})
	}
	s := &k.slots[i]
	if j := slices.IndexFunc(s.counts, func(o count) bool { return o.from == c.from && o.op == c.op }); j >= 0 {
		s.counts[j].n = min(maxCount, s.counts[j].n+c.n)
	} else if len(s.counts) < 4 {
		s.counts = append(s.counts, count{c.from, c.op, min(maxCount, c.n)})
	} else {
		s.counts[3].n = min(maxCount, s.counts[3].n+c.n)
	}
	if len(k.slots) > maxSlots {
		k.join()
	}
}

// join makes one of the two seconds that are closest to each other.
func (k *key) join() {
	at := 1
	for i := 2; i < len(k.slots); i++ {
		if k.slots[i].second-k.slots[i-1].second < k.slots[at].second-k.slots[at-1].second {
			at = i
		}
	}
	n := k.slots[at-1].attempts() + k.slots[at].attempts()
	first := k.slots[at-1].counts[0]
	k.slots[at-1].counts = []count{{first.from, first.op, min(maxCount, n)}}
	k.slots = slices.Delete(k.slots, at, at+1)
}

func far(a, b, window int64) bool { return a-b > 2*window || b-a > 2*window }

// key returns the key of a name, made if need be; the key it gives may displace
// the one that counts least.
func (t *tally) key(c class, name string) *key {
	id := digest(name)
	if i := slices.IndexFunc(t.keys, func(k key) bool { return k.class == c && k.name == id }); i >= 0 {
		k := t.keys[i]
		t.keys = append(slices.Delete(t.keys, i, i+1), k)
		return &t.keys[len(t.keys)-1]
	}
	var same int
	for _, k := range t.keys {
		if k.class == c {
			same++
		}
	}
	if same >= maxKeys {
		t.drop(func(k *key) bool { return k.class == c })
	}
	t.keys = append(t.keys, key{class: c, name: id})
	return &t.keys[len(t.keys)-1]
}

// drop forgets the key with the fewest attempts among those chosen, of equal
// ones the oldest, so that many names cannot push out one that is persistent.
func (t *tally) drop(chosen func(*key) bool) {
	least, at := int64(0), -1
	for i := range t.keys {
		if !chosen(&t.keys[i]) {
			continue
		}
		var n int64
		for j := range t.keys[i].slots {
			n += t.keys[i].slots[j].attempts()
		}
		if at < 0 || n < least {
			least, at = n, i
		}
	}
	if at >= 0 {
		t.keys = slices.Delete(t.keys, at, at+1)
	}
}

// recall reads a memory. One from before a long silence counts as none.
func recall(memory []byte, received time.Time) *tally {
	t := new(tally)
	r := open(memory, tallyForm)
	t.received = r.varint()
	for range r.count(11) {
		k := key{class: class(r.byte() & 1), name: r.uint64()}
		second := t.received * 60
		for range r.count(5) {
			second += r.varint()
			s := slot{second: second}
			for range min(4, r.count(3)) {
				s.counts = append(s.counts, count{r.byte(), r.byte(), int64(min(maxCount, max(1, r.uvarint())))})
			}
			if n := len(k.slots); len(s.counts) == 0 || n >= maxSlots || n > 0 && k.slots[n-1].second >= second {
				r.bad = true
				break
			}
			k.slots = append(k.slots, s)
		}
		for range r.count(1) {
			k.good = append(k.good, t.received*60+r.varint())
		}
		if r.bad || len(k.good) > maxGood || len(t.keys) >= 2*maxKeys {
			return &tally{}
		}
		t.keys = append(t.keys, k)
	}
	if gap := received.Unix()/60 - t.received; r.bad || gap > int64(forgetAfter/time.Minute) {
		return &tally{}
	}
	return t
}

// expire forgets keys of which nothing can count any more, now that there is an
// event of the given second. One that is later stays: this event may be late.
func (t *tally) expire(second, window int64) {
	t.keys = slices.DeleteFunc(t.keys, func(k key) bool {
		for i := range k.slots {
			if k.slots[i].second >= second-2*window {
				return false
			}
		}
		return !slices.ContainsFunc(k.good, func(g int64) bool { return g >= second-2*window })
	})
}

// memory writes the tally, within maxMemory.
func (t *tally) memory(received time.Time) []byte {
	t.received = received.Unix() / 60
	b := t.encode()
	for len(b) > maxMemory {
		t.drop(func(*key) bool { return true })
		b = t.encode()
	}
	return b
}

func (t *tally) encode() []byte {
	if len(t.keys) == 0 {
		return nil
	}
	b := binary.AppendVarint([]byte{tallyForm}, t.received)
	b = binary.AppendUvarint(b, uint64(len(t.keys)))
	for _, k := range t.keys {
		b = append(b, byte(k.class))
		b = binary.LittleEndian.AppendUint64(b, k.name)
		b = binary.AppendUvarint(b, uint64(len(k.slots)))
		second := t.received * 60
		for _, s := range k.slots {
			b = binary.AppendVarint(b, s.second-second)
			second = s.second
			b = binary.AppendUvarint(b, uint64(len(s.counts)))
			for _, c := range s.counts {
				b = append(b, c.from, c.op)
				b = binary.AppendUvarint(b, uint64(c.n))
			}
		}
		b = binary.AppendUvarint(b, uint64(len(k.good)))
		for _, g := range k.good {
			b = binary.AppendVarint(b, g-t.received*60)
		}
	}
	return b
}

// countOf returns how a failed login counts.
func countOf(l *event.Login) count {
	c := count{op: byte(digest(l.Operation)), n: min(maxCount, event.Hits(l))}
	if a := addressOf(l); a != "" {
		c.from = max(1, byte(digest(a)))
	}
	return c
}
