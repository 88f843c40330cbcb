package web

import (
	"sync"

	"github.com/tvilling/tvilling"
)

// How many streams and downloads are answered at one time: so many of one user,
// and so many in all. Each holds a goroutine, and looks for what is new as often
// as once a second. A page that nobody looks at has none.
const (
	maxUserStreams = 256
	maxStreams     = 1000
)

// places bounds the streams that are open.
type places struct {
	mu   sync.Mutex
	user map[string]int
	open int
}

// take takes a place for a user; what it returns gives it back.
func (p *places) take(user string) (func(), error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.user[user] >= maxUserStreams {
		return nil, tvilling.Errorf(tvilling.Throttled, "%s has %d open pages that are kept current, and downloads; the hub serves no more of one user. Close some.", user, maxUserStreams)
	}
	if p.open >= maxStreams {
		return nil, tvilling.Errorf(tvilling.Throttled, "The hub keeps %d open pages current, and no more. Pages work without that: load them again to see what is new.", maxStreams)
	}
	if p.user == nil {
		p.user = make(map[string]int)
	}
	p.user[user]++
	p.open++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.user[user]--; p.user[user] == 0 {
			delete(p.user, user)
		}
		p.open--
	}, nil
}

// taken is how many streams are open.
func (p *places) taken() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

// Stats are counts since the start of the hub, but for Streams.
type Stats struct {
	// Pages were answered, Failed of them by a fault of the hub.
	Pages, Failed int64
	// Streams are open now.
	Streams int64
	// Limited are requests that were turned away since their user asked too
	// often or had too much open, CrossSite those that another site sent.
	Limited, CrossSite int64
}

// Stats returns what the site has counted.
func (s *Site) Stats() Stats {
	return Stats{
		Pages: s.pages.Load(), Failed: s.failed.Load(), Streams: int64(s.places.taken()), Limited: s.limited.Load(), CrossSite: s.crossSite.Load(),
	}
}
