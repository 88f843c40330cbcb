package account

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
)

// The settings of the store that hold users and sessions.
const (
	usersSetting    = "console.users"
	sessionsSetting = "console.sessions"
)

// record is a user as it is stored.
type record struct {
	Name            string    `json:"name"`
	Role            string    `json:"role"`
	Disabled        bool      `json:"disabled,omitempty"`
	Hash            string    `json:"hash,omitempty"`
	Created         time.Time `json:"created"`
	PasswordChanged time.Time `json:"passwordChanged,omitzero"`
	SignedIn        time.Time `json:"signedIn,omitzero"`
	Version         uint64    `json:"version"`
}

func (r *record) role() Role {
	role, _ := ParseRole(r.Role) // an unknown one may do nothing
	return role
}

// opened is a session as it is stored, with when it was used last.
type opened struct {
	Sum     string    `json:"sum"` // SHA-256 of the token
	User    string    `json:"user"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	Address string    `json:"address,omitempty"`
	Agent   string    `json:"agent,omitempty"`
	ByLink  bool      `json:"byLink,omitempty"`

	sum  sum
	seen *atomic.Int64 // Unix nanoseconds
}

func (o *opened) usedAt() time.Time { return time.Unix(0, o.seen.Load()).UTC() }

// book is all users and sessions at one time.
type book struct {
	users    map[string]*record // by name, lower case
	sessions map[sum]*opened

	usersChanged, sessionsChanged bool
}

func fold(name string) string { return strings.ToLower(name) }

// parseBook reads users and sessions as they are stored. A session counts as
// used just now unless the hub knows better.
func parseBook(users, sessions []byte, now time.Time) (*book, error) {
	b := &book{users: make(map[string]*record), sessions: make(map[sum]*opened)}
	var rs []*record
	if err := decode(usersSetting, users, &rs); err != nil {
		return nil, err
	}
	for _, r := range rs {
		if r == nil || CheckName(r.Name) != nil || b.users[fold(r.Name)] != nil {
			return nil, damaged(usersSetting, nil)
		}
		b.users[fold(r.Name)] = r
	}
	var os []*opened
	if err := decode(sessionsSetting, sessions, &os); err != nil {
		return nil, err
	}
	for _, o := range os {
		if o == nil {
			return nil, damaged(sessionsSetting, nil)
		}
		raw, err := base64.StdEncoding.DecodeString(o.Sum)
		if err != nil || len(raw) != len(o.sum) {
			return nil, damaged(sessionsSetting, err)
		}
		o.sum, o.seen = sum(raw), new(atomic.Int64)
		o.seen.Store(now.UnixNano())
		b.sessions[o.sum] = o
	}
	return b, nil
}

func decode(name string, value []byte, into any) error {
	if value == nil {
		return nil
	}
	if err := json.Unmarshal(value, into); err != nil {
		return damaged(name, err)
	}
	return nil
}

// damaged is an error that keeps the hub from starting: without its users it
// would be open to whoever makes the first admin.
func damaged(name string, err error) error {
	return &tvilling.Error{
		Code: tvilling.Corrupt, Op: "read", Subject: name, Err: err,
		Message: "The stored users or sessions of the console are damaged (setting " + name + "), and the hub does not go on without them. Restore a backup of the data directory.",
	}
}

// readBook reads users and sessions as a change sees them.
func readBook(tx *commit.Tx, now time.Time) (*book, error) {
	users, err := tx.Setting(usersSetting)
	if err != nil {
		return nil, err
	}
	sessions, err := tx.Setting(sessionsSetting)
	if err != nil {
		return nil, err
	}
	return parseBook(users, sessions, now)
}

// write stages what has changed.
func (b *book) write(tx *commit.Tx) error {
	if b.usersChanged {
		list := make([]*record, 0, len(b.users))
		for _, r := range b.users {
			list = append(list, r)
		}
		slices.SortFunc(list, func(x, y *record) int { return strings.Compare(x.Name, y.Name) })
		value, err := json.Marshal(list)
		if err != nil {
			return fmt.Errorf("encode users: %w", err)
		}
		tx.PutSetting(usersSetting, value)
	}
	if b.sessionsChanged {
		list := make([]*opened, 0, len(b.sessions))
		for _, o := range b.sessions {
			list = append(list, o)
		}
		slices.SortFunc(list, func(x, y *opened) int { return strings.Compare(x.Sum, y.Sum) })
		value, err := json.Marshal(list)
		if err != nil {
			return fmt.Errorf("encode sessions: %w", err)
		}
		tx.PutSetting(sessionsSetting, value)
	}
	return nil
}

// user returns a user of the book.
func (b *book) user(name string) (*record, error) {
	r := b.users[fold(name)]
	if r == nil {
		return nil, tvilling.Errorf(tvilling.NotFound, "There is no user %q.", cut(name, MaxName))
	}
	return r, nil
}

// changed counts a change of a user.
func (b *book) changed(r *record) { r.Version, b.usersChanged = r.Version+1, true }

// admins counts the users that may sign in as admins.
func (b *book) admins() (n int) {
	for _, r := range b.users {
		if r.role() == Admin && !r.Disabled {
			n++
		}
	}
	return n
}

// keepAdmin refuses a change that has left no admin where there was one.
func (b *book) keepAdmin(before int, name string) error {
	if before > 0 && b.admins() == 0 {
		return tvilling.Errorf(tvilling.InvalidArgument, "%s is the last admin of this hub; make somebody else an admin first.", name)
	}
	return nil
}

// end ends the sessions that are to go.
func (b *book) end(gone func(*opened) bool) (n int) {
	for key, o := range b.sessions {
		if gone(o) {
			delete(b.sessions, key)
			b.sessionsChanged = true
			n++
		}
	}
	return n
}

// endOf ends all sessions of a user but one.
func (b *book) endOf(r *record, but string) int {
	return b.end(func(o *opened) bool { return fold(o.User) == fold(r.Name) && o.sum.id() != but })
}

// room ends sessions that were used longest ago until one more may be opened.
func (b *book) room(user string) {
	oldest := func(of func(*opened) bool, most int) {
		var list []*opened
		for _, o := range b.sessions {
			if of(o) {
				list = append(list, o)
			}
		}
		slices.SortFunc(list, func(x, y *opened) int { return x.usedAt().Compare(y.usedAt()) })
		for ; len(list) >= most; list = list[1:] {
			delete(b.sessions, list[0].sum)
			b.sessionsChanged = true
		}
	}
	oldest(func(o *opened) bool { return fold(o.User) == fold(user) }, MaxUserSessions)
	oldest(func(*opened) bool { return true }, MaxSessions)
}
