package web

import (
	"bytes"
	"context"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/hub/account"
)

// Call is one request on its way.
type Call struct {
	W     http.ResponseWriter
	R     *http.Request
	Route Route
	// Who has signed in; zero on an open route that nobody did.
	Who account.Session

	site     *Site
	signedIn bool
	query    url.Values
	tracking string
	subject  string
	audited  bool
	wrote    bool
	status   int
}

// Context ends with the request.
func (c *Call) Context() context.Context { return c.R.Context() }

// Actor is how the journal names whoever asks.
func (c *Call) Actor() string {
	if !c.signedIn {
		return "nobody"
	}
	return c.Who.Actor()
}

// SignedIn reports whether somebody did.
func (c *Call) SignedIn() bool { return c.signedIn }

// May reports whether whoever asks has at least a role.
func (c *Call) May(least account.Role) bool { return c.Who.May(least) }

// Query returns a parameter of the address, "" if it is not there.
func (c *Call) Query(name string) string { return c.query.Get(name) }

// Queries returns all parameters of the address.
func (c *Call) Queries() url.Values { return c.query }

// Form returns a field of the form that was posted, without blanks around it.
func (c *Call) Form(name string) string { return strings.TrimSpace(c.R.PostFormValue(name)) }

// Raw returns a field of the form as it was typed.
func (c *Call) Raw(name string) string { return c.R.PostFormValue(name) }

// FormList returns all values of a field of the form.
func (c *Call) FormList(name string) []string {
	c.R.PostFormValue(name) // parses
	return c.R.PostForm[name]
}

// Path returns a segment of the address by its name in the route.
func (c *Call) Path(name string) string { return ui.Unsegment(c.R.PathValue(name)) }

// Device returns the device in the address.
func (c *Call) Device() (tvilling.DeviceID, error) {
	id := tvilling.Device(tvilling.DeviceID(c.Path("device")))
	return id.Device, id.Check()
}

// Identity returns the device or module in the address.
func (c *Call) Identity() (tvilling.Identity, error) {
	id := tvilling.Identity{Device: tvilling.DeviceID(c.Path("device")), Module: tvilling.ModuleID(c.Path("module"))}
	return id, id.Check()
}

// Link is a place with its name.
type Link struct{ Text, Href string }

// View is a page: a template of an area with its data, and what the frame
// around it is to say.
type View struct {
	Title string
	// Nav is the entry of the navigation that the page belongs to: "overview",
	// "devices", "alerts", "recommendations", "investigate", "configurations",
	// "settings"; "" for none.
	Nav string
	// Crumbs are the pages above this one.
	Crumbs []Link
	// Live is the address of the stream that keeps parts of the page current.
	Live string
	// Full leaves the page's padding to the template (triage).
	Full bool
	// Bare leaves out navigation and head: sign-in.
	Bare bool
	// Scripts are files of package assets for this page alone.
	Scripts []string
	// Status is 200 if not set.
	Status int

	Template *template.Template
	Name     string
	Data     any
}

type frame struct {
	View
	Theme, Hub, Version, User, Role, Health, Flash string
	Healthy, Keys                                  bool
	Nav                                            []navigation
	Content                                        template.HTML
}

// Above names the pages above this one, the nearest first: among many open tabs
// the title says whose page each is.
func (f frame) Above() []string {
	var names []string
	for _, l := range slices.Backward(f.Crumbs) {
		names = append(names, l.Text)
	}
	return names
}

type navigation struct {
	Text, Href, Icon, Count, Title string
	Current, High                  bool
}

// Page answers with a page.
func (c *Call) Page(v View) error {
	content, err := Render(v.Template, v.Name, v.Data)
	if err != nil {
		return err
	}
	f := frame{View: v, Content: content, Keys: true}
	s := c.site.opt.Status()
	f.Hub, f.Version, f.Health, f.Healthy = s.Hub, s.Version, s.Health, s.Health == ""
	f.User, f.Role = c.Who.User, c.Who.Role.String()
	f.Theme, f.Keys = c.Preference("theme", "light", "dark"), c.Preference("keys", "off") == ""
	f.Flash = c.takeFlash()
	f.Nav = navigations(s, v.Nav)
	out, err := Render(v.Template, "frame", f)
	if err != nil {
		return err
	}
	return c.HTML(v.Status, []byte(out))
}

// Preference is how this browser's reader wants pages, as a cookie says, if it is one of
// these.
func (c *Call) Preference(name string, allowed ...string) string {
	cookie, err := c.R.Cookie("tvilling-" + name)
	if err != nil {
		return ""
	}
	for _, a := range allowed {
		if cookie.Value == a {
			return a
		}
	}
	return ""
}

// Prefer keeps in the browser how its reader wants pages; "" is as it comes.
func (c *Call) Prefer(name, value string) {
	cookie := &http.Cookie{Name: "tvilling-" + name, Value: value, Path: Root, MaxAge: 400 * 24 * 3600, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if value == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(c.W, cookie)
}

func navigations(s Status, current string) []navigation {
	list := []navigation{
		{Text: "Overview", Icon: "s-overview"},
		{Text: "Devices", Icon: "s-devices", Count: some(s.Devices)},
		{Text: "Alerts", Icon: "s-alerts"},
		{Text: "Recommendations", Icon: "s-recs", Count: some(s.Recommendations)},
		{Text: "Investigate", Icon: "s-search"},
		{Text: "Configurations", Icon: "s-config", Count: some(s.Configurations)},
		{Text: "Settings", Icon: "s-settings"},
	}
	if s.High > 0 {
		list[2].Count, list[2].High, list[2].Title = ui.Capped(s.High)+" high", true, "Open alerts of high severity: "+ui.Capped(s.High)
	}
	for i := range list {
		n := &list[i]
		name := strings.ToLower(n.Text)
		n.Href, n.Current = ui.URL(name), name == current
	}
	return list
}

func some(n int64) string {
	if n == 0 {
		return ""
	}
	return ui.Count(n)
}

// Render executes a template of an area.
func Render(t *template.Template, name string, data any) (template.HTML, error) {
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, name, data); err != nil {
		return "", &tvilling.Error{Code: tvilling.Internal, Op: "render", Subject: name, Err: err}
	}
	return template.HTML(b.String()), nil //nolint:gosec // made by html/template
}

// HTML answers with a page that is made already; status 0 is 200.
func (c *Call) HTML(status int, page []byte) error {
	if status == 0 {
		status = http.StatusOK
	}
	if status < http.StatusBadRequest {
		if err := c.audit(); err != nil {
			return err
		}
	}
	h := c.W.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(page)))
	c.wrote, c.status = true, status
	c.W.WriteHeader(status)
	// A browser that went away needs no answer.
	_, _ = c.W.Write(page)
	return nil
}

// Redirect sends the browser to an address of this console, where note, if it
// is not "", is shown once.
func (c *Call) Redirect(to, note string) error {
	if err := c.audit(); err != nil {
		return err
	}
	if note != "" {
		c.flash(note)
	}
	c.wrote, c.status = true, http.StatusSeeOther
	http.Redirect(c.W, c.R, Local(to), http.StatusSeeOther)
	return nil
}

// Local is to if that is an address below [Root], else the first page.
func Local(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || !strings.HasPrefix(u.Path, Root+"/") || strings.Contains(to, `\`) ||
		strings.Contains(u.Path+"/", "/../") || strings.Contains(u.Path+"/", "/./") {
		return Root + "/overview"
	}
	return to
}

const flashCookie = "__Host-tvilling-note"

// flash keeps a note for the next page.
func (c *Call) flash(note string) {
	if len(note) > 1000 {
		note = note[:1000]
	}
	http.SetCookie(c.W, &http.Cookie{Name: flashCookie, Value: url.QueryEscape(note), Path: "/", MaxAge: 60, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func (c *Call) takeFlash() string {
	cookie, err := c.R.Cookie(flashCookie)
	if err != nil {
		return ""
	}
	http.SetCookie(c.W, &http.Cookie{Name: flashCookie, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	note, err := url.QueryUnescape(cookie.Value)
	if err != nil {
		return ""
	}
	return note
}
