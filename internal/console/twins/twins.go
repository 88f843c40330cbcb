// Package twins is the pages of twins: what is desired beside what is reported,
// with who set what; edits with a preview, that never overwrite what others
// have written meanwhile; their history, and the way back; and the agent's
// configuration as a form.
package twins

import (
	"context"
	"embed"
	"net/http"
	"net/url"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/devicehead"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/wake"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
	"github.com/tvilling/tvilling/internal/hub/configuration"
	"github.com/tvilling/tvilling/internal/hub/history"
	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/hub/twin"
)

//go:embed *.html
var files embed.FS

var pages = ui.Parse(files)

// Twins reads and changes twins; a [twin.Service] does.
type Twins interface {
	Get(ctx context.Context, id tvilling.Identity) (twin.View, error)
	Patch(ctx context.Context, id tvilling.Identity, u twin.Update, match tvilling.Match, actor string) (twin.View, error)
}

// History reads the past of twins; a [history.Service] does.
type History interface {
	Versions(ctx context.Context, id tvilling.Identity, q history.Query) (*history.Page, error)
	At(ctx context.Context, id tvilling.Identity, point history.Point) (*history.State, error)
	Restore(ctx context.Context, id tvilling.Identity, point history.Point, match tvilling.Match, actor string) (twin.View, error)
}

// Options are what the pages work with.
type Options struct {
	Head    devicehead.Services
	Twins   Twins
	History History
	// Modules returns the modules of a device.
	Modules func(ctx context.Context, d tvilling.DeviceID) ([]registry.View, error)
	// Why explains the desired properties of a twin.
	Why func(ctx context.Context, id tvilling.Identity) (*configuration.Explanation, error)
	// Document writes a whole twin as services see it.
	Document func(dst []byte, v twin.View) []byte
	// Pages is where open pages wait for changes.
	Pages *wake.Hub
}

type area struct{ opt Options }

// Routes are the pages of this area.
func Routes(o Options) []web.Route {
	a := &area{opt: o}
	list := []web.Route{
		{Method: http.MethodGet, Path: "/devices/{device}/agent", Role: account.Viewer, Do: a.agentPage},
		{Method: http.MethodPost, Path: "/devices/{device}/agent", Role: account.Operator, Do: a.agentChange},
		{Method: http.MethodGet, Path: "/live/devices/{device}/agent", Role: account.Viewer, Stream: true, Do: a.agentLive},
	}
	for _, t := range []string{"/devices/{device}/twin", "/devices/{device}/modules/{module}/twin"} {
		list = append(
			list,
			web.Route{Method: http.MethodGet, Path: t, Role: account.Viewer, Do: a.comparePage},
			web.Route{Method: http.MethodGet, Path: "/live" + t, Role: account.Viewer, Stream: true, Do: a.compareLive},
			web.Route{Method: http.MethodPost, Path: t + "/set", Role: account.Operator, Do: a.setOne},
			web.Route{Method: http.MethodGet, Path: t + "/edit", Role: account.Operator, Do: a.editPage},
			web.Route{Method: http.MethodPost, Path: t + "/edit", Role: account.Operator, Do: a.edit},
			web.Route{Method: http.MethodGet, Path: t + "/history", Role: account.Viewer, Do: a.historyPage},
			web.Route{Method: http.MethodGet, Path: t + "/history/{version}", Role: account.Viewer, Do: a.versionPage},
			web.Route{Method: http.MethodPost, Path: t + "/restore", Role: account.Operator, Do: a.restore},
		)
	}
	return list
}

// base is what all pages of one twin have.
type base struct {
	Head devicehead.Head
	// Tab is the page of the device that it belongs to.
	Tab string
	ID  tvilling.Identity
	// Twins are those of the device and of its modules.
	Twins []link
	View  twin.View
	// May says that the reader may change the twin.
	May bool
}

type link struct {
	Text, Href string
	Count      int
	Current    bool
}

// load reads a twin with the head of its device.
func (a *area) load(c *web.Call, id tvilling.Identity) (base, error) {
	b, err := a.read(c.Context(), id)
	b.May = c.May(account.Operator)
	return b, err
}

func (a *area) read(ctx context.Context, id tvilling.Identity) (base, error) {
	b := base{ID: id, Tab: "twin"}
	if id.Module != "" {
		b.Tab = "modules"
	}
	var err error
	if b.Head, err = devicehead.Load(ctx, a.opt.Head, id.Device); err != nil {
		return b, err
	}
	modules, err := a.opt.Modules(ctx, id.Device)
	if err != nil {
		return b, err
	}
	b.Twins = append(b.Twins, link{Text: "Device", Href: address(tvilling.Device(id.Device)), Current: id.Module == ""})
	for _, m := range modules {
		b.Twins = append(b.Twins, link{Text: string(m.ID.Module), Href: address(m.ID), Current: m.ID == id})
	}
	b.View, err = a.opt.Twins.Get(ctx, id)
	return b, err
}

// URL is the address of the twin's pages, or of one of them.
func (b base) URL(parts ...any) string { return address(b.ID, parts...) }

// Name is what people call the twin.
func (b base) Name() string {
	switch b.ID.Module {
	case "":
		return "Device twin"
	case tvilling.SecurityModule:
		return "Security module twin"
	default:
		return "Twin of module " + string(b.ID.Module)
	}
}

// Security reports whether it is the twin of a security module.
func (b base) Security() bool { return b.ID.Module == tvilling.SecurityModule }

func address(id tvilling.Identity, parts ...any) string { return ui.URL(segments(id, parts)...) }

func liveAddress(id tvilling.Identity, parts ...any) string {
	return ui.URL(append([]any{"live"}, segments(id, parts)...)...)
}

func segments(id tvilling.Identity, parts []any) []any {
	list := []any{"devices", id.Device}
	if id.Module != "" {
		list = append(list, "modules", id.Module)
	}
	return append(append(list, "twin"), parts...)
}

// view is the frame of a page of the twin; title is the page below the twin's
// own, "" for that itself.
func (b base) view(title, template string, data any) web.View {
	v := web.View{
		Title: string(b.ID.Device), Nav: "devices", Template: pages, Name: template, Data: data,
		Crumbs: []web.Link{{Text: "Devices", Href: ui.URL("devices")}, {Text: string(b.ID.Device), Href: ui.URL("devices", b.ID.Device)}},
	}
	v.Title = b.Name()
	if title != "" {
		v.Crumbs = append(v.Crumbs, web.Link{Text: b.Name(), Href: b.URL()})
		v.Title = title
	}
	return v
}

// missing answers for a module that is not there, on the page where one would
// look for it; other errors are as they are.
func (a *area) missing(c *web.Call, b base, err error) error {
	if tvilling.CodeOf(err) != tvilling.ModuleNotFound || b.Head.Device == "" {
		return err
	}
	v := b.view("", "nomodule", b)
	v.Status = http.StatusNotFound
	return c.Page(v)
}

// JSONLink is the address of the whole twin as JSON.
func (b base) JSONLink() string { return b.URL(url.Values{"view": {"json"}}) }
