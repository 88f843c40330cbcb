package hubapi

import (
	"net/http"
	"net/url"
	"time"

	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/hub/account"
)

// accessRoutes are those of who may do what, and of what was done.
func accessRoutes() []route {
	const (
		get, patch, post, del = http.MethodGet, http.MethodPatch, http.MethodPost, http.MethodDelete

		user = "/tvilling/users/{name}"
	)
	return []route{
		{method: get, pattern: "/tvilling/users", own: true, need: owner, handle: (*Handler).listUsers},
		{method: post, pattern: "/tvilling/users", own: true, need: owner, handle: (*Handler).addUser},
		{method: get, pattern: user, own: true, need: owner, handle: (*Handler).getUser},
		{method: patch, pattern: user, own: true, need: owner, handle: (*Handler).changeUser},
		{method: del, pattern: user, own: true, need: owner, handle: (*Handler).removeUser},
		{method: post, pattern: user + "/password", own: true, need: owner, handle: (*Handler).setPassword},
		{method: post, pattern: user + "/link", own: true, need: owner, handle: (*Handler).linkUser},
		{method: get, pattern: user + "/sessions", own: true, need: owner, handle: (*Handler).listSessions},
		{method: del, pattern: user + "/sessions", own: true, need: owner, handle: (*Handler).endSessions},
		{method: del, pattern: user + "/sessions/{session}", own: true, need: owner, handle: (*Handler).endSession},
		{method: get, pattern: "/tvilling/audit", own: true, need: owner, handle: (*Handler).pageAudit},
		{method: get, pattern: "/tvilling/audit/export", own: true, need: owner, stream: true, handle: (*Handler).exportAudit},
	}
}

// userBody is a user as clients see one.
type userBody struct {
	Name            string     `json:"name"`
	Role            string     `json:"role"`
	Disabled        bool       `json:"disabled"`
	HasPassword     bool       `json:"hasPassword"`
	Created         time.Time  `json:"createdTime"`
	PasswordChanged *time.Time `json:"passwordChangedTime"`
	SignedIn        *time.Time `json:"signedInTime"`
	Sessions        int        `json:"sessions"`
	ETag            string     `json:"etag"`
}

func bodyOfUser(u account.User) userBody {
	some := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	return userBody{
		Name: u.Name, Role: u.Role.String(), Disabled: u.Disabled, HasPassword: u.HasPassword, Created: u.Created,
		PasswordChanged: some(u.PasswordChanged), SignedIn: some(u.SignedIn), Sessions: u.Sessions, ETag: string(u.ETag()),
	}
}

// listUsers is GET /tvilling/users: an array of users
//
//	{"name":"anna","role":"admin","disabled":false,"hasPassword":true,"createdTime":"…",
//	 "passwordChangedTime":"…","signedInTime":null,"sessions":1,"etag":"3"}
func (h *Handler) listUsers(c *rest.Call) error {
	list := []userBody{}
	for _, u := range h.Users.Users() {
		list = append(list, bodyOfUser(u))
	}
	return c.Answer(list, "")
}

// getUser is GET /tvilling/users/{name}.
func (h *Handler) getUser(c *rest.Call) error {
	u, err := h.Users.User(c.Params["name"])
	if err != nil {
		return err
	}
	return c.Answer(bodyOfUser(u), u.ETag())
}

// addUser is POST /tvilling/users with {"name":"anna","role":"viewer"}; with a
// "password" the user can sign in at once, without one by a one-time link.
func (h *Handler) addUser(c *rest.Call) error {
	var in struct {
		Name     string `json:"name"`
		Role     string `json:"role"`
		Password string `json:"password"`
	}
	role, err := h.userBody(c, &in, func() string { return in.Role })
	if err != nil {
		return err
	}
	if role == account.Nobody {
		return rest.BadMember("role", "A user needs a role: viewer, operator or admin.")
	}
	u, err := h.Users.Add(c.Context(), in.Name, role, in.Password, c.Who.Actor())
	if err != nil {
		return err
	}
	return c.Answer(bodyOfUser(u), u.ETag())
}

// userBody reads a body that may have a role, Nobody if it has none.
func (h *Handler) userBody(c *rest.Call, into any, role func() string) (account.Role, error) {
	b, err := c.Object()
	if err != nil {
		return account.Nobody, err
	}
	if err := rest.DecodeStrict(b, into); err != nil {
		return account.Nobody, err
	}
	if role() == "" {
		return account.Nobody, nil
	}
	r, ok := account.ParseRole(role())
	if !ok {
		return account.Nobody, rest.BadMember("role", "A role is viewer, operator or admin.")
	}
	return r, nil
}

// changeUser is PATCH /tvilling/users/{name} with {"role":"operator"},
// {"disabled":true} or both; If-Match is heeded.
func (h *Handler) changeUser(c *rest.Call) error {
	var in struct {
		Role     string `json:"role"`
		Disabled *bool  `json:"disabled"`
	}
	role, err := h.userBody(c, &in, func() string { return in.Role })
	if err != nil {
		return err
	}
	u, err := h.Users.Change(c.Context(), c.Params["name"], account.Edit{Role: role, Disabled: in.Disabled}, c.Match(), c.Who.Actor())
	if err != nil {
		return err
	}
	return c.Answer(bodyOfUser(u), u.ETag())
}

// removeUser is DELETE /tvilling/users/{name}; If-Match is heeded.
func (h *Handler) removeUser(c *rest.Call) error {
	if err := h.Users.Remove(c.Context(), c.Params["name"], c.Match(), c.Who.Actor()); err != nil {
		return err
	}
	return c.Nothing()
}

// setPassword is POST /tvilling/users/{name}/password with {"password":"…"}.
func (h *Handler) setPassword(c *rest.Call) error {
	var in struct {
		Password string `json:"password"`
	}
	b, err := c.Object()
	if err != nil {
		return err
	}
	if err := rest.DecodeStrict(b, &in); err != nil {
		return err
	}
	if err := h.Users.SetPassword(c.Context(), c.Params["name"], in.Password, c.Who.Actor()); err != nil {
		return err
	}
	return c.Nothing()
}

// linkUser is POST /tvilling/users/{name}/link, the path of a one-time link:
//
//	{"path":"/console/sign-in/link?token=…","expiresTime":"…"}
func (h *Handler) linkUser(c *rest.Call) error {
	token, expires, err := h.Users.Link(c.Context(), c.Params["name"], c.Who.Actor())
	if err != nil {
		return err
	}
	return c.Answer(struct {
		Path    string    `json:"path"`
		Expires time.Time `json:"expiresTime"`
	}{"/console/sign-in/link?token=" + url.QueryEscape(token), expires}, "")
}

// listSessions is GET /tvilling/users/{name}/sessions: an array of sessions, the
// newest first
//
//	{"id":"…","user":"anna","createdTime":"…","seenTime":"…","expiresTime":"…","address":"…","agent":"…","byLink":false}
func (h *Handler) listSessions(c *rest.Call) error {
	u, err := h.Users.User(c.Params["name"])
	if err != nil {
		return err
	}
	type body struct {
		ID      string    `json:"id"`
		User    string    `json:"user"`
		Created time.Time `json:"createdTime"`
		Seen    time.Time `json:"seenTime"`
		Expires time.Time `json:"expiresTime"`
		Address string    `json:"address"`
		Agent   string    `json:"agent"`
		ByLink  bool      `json:"byLink"`
	}
	list := []body{}
	for _, s := range h.Users.Sessions(u.Name) {
		list = append(list, body{s.ID, s.User, s.Created, s.Seen, s.Expires, s.From.Address, s.From.Agent, s.ByLink})
	}
	return c.Answer(list, "")
}

// endSessions is DELETE /tvilling/users/{name}/sessions: ends all of them.
func (h *Handler) endSessions(c *rest.Call) error {
	if _, err := h.Users.EndAll(c.Context(), c.Params["name"], "", c.Who.Actor()); err != nil {
		return err
	}
	return c.Nothing()
}

// endSession is DELETE /tvilling/users/{name}/sessions/{session}.
func (h *Handler) endSession(c *rest.Call) error {
	u, err := h.Users.User(c.Params["name"])
	if err != nil {
		return err
	}
	if err := h.Users.End(c.Context(), u.Name, c.Params["session"], c.Who.Actor()); err != nil {
		return err
	}
	return c.Nothing()
}
