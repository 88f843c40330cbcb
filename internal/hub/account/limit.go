package account

import (
	"math"
	"net/netip"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
)

// How often somebody may try in vain. From the last of the free tries on the
// wait doubles, up to a longest one, which is short: a name must not be locked
// by whoever types it wrong on purpose. What is left then is a try each longest
// wait, far too few to guess a password of twelve characters. A try counts as
// one in vain while it is made: many at once are not all the first one.
const (
	freeByName, freeByAddress = 5, 20
	longestWait               = 30 * time.Second
	// forgetAfter without another try, nothing is left of those before.
	forgetAfter = 15 * time.Minute
	// maxTries bounds how many names, addresses and pairs of both are
	// remembered, each.
	maxTries = 10_000
	// maxTrusted bounds how many pairs of name and address are remembered
	// from which that user has signed in.
	maxTrusted = 4 * MaxUsers
)

// tries are those of one name or address: how many failed, the last of them
// when, and how many are being made.
type tries struct {
	failed, pending int
	last            time.Time
}

func (t tries) wait(free int, now time.Time) time.Duration {
	over := t.failed + t.pending - free
	if over < 0 {
		return 0
	}
	wait := longestWait
	if over < 5 {
		wait = time.Second << over
	}
	left := max(0, t.last.Add(wait).Sub(now))
	if t.pending > 0 {
		left = max(left, time.Second) // one after the other from here on
	}
	return left
}

// limiter slows down guessing. It knows names and addresses, in bounded
// memory, and is as it was new after a restart.
type limiter struct {
	mu        sync.Mutex
	names     map[string]tries
	addresses map[string]tries
	// pairs are tries of a name from an address: what counts where the name's
	// user is known, and what the address is forgiven once that is shown.
	pairs   map[pair]tries
	trusted map[pair]time.Time
}

type pair struct{ name, address string }

func newLimiter() *limiter {
	return &limiter{names: make(map[string]tries), addresses: make(map[string]tries), pairs: make(map[pair]tries), trusted: make(map[pair]time.Time)}
}

// network is the address that counts: of IPv6 the 64 bits that are one
// household's.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return cut(address, 64)
	}
	a = a.Unmap()
	if a.Is6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

// begin returns how long a try has to wait; one that has to is not made. Else
// the try has begun, and ends by failed, passed or unmade. From where a user has
// signed in before, strangers who try the same name elsewhere do not count.
func (l *limiter) begin(name, address string) time.Duration {
	name, address = limitName(name), network(address)
	p := pair{name, address}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	wait := l.addresses[address].wait(freeByAddress, now)
	if name != "" {
		byName := l.names[name]
		if _, ok := l.trusted[p]; ok {
			byName = l.pairs[p]
		}
		wait = max(wait, byName.wait(freeByName, now))
	}
	if wait > 0 {
		return wait
	}
	l.each(name, address, func(t *tries) { t.pending++ })
	return 0
}

// each changes all that is known of a name and an address.
func (l *limiter) each(name, address string, f func(*tries)) {
	change(l.addresses, address, f)
	if name != "" {
		change(l.names, name, f)
		change(l.pairs, pair{name, address}, f)
	}
}

func change[K comparable](m map[K]tries, key K, f func(*tries)) {
	t, ok := m[key]
	f(&t)
	if t.pending = max(0, t.pending); t.pending+t.failed <= 0 {
		delete(m, key)
		return
	}
	if !ok && len(m) >= maxTries {
		forget(m, time.Now())
	}
	m[key] = t
}

// limitName is a name as it counts: what cannot be one counts as one.
func limitName(name string) string {
	if len(name) > MaxName {
		return "-"
	}
	return fold(name)
}

// failed ends a try in vain.
func (l *limiter) failed(name, address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.each(limitName(name), network(address), func(t *tries) {
		t.pending--
		if now.Sub(t.last) > forgetAfter {
			t.failed = 0
		}
		t.failed, t.last = min(t.failed+1, math.MaxInt32), now
	})
}

// unmade ends a try that was not one: nobody knows whether it was right.
func (l *limiter) unmade(name, address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.each(limitName(name), network(address), func(t *tries) { t.pending-- })
}

// forget makes room: what is old goes, and if that is not enough, what has
// failed least.
func forget[K comparable](m map[K]tries, now time.Time) {
	least := math.MaxInt32
	for key, t := range m {
		if t.pending == 0 && now.Sub(t.last) > forgetAfter {
			delete(m, key)
			continue
		}
		least = min(least, t.failed)
	}
	if len(m) < maxTries {
		return
	}
	n := 0
	for key, t := range m {
		if t.failed == least {
			delete(m, key)
			if n++; n >= maxTries/10 {
				return
			}
		}
	}
}

// passed ends a try by which a user has signed in. The tries of the name are
// forgotten, and at the address those of this name: others who try from there
// are not forgiven for it.
func (l *limiter) passed(name, address string) {
	name, address = limitName(name), network(address)
	l.mu.Lock()
	defer l.mu.Unlock()
	p := pair{name, address}
	mine := l.pairs[p].failed
	l.each(name, address, func(t *tries) { t.pending-- })
	change(l.addresses, address, func(t *tries) { t.failed = max(0, t.failed-mine) })
	change(l.names, name, func(t *tries) { t.failed = 0 })
	change(l.pairs, p, func(t *tries) { t.failed = 0 })
	if _, ok := l.trusted[p]; !ok && len(l.trusted) >= maxTrusted {
		oldest, at := p, time.Now()
		for key, t := range l.trusted {
			if t.Before(at) {
				oldest, at = key, t
			}
		}
		delete(l.trusted, oldest)
	}
	l.trusted[p] = time.Now()
}

func tooMany(wait time.Duration) error {
	seconds := int(math.Ceil(wait.Seconds()))
	unit := "seconds"
	if seconds == 1 {
		unit = "second"
	}
	return tvilling.Errorf(tvilling.Throttled, "Too many tries failed. Wait %d %s, then try again.", seconds, unit)
}
