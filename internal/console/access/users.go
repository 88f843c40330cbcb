package access

import (
	"net/http"
	"strconv"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
)

// userRoutes are the pages of users.
func (p *access) userRoutes() []web.Route {
	const get, post = http.MethodGet, http.MethodPost
	return []web.Route{
		{Method: get, Path: "/settings/users", Role: account.Admin, Do: p.users},
		{Method: get, Path: "/settings/users/new", Role: account.Admin, Do: p.newUser},
		{Method: post, Path: "/settings/users/new", Role: account.Admin, Do: p.addUser},
		{Method: get, Path: "/settings/users/{user}", Role: account.Admin, Do: p.user},
		{Method: post, Path: "/settings/users/{user}/role", Role: account.Admin, Do: p.setRole},
		{Method: post, Path: "/settings/users/{user}/disabled", Role: account.Admin, Do: p.setDisabled},
		{Method: post, Path: "/settings/users/{user}/link", Role: account.Admin, Do: p.linkUser},
		{Method: post, Path: "/settings/users/{user}/sessions", Role: account.Admin, Do: p.endUserSession},
		{Method: post, Path: "/settings/users/{user}/remove", Role: account.Admin, Do: p.removeUser},
	}
}

var userCrumbs = []web.Link{{Text: "Settings", Href: ui.URL("settings")}, {Text: "Users", Href: ui.URL("settings", "users")}}

func (p *access) users(c *web.Call) error {
	list := p.opt.Accounts.Users()
	return c.Page(web.View{Title: "Users", Nav: "settings", Crumbs: userCrumbs[:1], Template: pages, Name: "users", Data: struct {
		Nav   web.SettingsNav
		Users []account.User
		Count int64
		Me    string
	}{c.SettingsNav("users"), list, int64(len(list)), c.Who.User}})
}

// addition is what the page of a new user shows.
type addition struct {
	Nav        web.SettingsNav
	Name, Role string
	Err        problem
}

func (p *access) newUser(c *web.Call) error {
	return p.addPage(c, addition{Role: account.Viewer.String()}, 0)
}

func (p *access) addPage(c *web.Call, a addition, status int) error {
	a.Nav = c.SettingsNav("users")
	return c.Page(web.View{Title: "Add user", Nav: "settings", Crumbs: userCrumbs, Status: status, Template: pages, Name: "new-user", Data: a})
}

// addUser makes a user without a password: nobody but the user is to know it.
func (p *access) addUser(c *web.Call) error {
	a := addition{Name: c.Form("name"), Role: c.Form("role")}
	role, ok := account.ParseRole(a.Role)
	if !ok {
		return p.addPage(c, addition{Name: a.Name, Err: told(&tvilling.Error{Code: tvilling.InvalidArgument, Path: "role", Message: "Choose a role."})}, http.StatusBadRequest)
	}
	u, err := p.opt.Accounts.Add(c.Context(), a.Name, role, "", c.Actor())
	if err != nil {
		status, known := refused(err)
		if !known {
			return err
		}
		a.Err = told(err)
		return p.addPage(c, a, status)
	}
	return p.showLink(c, u.Name, true)
}

// showLink makes a one-time link, and shows it this once.
func (p *access) showLink(c *web.Call, name string, added bool) error {
	token, expires, err := p.opt.Accounts.Link(c.Context(), name, c.Actor())
	if err != nil {
		return err
	}
	c.W.Header().Set("Cache-Control", "no-store")
	link := "https://" + c.R.Host + ui.URL("sign-in", "link") + "?token=" + token
	return c.Page(web.View{Title: "One-time link", Nav: "settings", Crumbs: append(userCrumbs[:2:2], web.Link{Text: name, Href: ui.URL("settings", "users", name)}), Template: pages, Name: "user-link", Data: struct {
		Nav     web.SettingsNav
		User    string
		Link    string
		Expires any
		Added   bool
	}{c.SettingsNav("users"), name, link, expires, added}})
}

func (p *access) user(c *web.Call) error { return p.userPage(c, nil, 0) }

func (p *access) userPage(c *web.Call, problem error, status int) error {
	u, err := p.opt.Accounts.User(c.Path("user"))
	if err != nil {
		return err
	}
	return c.Page(web.View{Title: u.Name, Nav: "settings", Crumbs: userCrumbs, Status: status, Template: pages, Name: "user", Data: struct {
		Nav      web.SettingsNav
		User     account.User
		Sessions []sessionRow
		Me       bool
		Here     string
		Err      any
	}{c.SettingsNav("users"), u, sessionRows(p.opt.Accounts.Sessions(u.Name)), u.Name == c.Who.User, c.Who.ID, told(problem)}})
}

// match is the state of the user that the reader saw.
func match(c *web.Call) tvilling.Match { return tvilling.ParseMatch(c.Raw("etag")) }

// changed answers after a change of a user.
func (p *access) changed(c *web.Call, err error, note string) error {
	if err != nil {
		status, known := refused(err)
		if tvilling.CodeOf(err) == tvilling.PreconditionFailed {
			status = http.StatusConflict
		}
		if !known {
			return err
		}
		return p.userPage(c, err, status)
	}
	return c.Redirect(ui.URL("settings", "users", c.Path("user")), note)
}

func (p *access) setRole(c *web.Call) error {
	role, ok := account.ParseRole(c.Form("role"))
	if !ok {
		return p.changed(c, tvilling.Errorf(tvilling.InvalidArgument, "Choose a role."), "")
	}
	u, err := p.opt.Accounts.Change(c.Context(), c.Path("user"), account.Edit{Role: role}, match(c), c.Actor())
	return p.changed(c, err, u.Name+" is "+role.String()+" now.")
}

func (p *access) setDisabled(c *web.Call) error {
	disabled, err := strconv.ParseBool(c.Form("disabled"))
	if err != nil {
		return tvilling.Errorf(tvilling.InvalidArgument, "The form does not say whether the user is to be disabled.")
	}
	u, err := p.opt.Accounts.Change(c.Context(), c.Path("user"), account.Edit{Disabled: &disabled}, match(c), c.Actor())
	note := u.Name + " can sign in again."
	if disabled {
		note = u.Name + " is disabled; all sessions have ended."
	}
	return p.changed(c, err, note)
}

func (p *access) linkUser(c *web.Call) error {
	err := p.showLink(c, c.Path("user"), false)
	if tvilling.CodeOf(err) == tvilling.InvalidArgument {
		return p.changed(c, err, "")
	}
	return err
}

func (p *access) endUserSession(c *web.Call) error {
	u, err := p.opt.Accounts.User(c.Path("user"))
	if err != nil {
		return err
	}
	if c.Form("id") == "all" {
		n, err := p.opt.Accounts.EndAll(c.Context(), u.Name, "", c.Actor())
		return p.changed(c, err, ui.Plural(int64(n), "session")+" ended.")
	}
	err = p.opt.Accounts.End(c.Context(), u.Name, c.Form("id"), c.Actor())
	if tvilling.CodeOf(err) == tvilling.NotFound {
		err = nil
	}
	return p.changed(c, err, "The session has ended.")
}

func (p *access) removeUser(c *web.Call) error {
	name := c.Path("user")
	if err := p.opt.Accounts.Remove(c.Context(), name, match(c), c.Actor()); err != nil {
		return p.changed(c, err, "")
	}
	return c.Redirect(ui.URL("settings", "users"), "The user "+name+" is removed.")
}
