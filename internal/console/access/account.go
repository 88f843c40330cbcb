package access

import (
	"strconv"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
)

// own is what the page of one's own account shows.
type own struct {
	User     account.User
	Who      account.Session
	Sessions []sessionRow
	Theme    string
	KeysOff  bool
	Err      problem
}

func (p *access) account(c *web.Call) error { return p.showAccount(c, nil, 0) }

func (p *access) showAccount(c *web.Call, err error, status int) error {
	u, failed := p.opt.Accounts.User(c.Who.User)
	if failed != nil {
		return failed
	}
	return c.Page(web.View{Title: "Account", Status: status, Template: pages, Name: "account", Data: own{
		User: u, Who: c.Who, Sessions: sessionRows(p.opt.Accounts.Sessions(c.Who.User)),
		Theme: c.Preference("theme", "light", "dark"), KeysOff: c.Preference("keys", "off") != "", Err: told(err),
	}})
}

func (p *access) password(c *web.Call) error {
	err := p.opt.Accounts.ChangePassword(c.Context(), c.Who, c.Raw("current"), c.Raw("password"))
	if err != nil {
		status, known := refused(err)
		if !known {
			return err
		}
		return p.showAccount(c, err, status)
	}
	return c.Redirect(ui.URL("account"), "The password is changed. All other sessions have ended.")
}

func (p *access) endSession(c *web.Call) error {
	id := c.Form("id")
	if id == "others" {
		n, err := p.opt.Accounts.EndAll(c.Context(), c.Who.User, c.Who.ID, c.Actor())
		if err != nil {
			return err
		}
		return c.Redirect(ui.URL("account"), ui.Plural(int64(n), "other session")+" ended.")
	}
	if id == c.Who.ID {
		return p.signOut(c)
	}
	err := p.opt.Accounts.End(c.Context(), c.Who.User, id, c.Actor())
	if err != nil && tvilling.CodeOf(err) != tvilling.NotFound {
		return err
	}
	return c.Redirect(ui.URL("account"), "The session has ended.")
}

// preferences keeps in the browser how its reader wants pages.
func (p *access) preferences(c *web.Call) error {
	theme := c.Form("theme")
	if theme != "light" && theme != "dark" {
		theme = ""
	}
	c.Prefer("theme", theme)
	keys := "off"
	if on, err := strconv.ParseBool(c.Form("keys")); err == nil && on {
		keys = ""
	}
	c.Prefer("keys", keys)
	return c.Redirect(ui.URL("account"), "Saved in this browser.")
}
