package account

import "time"

// Session is a user who signed in, on one browser.
type Session struct {
	// ID names the session without being able to open it.
	ID string
	// User is who signed in, Role what the user may do now.
	User string
	Role Role
	// Created is when the user signed in, Expires when that ends by itself.
	Created, Expires time.Time
}

// May reports whether the session's user may do what least asks for.
func (s Session) May(least Role) bool { return s.Role >= least && s.Role != Nobody }

// Actor is how the journal names the session's user.
func (s Session) Actor() string { return "user:" + s.User }
