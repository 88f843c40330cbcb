package account

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tvilling/tvilling"
)

// User is somebody who may use the console.
type User struct {
	Name string
	Role Role
	// Disabled users keep their name and password, and cannot sign in.
	Disabled bool
	// HasPassword is false for a user who can sign in by a one-time link only.
	HasPassword bool
	Created     time.Time
	// PasswordChanged and SignedIn are zero until that happens.
	PasswordChanged, SignedIn time.Time
	// Sessions is how many the user has open.
	Sessions int
	// Version counts the changes of the user; the etag is made of it.
	Version uint64
}

// ETag is the user's etag. A sign-in does not change it.
func (u User) ETag() tvilling.ETag { return tvilling.ETag(strconv.FormatUint(u.Version, 10)) }

// Limits of what users are.
const (
	// MaxName is the longest name, in characters.
	MaxName = 64
	// MinPassword is the shortest password, in characters.
	MinPassword = 12
	// MaxPassword is the longest password, in bytes.
	MaxPassword = 256
	// MaxUsers is how many users a hub has at most.
	MaxUsers = 1000
	// MaxUserSessions is how many sessions a user has at most. One more ends
	// that which was used longest ago.
	MaxUserSessions = 20
	// MaxSessions is how many all users have at most, likewise.
	MaxSessions = 1000
)

// CheckName reports whether s may be the name of a user. Names are compared
// without regard to case.
func CheckName(s string) error {
	bad := func(format string, args ...any) error {
		err := tvilling.Errorf(tvilling.InvalidArgument, format, args...)
		return at("name", err)
	}
	if s == "" {
		return bad("A user needs a name.")
	}
	if n := utf8.RuneCountInString(s); n > MaxName {
		return bad("A name may have at most %d characters; this one has %d.", MaxName, n)
	}
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("-._@+", r):
		default:
			return bad("A name is made of letters a to z, digits and - . _ @ +; this one has %q.", r)
		}
	}
	return nil
}

// CheckPassword reports whether a user may have a password: long enough, and
// neither the user's name nor one that everybody tries first. What it is made
// of does not matter.
func CheckPassword(name, password string) error {
	bad := func(format string, args ...any) error {
		return at("password", tvilling.Errorf(tvilling.InvalidArgument, format, args...))
	}
	if !utf8.ValidString(password) {
		return bad("The password is not valid UTF-8.")
	}
	if n := utf8.RuneCountInString(password); n < MinPassword {
		return bad("A password has at least %d characters; this one has %d. A few words are easy to remember.", MinPassword, n)
	}
	if len(password) > MaxPassword {
		return bad("A password may have at most %d bytes; this one has %d.", MaxPassword, len(password))
	}
	low := strings.ToLower(password)
	if strings.EqualFold(password, name) || len(name) >= 3 && len(strings.ReplaceAll(low, strings.ToLower(name), "")) < MinPassword/2 {
		return bad("The password is little more than the user's name; choose another.")
	}
	if common(low) {
		return bad("This password is among those that are tried first; choose another.")
	}
	return nil
}

// common reports whether a password, in lower case, is one that is tried first:
// one of a list, a word that is repeated, or neighbours in a row.
func common(low string) bool {
	for _, word := range []string{
		"password", "passw0rd", "p@ssw0rd", "administrator", "admin", "welcome", "letmein", "qwerty", "qwertyuiop", "iloveyou",
		"changeme", "default", "secret", "tvilling", "root", "test", "user", "demo",
	} {
		rest := strings.ReplaceAll(low, word, "")
		if rest != low && strings.Trim(rest, "0123456789!.-_ ") == "" {
			return true
		}
	}
	if slices.Contains([]string{"correcthorsebatterystaple", "correct horse battery staple", "1q2w3e4r5t6y", "1qaz2wsx3edc", "qazwsxedcrfv", "zaq12wsxcde3"}, low) {
		return true
	}
	for unit := 1; unit <= 6; unit++ {
		if strings.Repeat(low[:unit], len(low)/unit+1)[:len(low)] == low {
			return true
		}
	}
	for _, row := range []string{"01234567890123456789", "98765432109876543210", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm"} {
		if strings.Contains(row, low) {
			return true
		}
	}
	return false
}

// at names the place that an error is about.
func at(path string, err error) error {
	if e, ok := errors.AsType[*tvilling.Error](err); ok {
		e.Path = path
	}
	return err
}

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	s = s[:most]
	for len(s) > 0 && !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}
