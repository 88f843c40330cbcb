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
// wait, far too few to guess a password of twelve characters.
const (
	freeByName, freeByAddress = 5, 20
	longestWait               = 30 * time.Second
	// forgetAfter without another try, nothing is left of those before.
	forgetAfter = 15 * time.Minute
	// maxTries bounds how many names and addresses are remembered, each.
	maxTries = 10_000
	// maxTrusted bounds how many pairs of name and address are remembered
	// from which that user has signed in.
	maxTrusted = 4 * MaxUsers
)

// tries are the failed ones of one name or address.
type tries struct {
	failed int
	last   time.Time
}

func (t tries) wait(free int, now time.Time) time.Duration {
	over := t.failed - free
	if over < 0 {
		return 0
	}
	wait := longestWait
	if over < 5 {
		wait = time.Second << over
	}
	return max(0, t.last.Add(wait).Sub(now))
}

// limiter slows down guessing. It knows names and addresses, in bounded
// memory, and is as it was new after a restart.
type limiter struct {
	mu        sync.Mutex
	names     map[string]tries
	addresses map[string]tries
	trusted   map[pair]time.Time
}

type pair struct{ name, address string }

func newLimiter() *limiter {
	return &limiter{names: make(map[string]tries), addresses: make(map[string]tries), trusted: make(map[pair]time.Time)}
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

// wait returns how long a try has to wait; one that has to is not made. From
// where a user has signed in before, strangers who try the same name elsewhere
// do not count.
func (l *limiter) wait(name, address string) time.Duration {
	name, address = limitName(name), network(address)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	wait := l.addresses[address].wait(freeByAddress, now)
	if _, ok := l.trusted[pair{name, address}]; !ok && name != "" {
		wait = max(wait, l.names[name].wait(freeByName, now))
	}
	return wait
}

// limitName is a name as it counts: what cannot be one counts as one.
func limitName(name string) string {
	if len(name) > MaxName {
		return "-"
	}
	return fold(name)
}

// failed counts a try in vain.
func (l *limiter) failed(name, address string) {
	name, address = limitName(name), network(address)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if name != "" {
		count(l.names, name, now)
	}
	count(l.addresses, address, now)
}

func count(m map[string]tries, key string, now time.Time) {
	t := m[key]
	if now.Sub(t.last) > forgetAfter {
		t = tries{}
	}
	if t.failed < math.MaxInt32 {
		t.failed++
	}
	t.last = now
	if _, ok := m[key]; !ok && len(m) >= maxTries {
		forget(m, now)
	}
	m[key] = t
}

// forget makes room: what is old goes, and if that is not enough, what has
// failed least.
func forget(m map[string]tries, now time.Time) {
	least := math.MaxInt32
	for key, t := range m {
		if now.Sub(t.last) > forgetAfter {
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

// passed forgets the tries of a name from an address, from where its user has
// signed in now.
func (l *limiter) passed(name, address string) {
	name, address = limitName(name), network(address)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.names, name)
	delete(l.addresses, address)
	p := pair{name, address}
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
