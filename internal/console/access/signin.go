package access

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
)

// entrance is what the page of sign-in shows.
type entrance struct {
	Hub string
	// To is where it goes on, Kept what was typed there.
	To, Kept string
	Name     string
	// Ended says that there was a session; Lost what of the form is not kept.
	Ended bool
	Lost  string
	// Setup says that the hub has no admin yet.
	Setup bool
	Err   problem
}

// askToSignIn answers on behalf of the page that was asked for.
func (p *access) askToSignIn(c *web.Call) error {
	address := c.R.URL.EscapedPath()
	if c.R.URL.RawQuery != "" {
		address += "?" + c.R.URL.RawQuery
	}
	if c.R.Method == http.MethodPost {
		e := entrance{To: address, Ended: true}
		e.Kept, e.Lost = keep(c.R.PostForm, c.R.MultipartForm != nil && len(c.R.MultipartForm.File) > 0)
		return p.enter(c, e, http.StatusUnauthorized)
	}
	if !p.opt.Accounts.HasUsers() && p.opt.Accounts.SetupOpen() {
		return c.Redirect(ui.URL("setup"), "")
	}
	q := url.Values{}
	if address != web.Root+"/overview" {
		q.Set("to", address)
	}
	if had, err := c.R.Cookie(web.Cookie); err == nil && had.Value != "" {
		q.Set("ended", "1")
	}
	return c.Redirect(ui.URL("sign-in", q), "")
}

func (p *access) signInPage(c *web.Call) error {
	to := web.Local(c.Query("to"))
	if c.SignedIn() {
		return c.Redirect(to, "")
	}
	return p.enter(c, entrance{To: to, Ended: c.Query("ended") != ""}, 0)
}

// enter shows the form of sign-in.
func (p *access) enter(c *web.Call, e entrance, status int) error {
	e.Setup = p.opt.Accounts.SetupOpen()
	return c.Page(web.View{Title: "Sign in", Bare: true, Status: status, Template: pages, Name: "sign-in", Data: e})
}

// signIn opens a session. A browser that had one has another then: a token
// that somebody else may have put there opens nothing.
func (p *access) signIn(c *web.Call) error {
	e := entrance{To: web.Local(c.Raw("to")), Kept: c.Raw("kept"), Name: c.Form("name")}
	token, who, err := p.opt.Accounts.SignIn(c.Context(), e.Name, c.Raw("password"), c.From())
	if err != nil {
		status, known := refused(err)
		if !known {
			return err
		}
		e.Err = told(err)
		return p.enter(c, e, status)
	}
	if err := p.change(c); err != nil {
		return err
	}
	c.Remember(token, who)
	if e.Kept != "" {
		return p.resend(c, e)
	}
	return c.Redirect(e.To, "")
}

// refused is the status of a refusal that the form tells of.
func refused(err error) (int, bool) {
	switch tvilling.CodeOf(err) {
	case tvilling.Unauthorized:
		return http.StatusUnauthorized, true
	case tvilling.Throttled:
		return http.StatusTooManyRequests, true
	case tvilling.InvalidArgument, tvilling.PreconditionFailed:
		return http.StatusBadRequest, true
	default:
		return 0, false
	}
}

// change ends the session that the browser has, before it gets another.
func (p *access) change(c *web.Call) error {
	if !c.SignedIn() {
		return nil
	}
	err := p.opt.Accounts.End(c.Context(), c.Who.User, c.Who.ID, c.Actor())
	if tvilling.CodeOf(err) == tvilling.NotFound {
		return nil
	}
	return err
}

func (p *access) signOut(c *web.Call) error {
	if err := p.change(c); err != nil {
		return err
	}
	c.Forget()
	return c.Redirect(ui.URL("sign-in"), "")
}

// field is one of a form that was kept.
type field struct{ Name, Value string }

// maxKept bounds what is kept of a form; with what it grows by on its way it is
// below what a form may have.
const maxKept = 512 << 10

// keep makes one text of what was typed into a form, and says what of it is
// not kept.
func keep(form url.Values, hasFiles bool) (kept, lost string) {
	rest := url.Values{}
	var secrets bool
	for name, values := range form {
		if secret(name) {
			secrets = true
			continue
		}
		rest[name] = values
	}
	if kept = rest.Encode(); len(kept) > maxKept {
		return "", "What you typed is larger than " + ui.Bytes(maxKept) + " and cannot be kept here: go back in the browser to copy it, before you sign in."
	}
	switch {
	case hasFiles:
		lost = "Files are not kept; choose them again afterwards."
	case secrets:
		lost = "Passwords are not kept; type them again afterwards."
	}
	return kept, lost
}

// secret reports whether a field holds what must not stand in another page.
func secret(name string) bool {
	name = strings.ToLower(name)
	return strings.Contains(name, "password") || name == "current" || strings.Contains(name, "secret")
}

// resend shows what was typed before the session ended, with one button that
// sends it again.
func (p *access) resend(c *web.Call, e entrance) error {
	form, err := url.ParseQuery(e.Kept)
	if err != nil {
		return tvilling.Errorf(tvilling.InvalidArgument, "What was kept of your form cannot be read: %v. You are signed in.", err)
	}
	var list []field
	for _, name := range sortedKeys(form) {
		for _, value := range form[name] {
			list = append(list, field{name, value})
		}
	}
	return c.Page(web.View{Title: "Send again", Template: pages, Name: "resend", Data: struct {
		To     string
		Fields []field
		Count  int64
	}{e.To, list, int64(len(list))}})
}
