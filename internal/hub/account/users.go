package account

import (
	"context"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// Add makes a user. Without a password the user can sign in by a one-time link
// only, and set a password then.
func (s *Service) Add(ctx context.Context, name string, role Role, password, actor string) (User, error) {
	if err := CheckName(name); err != nil {
		return User{}, err
	}
	if role < Viewer || role > Admin {
		return User{}, at("role", tvilling.Errorf(tvilling.InvalidArgument, "A role is viewer, operator or admin."))
	}
	hash, err := s.hash(ctx, name, password)
	if err != nil {
		return User{}, err
	}
	err = s.change(ctx, func(b *book, now time.Time) (state.Change, error) {
		return add(b, &record{Name: name, Role: role.String(), Hash: hash}, actor, now)
	})
	if err != nil {
		return User{}, err
	}
	return s.User(name)
}

func add(b *book, r *record, actor string, now time.Time) (state.Change, error) {
	if old := b.users[fold(r.Name)]; old != nil {
		return state.Change{}, at("name", tvilling.Errorf(tvilling.PreconditionFailed, "There is a user %s already.", old.Name))
	}
	if len(b.users) >= MaxUsers {
		return state.Change{}, tvilling.Errorf(tvilling.InvalidArgument, "A hub has at most %d users; remove one first.", MaxUsers)
	}
	r.Created = now
	if r.Hash != "" {
		r.PasswordChanged = now
	}
	b.users[fold(r.Name)] = r
	b.changed(r)
	return entry(state.ChangeUser, actor, map[string]any{"user": r.Name, "change": "created", "role": r.Role})
}

// hash checks and hashes a password; none has no hash.
func (s *Service) hash(ctx context.Context, name, password string) (string, error) {
	if password == "" {
		return "", nil
	}
	if err := CheckPassword(name, password); err != nil {
		return "", err
	}
	return s.opt.Hasher.Hash(ctx, password)
}

// edit changes a user, if match allows it and an admin is left.
func (s *Service) edit(ctx context.Context, name string, match tvilling.Match, f func(b *book, r *record) (state.Change, error)) error {
	return s.change(ctx, func(b *book, _ time.Time) (state.Change, error) {
		r, err := b.user(name)
		if err != nil {
			return state.Change{}, err
		}
		if current := (User{Version: r.Version}).ETag(); !match.Allows(current) {
			return state.Change{}, tvilling.Errorf(tvilling.PreconditionFailed, "The user %s was changed meanwhile (etag %s); look again, then repeat.", r.Name, current)
		}
		before := b.admins()
		c, err := f(b, r)
		if err != nil {
			return state.Change{}, err
		}
		return c, b.keepAdmin(before, r.Name)
	})
}

// Edit is what is to be changed of a user.
type Edit struct {
	// Role is the one that the user is to have; Nobody leaves it as it is.
	Role Role
	// Disabled says whether the user may sign in no more; nil leaves that as it
	// is.
	Disabled *bool
}

// Change changes a user, in one step. The sessions of a user who is disabled,
// or may do less than before, end.
func (s *Service) Change(ctx context.Context, name string, e Edit, match tvilling.Match, actor string) (User, error) {
	if e.Role > Admin {
		return User{}, at("role", tvilling.Errorf(tvilling.InvalidArgument, "A role is viewer, operator or admin."))
	}
	err := s.edit(ctx, name, match, func(b *book, r *record) (state.Change, error) {
		body := map[string]any{"user": r.Name, "change": "changed"}
		less := false
		if old := r.role(); e.Role != Nobody && e.Role != old {
			r.Role, less = e.Role.String(), e.Role < old
			body["role"], body["roleBefore"] = r.Role, old.String()
		}
		if e.Disabled != nil && *e.Disabled != r.Disabled {
			r.Disabled, less = *e.Disabled, less || *e.Disabled
			body["disabled"] = r.Disabled
		}
		if len(body) == 2 {
			return state.Change{}, errNothing
		}
		b.changed(r)
		if less {
			b.endOf(r, "")
		}
		return entry(state.ChangeUser, actor, body)
	})
	if err != nil {
		return User{}, err
	}
	if e.Disabled != nil && *e.Disabled {
		s.links.drop(name)
	}
	return s.User(name)
}

// Remove removes a user, whose sessions end.
func (s *Service) Remove(ctx context.Context, name string, match tvilling.Match, actor string) error {
	err := s.edit(ctx, name, match, func(b *book, r *record) (state.Change, error) {
		b.endOf(r, "")
		delete(b.users, fold(r.Name))
		b.usersChanged = true
		return entry(state.ChangeUser, actor, map[string]any{"user": r.Name, "change": "removed"})
	})
	if err == nil {
		s.links.drop(name)
	}
	return err
}

// SetPassword gives a user a password. All sessions of the user end.
func (s *Service) SetPassword(ctx context.Context, name, password, actor string) error {
	u, err := s.User(name)
	if err != nil {
		return err
	}
	if password == "" {
		return at("password", tvilling.Errorf(tvilling.InvalidArgument, "Give a password of at least %d characters.", MinPassword))
	}
	return s.replacePassword(ctx, u.Name, password, actor, replacing{})
}

// ChangePassword gives the user of a session another password, for the one
// there is: current does not count in a session that a one-time link opened.
// All other sessions of the user end.
func (s *Service) ChangePassword(ctx context.Context, who Session, current, next string) error {
	r, err := s.now().user(who.User)
	if err != nil {
		return err
	}
	how := replacing{keep: who.ID}
	if !who.ByLink && r.Hash != "" {
		how.hash = r.Hash
		// Whoever has found an open browser is not to guess here, either.
		if wait := s.limits.begin(r.Name, who.From.Address); wait > 0 {
			return tooMany(wait)
		}
		end := s.limits.unmade
		defer func() { end(r.Name, who.From.Address) }()
		ok, _, err := s.opt.Hasher.Verify(ctx, r.Hash, current)
		if err != nil {
			return err
		}
		if !ok {
			end = s.limits.failed
			return at("current", tvilling.Errorf(tvilling.InvalidArgument, "This is not the password there is. Nothing was changed."))
		}
	}
	if next == "" {
		return at("password", tvilling.Errorf(tvilling.InvalidArgument, "Give a new password of at least %d characters.", MinPassword))
	}
	return s.replacePassword(ctx, r.Name, next, who.Actor(), how)
}

// replacing is how a password is replaced.
type replacing struct {
	// keep is the session that does not end.
	keep string
	// hash is that of the password there was, "" for any.
	hash string
}

func (s *Service) replacePassword(ctx context.Context, name, password, actor string, how replacing) error {
	hash, err := s.hash(ctx, name, password)
	if err != nil {
		return err
	}
	err = s.change(ctx, func(b *book, now time.Time) (state.Change, error) {
		r, err := b.user(name)
		if err != nil {
			return state.Change{}, err
		}
		if how.hash != "" && r.Hash != how.hash {
			return state.Change{}, tvilling.Errorf(tvilling.PreconditionFailed, "The password was changed meanwhile. Sign in again.")
		}
		r.Hash, r.PasswordChanged = hash, now
		b.changed(r)
		b.endOf(r, how.keep)
		for _, o := range b.sessions {
			if o.sum.id() == how.keep && o.ByLink {
				o.ByLink, b.sessionsChanged = false, true
			}
		}
		return entry(state.ChangeUser, actor, map[string]any{"user": r.Name, "change": "password"})
	})
	if err == nil {
		s.links.drop(name)
	}
	return err
}
