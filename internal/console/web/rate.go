package web

import (
	"sync"
	"time"
)

// How many requests of one session are answered: so many a second for long,
// and so many more at once. A person with a hundred open pages stays below.
const (
	perSecond = 50
	burst     = 500
	// maxRates bounds the sessions that are remembered; a session that has made
	// no request for a while has its full number again.
	maxRates = 4096
)

// bucket is what is left to a session.
type bucket struct {
	left float64
	at   time.Time
}

func (b bucket) now(now time.Time) float64 {
	return min(burst, b.left+now.Sub(b.at).Seconds()*perSecond)
}

// rates keeps a bucket for each session.
type rates struct {
	mu      sync.Mutex
	buckets map[string]bucket
}

func newRates() *rates { return &rates{buckets: make(map[string]bucket)} }

// allow reports whether one more request is to be answered.
func (r *rates) allow(session string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	b, ok := r.buckets[session]
	left := float64(burst)
	if ok {
		left = b.now(now)
	} else if len(r.buckets) >= maxRates {
		r.forget(now)
	}
	if left < 1 {
		r.buckets[session] = bucket{left, now}
		return false
	}
	r.buckets[session] = bucket{left - 1, now}
	return true
}

// forget drops those that have their full number again, and if there is none,
// any one: it begins anew.
func (r *rates) forget(now time.Time) {
	some := ""
	for session, b := range r.buckets {
		if b.now(now) >= burst {
			delete(r.buckets, session)
		}
		some = session
	}
	if len(r.buckets) >= maxRates {
		delete(r.buckets, some)
	}
}
