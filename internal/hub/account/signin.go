package account

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// token returns 256 bits that nobody guesses.
func newToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// refusal is what whoever does not get in is told, for whatever reason.
func refusal() error {
	return tvilling.Errorf(tvilling.Unauthorized, "The name or the password is not right.")
}

// SignIn opens a session for a user with a password, and returns the token
// that opens it. That a name is not known, or its user disabled, cannot be told
// from a wrong password, nor by the time that it takes.
func (s *Service) SignIn(ctx context.Context, name, password string, from Origin) (string, Session, error) {
	if wait := s.limits.begin(name, from.Address); wait > 0 {
		s.refusals.add(s.known(name), from.Address)
		return "", Session{}, tooMany(wait)
	}
	end := s.limits.unmade
	defer func() { end(name, from.Address) }()
	r, hash := s.now().users[fold(name)], s.decoy
	if r != nil && r.Hash != "" {
		hash = r.Hash
	}
	if len(password) > MaxPassword {
		password = "" // no user has it; and none has an empty one
	}
	ok, again, err := s.opt.Hasher.Verify(ctx, hash, password)
	if err != nil {
		return "", Session{}, err
	}
	if !ok || r == nil || r.Hash == "" || r.Disabled {
		end = s.limits.failed
		s.refusals.add(s.known(name), from.Address)
		return "", Session{}, refusal()
	}
	next := r.Hash
	if again {
		if next, err = s.opt.Hasher.Hash(ctx, password); err != nil {
			return "", Session{}, err
		}
	}
	token, who, err := s.open(ctx, opening{user: r.Name, from: from, how: "password", hash: r.Hash, next: next})
	if err == nil {
		end = s.limits.passed
	}
	return token, who, err
}

// known is the name of a user, "" for a name that is nobody's: it may be a
// password that was typed into the wrong field.
func (s *Service) known(name string) string {
	if r := s.now().users[fold(name)]; r != nil {
		return r.Name
	}
	return ""
}

// opening is a session that is to be opened.
type opening struct {
	user string
	from Origin
	// how the user got in: "password", "link", "setup".
	how string
	// hash is that which was verified, "" for none; next takes its place.
	hash, next string
	// first is a user to be made, the first admin.
	first *record
}

// open opens a session, durably.
func (s *Service) open(ctx context.Context, in opening) (string, Session, error) {
	token := newToken()
	o := &opened{sum: sumOf(token), seen: new(atomic.Int64), Address: in.from.bounded().Address, Agent: in.from.bounded().Agent, ByLink: in.how == "link"}
	o.Sum = base64.StdEncoding.EncodeToString(o.sum[:])
	err := s.change(ctx, func(b *book, now time.Time) (state.Change, error) {
		if in.first != nil {
			if b.admins() > 0 {
				return state.Change{}, tvilling.Errorf(tvilling.InvalidArgument, "This hub has an admin already.")
			}
			if _, err := add(b, in.first, "hub:setup", now); err != nil {
				return state.Change{}, err
			}
		}
		r := b.users[fold(in.user)]
		if r == nil || r.Disabled || in.hash != "" && r.Hash != in.hash {
			return state.Change{}, refusal()
		}
		if in.next != "" {
			r.Hash = in.next
		}
		r.SignedIn, b.usersChanged = now, true
		o.User, o.Created, o.Expires = r.Name, now, now.Add(s.opt.Lifetime)
		o.seen.Store(now.UnixNano())
		b.room(r.Name)
		b.sessions[o.sum], b.sessionsChanged = o, true
		body := map[string]any{"user": r.Name, "session": o.sum.id(), "by": in.how, "address": o.Address}
		return entry(state.SignedIn, actorOf(r.Name), body)
	})
	if err != nil {
		return "", Session{}, err
	}
	who, err := s.Session(ctx, token)
	return token, who, err
}

// Session returns the session that a token opens; an error of code Unauthorized
// if none does any more.
func (s *Service) Session(_ context.Context, token string) (Session, error) {
	b := s.now()
	o := b.sessions[sumOf(token)]
	now := time.Now()
	if o == nil || s.over(o, now) {
		return Session{}, tvilling.Errorf(tvilling.Unauthorized, "The session has ended. Sign in again.")
	}
	r := b.users[fold(o.User)]
	if r == nil || r.Disabled {
		return Session{}, tvilling.Errorf(tvilling.Unauthorized, "The session has ended. Sign in again.")
	}
	o.seen.Store(now.UnixNano())
	return viewSession(o, r), nil
}

func viewSession(o *opened, r *record) Session {
	return Session{
		ID: o.sum.id(), User: r.Name, Role: r.role(), Created: o.Created, Expires: o.Expires, Seen: o.usedAt(),
		From: Origin{Address: o.Address, Agent: o.Agent}, ByLink: o.ByLink,
	}
}

// Sessions returns the open sessions of a user, the newest first.
func (s *Service) Sessions(name string) []Session {
	b, now := s.now(), time.Now()
	var list []Session
	r := b.users[fold(name)]
	for _, o := range b.sessions {
		if r != nil && fold(o.User) == fold(name) && !s.over(o, now) {
			list = append(list, viewSession(o, r))
		}
	}
	sortNewest(list)
	return list
}

// End ends one session of a user; NotFound if it has ended already.
func (s *Service) End(ctx context.Context, name, id, actor string) error {
	return s.change(ctx, func(b *book, _ time.Time) (state.Change, error) {
		n := b.end(func(o *opened) bool { return fold(o.User) == fold(name) && o.sum.id() == id })
		if n == 0 {
			return state.Change{}, tvilling.Errorf(tvilling.NotFound, "The session has ended already.")
		}
		return entry(state.SignedOut, actor, map[string]any{"user": name, "session": id})
	})
}

// EndAll ends all sessions of a user but one ("" for none), and returns how
// many it were.
func (s *Service) EndAll(ctx context.Context, name, but, actor string) (n int, err error) {
	err = s.change(ctx, func(b *book, _ time.Time) (state.Change, error) {
		r, err := b.user(name)
		if err != nil {
			return state.Change{}, err
		}
		if n = b.endOf(r, but); n == 0 {
			return state.Change{}, errNothing
		}
		return entry(state.SignedOut, actor, map[string]any{"user": r.Name, "sessions": n})
	})
	return n, err
}
