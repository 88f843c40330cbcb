package client

import (
	"context"
	"net/http"
	"time"

	"github.com/tvilling/tvilling"
)

// User is somebody who may use the console. Role is viewer, operator or admin.
type User struct {
	Name            string        `json:"name"`
	Role            string        `json:"role"`
	Disabled        bool          `json:"disabled"`
	HasPassword     bool          `json:"hasPassword"`
	Created         time.Time     `json:"createdTime"`
	PasswordChanged time.Time     `json:"passwordChangedTime,omitzero"`
	SignedIn        time.Time     `json:"signedInTime,omitzero"`
	Sessions        int           `json:"sessions"`
	ETag            tvilling.ETag `json:"etag"`
}

// UserEdit is what is to be changed of a user; what is zero stays.
type UserEdit struct {
	Role     string `json:"role,omitempty"`
	Disabled *bool  `json:"disabled,omitempty"`
}

// UserSession is one browser in which a user is signed in.
type UserSession struct {
	ID      string    `json:"id"`
	User    string    `json:"user"`
	Created time.Time `json:"createdTime"`
	Seen    time.Time `json:"seenTime"`
	Expires time.Time `json:"expiresTime"`
	Address string    `json:"address"`
	Agent   string    `json:"agent"`
	ByLink  bool      `json:"byLink"`
}

// SignInLink signs a user in once. Path is below the hub's address.
type SignInLink struct {
	Path    string    `json:"path"`
	Expires time.Time `json:"expiresTime"`
}

// Users returns the users of the console.
func (c *Client) Users(ctx context.Context) ([]*User, error) {
	var list []*User
	_, err := c.do(ctx, request{op: "list users", subject: c.host, method: http.MethodGet, path: path("tvilling", "users")}, &list)
	return list, err
}

// AddUser makes a user, who can sign in by a one-time link only without a
// password.
func (c *Client) AddUser(ctx context.Context, name, role, password string) (*User, error) {
	u := &User{}
	body := map[string]string{"name": name, "role": role}
	if password != "" {
		body["password"] = password
	}
	_, err := c.do(ctx, request{op: "add user", subject: name, method: http.MethodPost, path: path("tvilling", "users"), body: body}, u)
	return some(u, err)
}

// ChangeUser changes a user.
func (c *Client) ChangeUser(ctx context.Context, name string, e UserEdit, match tvilling.Match) (*User, error) {
	u := &User{}
	_, err := c.do(ctx, request{op: "change user", subject: name, method: http.MethodPatch, path: path("tvilling", "users", name), body: e, match: match}, u)
	return some(u, err)
}

// RemoveUser removes a user.
func (c *Client) RemoveUser(ctx context.Context, name string, match tvilling.Match) error {
	_, err := c.do(ctx, request{op: "remove user", subject: name, method: http.MethodDelete, path: path("tvilling", "users", name), match: match}, nil)
	return err
}

// SetUserPassword gives a user another password.
func (c *Client) SetUserPassword(ctx context.Context, name, password string) error {
	_, err := c.do(ctx, request{
		op: "set password", subject: name, method: http.MethodPost, path: path("tvilling", "users", name, "password"),
		body: map[string]string{"password": password},
	}, nil)
	return err
}

// LinkUser makes a one-time link that signs a user in.
func (c *Client) LinkUser(ctx context.Context, name string) (*SignInLink, error) {
	l := &SignInLink{}
	_, err := c.do(ctx, request{op: "make link", subject: name, method: http.MethodPost, path: path("tvilling", "users", name, "link")}, l)
	return some(l, err)
}

// UserSessions returns where a user is signed in.
func (c *Client) UserSessions(ctx context.Context, name string) ([]*UserSession, error) {
	var list []*UserSession
	_, err := c.do(ctx, request{op: "list sessions", subject: name, method: http.MethodGet, path: path("tvilling", "users", name, "sessions")}, &list)
	return list, err
}

// EndUserSession ends one session of a user; all of them if id is "".
func (c *Client) EndUserSession(ctx context.Context, name, id string) error {
	segments := []string{"tvilling", "users", name, "sessions"}
	if id != "" {
		segments = append(segments, id)
	}
	_, err := c.do(ctx, request{op: "end session", subject: name, method: http.MethodDelete, path: path(segments...)}, nil)
	return err
}
