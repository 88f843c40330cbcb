package account

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Session is a user who signed in, on one browser.
type Session struct {
	// ID names the session without being able to open it.
	ID string
	// User is who signed in, Role what the user may do now.
	User string
	Role Role
	// Created is when the user signed in, Expires when that ends by itself.
	Created, Expires time.Time
	// Seen is when the session was last used, as far as this hub knows since
	// its start.
	Seen time.Time
	// From is where the user signed in.
	From Origin
	// ByLink says that a one-time link opened the session. Its user may set a
	// password without the one before.
	ByLink bool
}

// Origin is where a user signed in, as the request had it.
type Origin struct {
	// Address is an IP address, Agent what the browser calls itself.
	Address, Agent string
}

// maxAgent bounds what is kept of a browser's name, in bytes.
const maxAgent = 200

func (o Origin) bounded() Origin {
	o.Agent = cut(o.Agent, maxAgent)
	o.Address = cut(o.Address, maxAgent)
	return o
}

// May reports whether the session's user may do what least asks for.
func (s Session) May(least Role) bool { return s.Role >= least && s.Role != Nobody }

// Actor is how the journal names the session's user.
func (s Session) Actor() string { return actorOf(s.User) }

func actorOf(user string) string { return "user:" + user }

// sum is what is kept of a token: enough to know it again.
type sum [sha256.Size]byte

func sumOf(token string) sum { return sha256.Sum256([]byte(token)) }

// id names the session of a token; nothing but the token leads to the sum.
func (s sum) id() string { return hex.EncodeToString(s[:8]) }
