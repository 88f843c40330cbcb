package account

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// Hasher makes of a password what may be stored.
type Hasher interface {
	// Hash returns the encoded hash of a password. An error of code Throttled
	// means that too many ask at once.
	Hash(ctx context.Context, password string) (string, error)
	// Verify compares a password with an encoded hash; again says that the
	// password is to be hashed anew, as the parameters have changed.
	Verify(ctx context.Context, encoded, password string) (ok, again bool, err error)
	// Decoy returns a hash that no password has, and that is as much work to
	// verify as any.
	Decoy() string
}

// Store reads what is durable; a [state.Store] does.
type Store interface {
	Setting(ctx context.Context, name string) ([]byte, error)
}

// Options are what a Service works with.
type Options struct {
	Commit *commit.Committer
	Store  Store
	Hasher Hasher
	Logger *slog.Logger
	// Lifetime is how long a session lasts at most, Idle how long it lasts
	// without use. Zero is 12 and 2 hours.
	Lifetime, Idle time.Duration
	// SetupCode makes the first admin; "" if that is not to be done so.
	SetupCode string
	// SetupDone, if set, is called once the hub has an admin, and so the code is
	// good for nothing. It does not block.
	SetupDone func()
}

// Service keeps users and sessions.
type Service struct {
	opt      Options
	decoy    string
	limits   *limiter
	refusals *refusals
	links    links

	// mu guards book, which is only ever replaced.
	mu   sync.RWMutex
	book *book
	// setup closes once there is an admin.
	setup sync.Once
}

// New returns a service over what the store has.
func New(ctx context.Context, o Options) (*Service, error) {
	if o.Lifetime == 0 {
		o.Lifetime = 12 * time.Hour
	}
	if o.Idle == 0 {
		o.Idle = 2 * time.Hour
	}
	users, err := o.Store.Setting(ctx, usersSetting)
	if err != nil {
		return nil, err
	}
	sessions, err := o.Store.Setting(ctx, sessionsSetting)
	if err != nil {
		return nil, err
	}
	b, err := parseBook(users, sessions, time.Now())
	if err != nil {
		return nil, err
	}
	s := &Service{opt: o, decoy: o.Hasher.Decoy(), limits: newLimiter(), refusals: newRefusals(), links: newLinks()}
	s.adopt(b)
	return s, nil
}

// HasAdmin reports whether somebody may sign in as an admin.
func (s *Service) HasAdmin() bool { return s.now().admins() > 0 }

// HasUsers reports whether there are users at all.
func (s *Service) HasUsers() bool { return len(s.now().users) > 0 }

// Users returns all users by name.
func (s *Service) Users() []User {
	b := s.now()
	list := make([]User, 0, len(b.users))
	for _, r := range b.users {
		list = append(list, s.view(b, r))
	}
	slices.SortFunc(list, func(x, y User) int { return strings.Compare(fold(x.Name), fold(y.Name)) })
	return list
}

// User returns one user; NotFound if there is none of that name.
func (s *Service) User(name string) (User, error) {
	b := s.now()
	r, err := b.user(name)
	if err != nil {
		return User{}, err
	}
	return s.view(b, r), nil
}

func (s *Service) view(b *book, r *record) User {
	u := User{
		Name: r.Name, Role: r.role(), Disabled: r.Disabled, HasPassword: r.Hash != "",
		Created: r.Created, PasswordChanged: r.PasswordChanged, SignedIn: r.SignedIn, Version: r.Version,
	}
	now := time.Now()
	for _, o := range b.sessions {
		if fold(o.User) == fold(r.Name) && !s.over(o, now) {
			u.Sessions++
		}
	}
	return u
}

// now returns the book as it is.
func (s *Service) now() *book {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.book
}

// adopt puts a book in force, with what is known of the use of its sessions.
func (s *Service) adopt(b *book) {
	s.mu.Lock()
	if s.book != nil {
		for key, o := range b.sessions {
			if old, ok := s.book.sessions[key]; ok {
				o.seen = old.seen
			}
		}
	}
	s.book = b
	admins := b.admins()
	s.mu.Unlock()
	if admins > 0 && s.opt.SetupDone != nil {
		s.setup.Do(s.opt.SetupDone)
	}
}

// errNothing ends a change that has nothing to change.
var errNothing = tvilling.Errorf(tvilling.Internal, "nothing to change")

// change applies f to users and sessions, durably, and puts them in force. f
// returns what the journal is to say; one without an Op is not recorded. The
// time is the clock's, as everywhere here: that of the journal does not go back
// with the clock, and would end sessions that are in use.
func (s *Service) change(ctx context.Context, f func(b *book, now time.Time) (state.Change, error)) error {
	err := s.opt.Commit.Do(ctx, func(tx *commit.Tx) error {
		now := time.Now().UTC()
		b, err := readBook(tx, now)
		if err != nil {
			return err
		}
		s.recall(b)
		c, err := f(b, now)
		if err != nil {
			return err
		}
		b.end(func(o *opened) bool { return s.over(o, now) })
		if err := b.write(tx); err != nil {
			return err
		}
		if c.Op != "" {
			tx.Record(c)
		}
		tx.Effect(func() { s.adopt(b) })
		return nil
	})
	if err == errNothing { //nolint:errorlint // ours, as it was made
		return nil
	}
	return err
}

// recall tells a book that was read when its sessions were used.
func (s *Service) recall(b *book) {
	for key, old := range s.now().sessions {
		if o, ok := b.sessions[key]; ok {
			o.seen.Store(old.seen.Load())
		}
	}
}

// clockStep is how far a clock may be set back without ending sessions. Those of
// a clock that ran ahead by more would last longer than sessions do.
const clockStep = 5 * time.Minute

// over reports whether a session has ended by itself.
func (s *Service) over(o *opened, now time.Time) bool {
	return !now.Before(o.Expires) || now.Sub(o.usedAt()) >= s.opt.Idle || o.Created.Sub(now) > clockStep
}

// entry is a change as the journal has it.
func entry(op state.Op, actor string, body map[string]any) (state.Change, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return state.Change{}, fmt.Errorf("encode change: %w", err)
	}
	return state.Change{Op: op, Actor: actor, Body: b}, nil
}

// Record writes an act to the audit log, durably: action is a word like
// "sink.test", subject what was acted upon.
func (s *Service) Record(ctx context.Context, actor, action, subject string) error {
	c, err := entry(state.Acted, actor, map[string]any{"action": action, "subject": cut(subject, 512)})
	if err != nil {
		return err
	}
	return s.opt.Commit.Do(ctx, func(tx *commit.Tx) error {
		tx.Record(c)
		return nil
	})
}
