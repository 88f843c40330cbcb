package access

import (
	"maps"
	"net/url"
	"slices"

	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
)

func sortedKeys(v url.Values) []string { return slices.Sorted(maps.Keys(v)) }

// founding is what the page of set-up shows.
type founding struct {
	File, Code, Name string
	Err              problem
}

func (p *access) setupPage(c *web.Call) error {
	if !p.opt.Accounts.SetupOpen() {
		return c.Redirect(ui.URL("sign-in"), "")
	}
	return p.found(c, founding{}, 0)
}

func (p *access) found(c *web.Call, f founding, status int) error {
	f.File = p.opt.SetupFile
	return c.Page(web.View{Title: "Set up", Bare: true, Status: status, Template: pages, Name: "setup", Data: f})
}

func (p *access) setup(c *web.Call) error {
	f := founding{Code: c.Form("code"), Name: c.Form("name")}
	token, who, err := p.opt.Accounts.Setup(c.Context(), f.Code, f.Name, c.Raw("password"), c.From())
	if err != nil {
		status, known := refused(err)
		if !known {
			return err
		}
		f.Err = told(err)
		return p.found(c, f, status)
	}
	c.Remember(token, who)
	return c.Redirect(ui.URL("start"), "Signed in as "+who.User+", the first admin of this hub.")
}

// linkPage asks before it uses a one-time link up: what looks at addresses in
// messages must not.
func (p *access) linkPage(c *web.Call) error {
	c.W.Header().Set("Cache-Control", "no-store")
	token := c.Query("token")
	user, err := p.opt.Accounts.LinkUser(token)
	if err != nil {
		return err
	}
	to := c.Query("to")
	if to != "" {
		to = web.Local(to)
	}
	return c.Page(web.View{Title: "Sign in by link", Bare: true, Template: pages, Name: "link", Data: struct{ User, Token, To string }{user, token, to}})
}

func (p *access) link(c *web.Call) error {
	token, who, err := p.opt.Accounts.FollowLink(c.Context(), c.Raw("token"), c.From())
	if err != nil {
		return err
	}
	if err := p.change(c); err != nil {
		return err
	}
	c.Remember(token, who)
	if to := c.Raw("to"); to != "" {
		return c.Redirect(to, "")
	}
	return c.Redirect(ui.URL("account"), "You are signed in by a one-time link. Set a password now, to sign in again.")
}
