package account

import (
	"cmp"
	"context"
	"crypto/subtle"
	"slices"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

const (
	// LinkLife is how long a one-time link can be used.
	LinkLife = 10 * time.Minute
	// maxLinks is how many there are at one time.
	maxLinks = 1000
)

// links are the one-time links that wait to be used. A restart of the hub ends
// them.
type links struct {
	mu   sync.Mutex
	open map[sum]link
}

type link struct {
	user    string
	expires time.Time
}

func newLinks() links { return links{open: make(map[sum]link)} }

func (l *links) add(token, user string, expires time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for key, one := range l.open {
		if !now.Before(one.expires) {
			delete(l.open, key)
		}
	}
	if len(l.open) >= maxLinks {
		return tvilling.Errorf(tvilling.Throttled, "There are %d one-time links that nobody used; wait until some have expired.", maxLinks)
	}
	l.open[sumOf(token)] = link{user: user, expires: expires}
	return nil
}

// of returns whose link a token is; take uses it up.
func (l *links) of(token string, take bool) (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := sumOf(token)
	one, ok := l.open[key]
	if !ok || !time.Now().Before(one.expires) {
		return "", false
	}
	if take {
		delete(l.open, key)
	}
	return one.user, true
}

// drop makes all links of a user good for nothing.
func (l *links) drop(user string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, one := range l.open {
		if fold(one.user) == fold(user) {
			delete(l.open, key)
		}
	}
}

// Link makes a one-time link for a user, and returns its token. The links made
// for the user before are good for nothing then.
func (s *Service) Link(ctx context.Context, name, actor string) (token string, expires time.Time, err error) {
	u, err := s.User(name)
	if err != nil {
		return "", time.Time{}, err
	}
	if u.Disabled {
		return "", time.Time{}, tvilling.Errorf(tvilling.InvalidArgument, "The user %s is disabled; enable the user first.", u.Name)
	}
	err = s.change(ctx, func(*book, time.Time) (state.Change, error) {
		return entry(state.ChangeUser, actor, map[string]any{"user": u.Name, "change": "link"})
	})
	if err != nil {
		return "", time.Time{}, err
	}
	token, expires = newToken(), time.Now().Add(LinkLife).UTC()
	s.links.drop(u.Name)
	return token, expires, s.links.add(token, u.Name, expires)
}

// LinkUser returns whom a one-time link signs in, without using it up.
func (s *Service) LinkUser(token string) (string, error) {
	user, ok := s.links.of(token, false)
	if !ok {
		return "", badLink()
	}
	return user, nil
}

func badLink() error {
	return tvilling.Errorf(tvilling.Unauthorized, "This link was used already, or it is older than 10 minutes. Ask an admin for another.")
}

// FollowLink opens a session by a one-time link, which is good for nothing
// afterwards.
func (s *Service) FollowLink(ctx context.Context, token string, from Origin) (string, Session, error) {
	user, ok := s.links.of(token, true)
	if !ok {
		return "", Session{}, badLink()
	}
	return s.open(ctx, opening{user: user, from: from, how: "link"})
}

// SetupOpen reports whether the first admin may be made by the set-up code.
func (s *Service) SetupOpen() bool { return s.opt.SetupCode != "" && !s.HasAdmin() }

// Setup makes the first admin and opens a session, for whoever knows the set-up
// code.
func (s *Service) Setup(ctx context.Context, code, name, password string, from Origin) (string, Session, error) {
	if !s.SetupOpen() {
		return "", Session{}, tvilling.Errorf(tvilling.InvalidArgument, "This hub has an admin already. Sign in, or ask an admin.")
	}
	if wait := s.limits.begin("", from.Address); wait > 0 {
		return "", Session{}, tooMany(wait)
	}
	want, got := sumOf(s.opt.SetupCode), sumOf(plain(code))
	if subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		s.limits.failed("", from.Address)
		s.refusals.add("", from.Address)
		return "", Session{}, at("code", tvilling.Errorf(tvilling.InvalidArgument, "This is not the set-up code of this hub. Each start of the hub writes a new one: read it from the file again."))
	}
	s.limits.unmade("", from.Address)
	if err := CheckName(name); err != nil {
		return "", Session{}, err
	}
	if err := CheckPassword(name, password); err != nil {
		return "", Session{}, err
	}
	hash, err := s.opt.Hasher.Hash(ctx, password)
	if err != nil {
		return "", Session{}, err
	}
	first := &record{Name: name, Role: Admin.String(), Hash: hash}
	return s.open(ctx, opening{user: name, from: from, how: "setup", first: first})
}

// sortNewest orders sessions, the newest first.
func sortNewest(list []Session) {
	slices.SortFunc(list, func(x, y Session) int {
		return cmp.Or(y.Created.Compare(x.Created), cmp.Compare(x.ID, y.ID))
	})
}
