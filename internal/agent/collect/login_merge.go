package collect

import (
	"hash/maphash"
	"slices"
	"time"
)

const (
	// mergeWindow is within what time two sources tell of the same attempt.
	mergeWindow = 10 * time.Second
	// maxMerge bounds what is remembered: twice as many keys at most.
	maxMerge = 1024
	// maxPending bounds the sightings that wait for better ones.
	maxPending = 256
	// maxUser is as much of a user's name as utmp has.
	maxUser = 32
)

// mergeKey is a hash of a user, a result and an address.
type mergeKey uint64

// tally is how often something was seen by each source, and how often told.
type tally struct {
	told uint32
	seen [int(loginSources) * int(loginSorts)]uint16
}

// pending is a sighting that waits: the n-th of its source.
type pending struct {
	sighting
	key mergeKey
	n   uint32
	due time.Time
}

// merger makes one event of an attempt that several sources tell of. The n-th
// sighting of (user, result, address) of one source is taken for the n-th of
// another, and only the first is told. The process is no part of that: utmp has
// the session's, PAM's own lines and audit records may have a helper's.
//
// Sources that say less (no port) wait a little, so that one which says more
// can be first. Lines that tell of an attempt in passing (sortVisit, sortPAM,
// sortSession) may have no name or no address, and then match any.
//
// It is remembered for 10 to 20 s, or for at least the last 1024 keys, so a
// flood costs no memory; what is forgotten could be told twice.
type merger struct {
	tell      func(sighting)
	seed      maphash.Seed
	new, old  map[mergeKey]*tally
	turned    time.Time
	pending   []pending
	instantly bool // there is nothing better to wait for
}

func newMerger(tell func(sighting)) *merger {
	return &merger{tell: tell, seed: maphash.MakeSeed(), new: map[mergeKey]*tally{}}
}

// add takes a sighting, and tells it, keeps it or drops it.
func (m *merger) add(s sighting, now time.Time) {
	m.turn(now)
	loose := s.sort != sortPlain
	if s.login.UserName == "" && s.login.UserID == "" {
		s.login.UserName = unknownUser
	}
	key := m.key(loose, userKey(s.login.UserName), s.login.Result, s.login.RemoteAddress)
	wait := s.wait
	if m.instantly && !loose {
		wait = 0
	}
	for range max(s.times, 1) {
		t := m.at(key)
		seen := &t.seen[int(s.source)*int(loginSorts)+int(s.sort)]
		if *seen < 1<<16-1 {
			*seen++
		}
		p := pending{s, key, uint32(*seen), now.Add(wait)}
		switch {
		case p.n <= t.told:
		case wait == 0 || len(m.pending) == maxPending:
			m.give(p)
		default:
			m.pending = append(m.pending, p)
		}
	}
}

// give tells of a sighting, if no other source has.
func (m *merger) give(p pending) {
	if t := m.at(p.key); p.n <= t.told {
		return
	}
	l := &p.login
	user := userKey(l.UserName)
	if p.probe && m.at(m.key(false, user, resultSuccess, l.RemoteAddress)).told > 0 {
		return
	}
	// All that this may be told as, too.
	m.at(m.key(false, user, l.Result, l.RemoteAddress)).told++
	m.at(m.key(true, "", l.Result, "")).told++
	if user != "" {
		m.at(m.key(true, user, l.Result, "")).told++
	}
	if l.RemoteAddress != "" {
		m.at(m.key(true, "", l.Result, l.RemoteAddress)).told++
		if user != "" {
			m.at(m.key(true, user, l.Result, l.RemoteAddress)).told++
		}
	}
	m.tell(p.sighting)
}

// ripe tells of what has waited for long enough, and returns when the next will have.
func (m *merger) ripe(now time.Time) (next time.Time) {
	m.turn(now)
	m.pending = slices.DeleteFunc(m.pending, func(p pending) bool {
		if now.Before(p.due) {
			if next.IsZero() || p.due.Before(next) {
				next = p.due
			}
			return false
		}
		m.give(p)
		return true
	})
	return next
}

// flush tells of all that waits.
func (m *merger) flush() {
	for _, p := range m.pending {
		m.give(p)
	}
	m.pending = nil
}

// at returns the tally of a key, which is a recent one from now on.
func (m *merger) at(k mergeKey) *tally {
	t := m.new[k]
	if t == nil {
		if t = m.old[k]; t == nil {
			t = &tally{}
		}
		m.new[k] = t
	}
	return t
}

// turn forgets what was not touched for a whole window.
func (m *merger) turn(now time.Time) {
	if len(m.new)+len(m.old) == 0 {
		m.turned = now
	}
	if now.Sub(m.turned) < mergeWindow && len(m.new) < maxMerge {
		return
	}
	m.old, m.new = m.new, make(map[mergeKey]*tally)
	if now.Sub(m.turned) >= 2*mergeWindow {
		m.old = nil
	}
	m.turned = now
}

// userKey is a user's name as it is compared: as much of it as utmp has, and
// nothing where it is not told.
func userKey(name string) string {
	if namesNobody(name) {
		return ""
	}
	return name[:min(len(name), maxUser)]
}

func (m *merger) key(loose bool, user, result, addr string) mergeKey {
	var h maphash.Hash
	h.SetSeed(m.seed)
	sep := byte(0)
	if loose {
		sep = 1
	}
	for _, s := range [...]string{result, user, addr} {
		h.WriteString(s) // it cannot fail
		h.WriteByte(sep)
	}
	return mergeKey(h.Sum64())
}
