// Package start is the page for beginners: from a hub without devices to the
// first alert, step by step, with what each step needs filled in.
package start

import (
	"context"
	"embed"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/wake"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/security/attack"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

//go:embed *.html
var files embed.FS

var pages = ui.Parse(files)

// Registry reads and makes devices; a registry.Service does.
type Registry interface {
	Get(ctx context.Context, id tvilling.Identity) (registry.View, error)
	Put(ctx context.Context, s registry.Spec, match tvilling.Match, actor string) (registry.View, error)
	Keys(rec *state.Identity) (primary, secondary string, err error)
}

// Options are what the pages work with.
type Options struct {
	Registry Registry
	// Record returns what is concluded of a device, nil if nothing is.
	Record func(ctx context.Context, d tvilling.DeviceID) (*ledger.Device, error)
	// Alert returns the newest alert of a device, nil if it never had one.
	Alert func(ctx context.Context, d tvilling.DeviceID) (*ledger.Alert, error)
	// AgentLine makes the line that installs the agent on a device, for those
	// who reach the hub by a host and port, and says until when it is good.
	AgentLine func(ctx context.Context, host, port string, d tvilling.DeviceID) (string, time.Time, error)
	// Rehearse has the hub take the messages of an attack as if the device had
	// sent them; a device that is not there is made, with a tag that says so.
	Rehearse func(ctx context.Context, d tvilling.DeviceID, attack, actor string) error
	// Authority is the certificate that devices have to trust, nothing if they
	// do anyhow.
	Authority func() []byte
	// MQTTPort is the port that devices connect to.
	MQTTPort func() int
	// Pages is where open pages wait, Concluded a channel that is closed when
	// alerts have changed.
	Pages     *wake.Hub
	Concluded func() <-chan struct{}
}

type start struct{ opt Options }

// Routes are the pages of this area.
func Routes(o Options) []web.Route {
	p := &start{opt: o}
	return []web.Route{
		{Method: http.MethodGet, Path: "/start", Role: account.Viewer, Do: p.page},
		{Method: http.MethodPost, Path: "/start", Role: account.Operator, Do: p.register},
		{Method: http.MethodPost, Path: "/start/keys", Role: account.Admin, Audit: "device.keys.show", Do: p.keys},
		{Method: http.MethodPost, Path: "/start/attack", Role: account.Operator, Audit: "attack.simulate", Do: p.attack},
		{Method: http.MethodGet, Path: "/start/ca.pem", Role: account.Viewer, Stream: true, Do: p.authority},
		{Method: http.MethodGet, Path: "/live/start", Role: account.Viewer, Stream: true, Do: p.live},
	}
}

// simulated is the device that attacks come from when none is chosen.
const simulated = "simulated-device"

// view is what the page shows.
type view struct {
	progress
	// Typed is the id in the form, with what is wrong with it.
	Typed   string
	Problem error
	May     bool
	// MayKeys says that the reader may have the device's key shown, which Shown
	// says was done.
	MayKeys, Shown bool
	Host           string
	Port           int
	// Connection is the device's connection string; NoKey says why there is none.
	Connection, NoKey string
	Snippets          []snippetLink
	Snippet           snippet
	// HasCA says that devices have to be told of the hub's authority.
	HasCA bool
	// Agent is the line that installs the agent, Until when it is good for;
	// NoAgent says why there is none.
	Agent   string
	Until   time.Time
	NoAgent error
	// Attacks can be simulated, from Attacker.
	Attacks  []attack.Attack
	Attacker string
}

func (p *start) page(c *web.Call) error { return p.show(c, view{}, 0) }

// show answers with the page, completed for the device in the address.
func (p *start) show(c *web.Call, v view, status int) error {
	sdk, err := snippetOf(c.Query("sdk"))
	if err != nil {
		return err
	}
	id := tvilling.DeviceID(c.Query("device"))
	if id != "" {
		if err := tvilling.Device(id).Check(); err != nil {
			return err
		}
	}
	if v.progress, err = p.progress(c.Context(), id); err != nil {
		return err
	}
	v.May, v.MayKeys, v.Attacks = c.May(account.Operator), c.May(account.Admin), attacks()
	v.Host, v.Port = hostOf(c.R), p.opt.MQTTPort()
	v.HasCA = len(p.opt.Authority()) > 0
	v.Attacker = simulated
	shown := string(id)
	if v.Registered {
		v.Attacker = shown
		if v.Shown {
			p.secrets(c, &v, id)
		}
	} else if shown == "" {
		shown = "DEVICE"
	}
	v.Snippet = sdk.filled(v.Host, v.Port, shown)
	for _, s := range snippets {
		v.Snippets = append(v.Snippets, snippetLink{s.Name, p.address(id, s.Key), s.Key == sdk.Key})
	}
	view := web.View{Title: "Get started", Status: status, Template: pages, Name: "start", Data: v}
	q := url.Values{}
	if id != "" {
		q.Set("device", string(id))
	}
	view.Live = ui.URL("live", "start", q)
	return c.Page(view)
}

// address is the page for a device with a client.
func (p *start) address(id tvilling.DeviceID, sdk string) string {
	q := url.Values{}
	if id != "" {
		q.Set("device", string(id))
	}
	if sdk != "" && sdk != snippets[0].Key {
		q.Set("sdk", sdk)
	}
	return ui.URL("start", q)
}

// keys is the page with the device's connection string and the line that
// installs the agent. Both let who has them act as the device: that they were
// shown is in the audit log, and no browser keeps the page.
func (p *start) keys(c *web.Call) error {
	c.Subject(c.Query("device"))
	c.W.Header().Set("Cache-Control", "no-store")
	id := tvilling.DeviceID(c.Query("device"))
	if err := tvilling.Device(id).Check(); err != nil {
		return err
	}
	if _, err := p.opt.Registry.Get(c.Context(), tvilling.Device(id)); err != nil {
		return err
	}
	return p.show(c, view{Shown: true}, 0)
}

// Keys is the address that keys are asked for at.
func (v view) Keys() string {
	q := url.Values{"device": {string(v.Device)}}
	if v.Snippet.Key != snippets[0].Key {
		q.Set("sdk", v.Snippet.Key)
	}
	return ui.URL("start", "keys", q)
}

// secrets fills in what lets who has it act as the device.
func (p *start) secrets(c *web.Call, v *view, id tvilling.DeviceID) {
	rec, err := p.opt.Registry.Get(c.Context(), tvilling.Device(id))
	if err != nil {
		v.NoKey, v.NoAgent = tvilling.MessageOf(err), err
		return
	}
	primary, _, err := p.opt.Registry.Keys(rec.Identity)
	switch {
	case err != nil:
		v.NoKey = tvilling.MessageOf(err)
	case primary == "":
		v.NoKey = "The device authenticates by a certificate: its connection string is HostName=" + v.Host + ";DeviceId=" + string(id) + ";x509=true, and certificate and key stay on the device."
	default:
		v.Connection = "HostName=" + v.Host + ";DeviceId=" + string(id) + ";SharedAccessKey=" + primary
	}
	_, port, err := net.SplitHostPort(c.R.Host)
	if err != nil {
		port = "443"
	}
	v.Agent, v.Until, v.NoAgent = p.opt.AgentLine(c.Context(), v.Host, port, id)
}

// hostOf is the name by which the reader reaches the hub, which devices
// probably do as well.
func hostOf(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		return host
	}
	return r.Host
}

// register makes a device.
func (p *start) register(c *web.Call) error {
	id := tvilling.Device(tvilling.DeviceID(c.Form("device")))
	err := id.Check()
	if err == nil {
		_, err = p.opt.Registry.Put(c.Context(), registry.Spec{ID: id}, tvilling.Match{}, c.Actor())
	}
	switch tvilling.CodeOf(err) {
	case "":
		return c.Redirect(p.address(id.Device, ""), "Device "+string(id.Device)+" is registered.")
	case tvilling.DeviceAlreadyExists:
		return p.show(c, view{Typed: string(id.Device), Problem: &tvilling.Error{
			Code: tvilling.DeviceAlreadyExists, Op: "register", Message: "There is a device of this id already. Choose “Use a device that is there” to go on with it.", Err: err,
		}}, http.StatusConflict)
	case tvilling.InvalidArgument:
		return p.show(c, view{Typed: c.Form("device"), Problem: err}, http.StatusBadRequest)
	default:
		return err
	}
}

// attack has the hub take the messages of an attack.
func (p *start) attack(c *web.Call) error {
	id := tvilling.Device(tvilling.DeviceID(c.Form("device")))
	if err := id.Check(); err != nil {
		return err
	}
	name := c.Form("attack")
	c.Subject(string(id.Device) + " " + name)
	if err := p.opt.Rehearse(c.Context(), id.Device, name, c.Actor()); err != nil {
		return err
	}
	return c.Redirect(p.address(id.Device, "")+"#progress", "The messages of the attack “"+name+"” are taken as those of "+string(id.Device)+". Nothing was run anywhere.")
}

// authority gives out the certificate that devices have to trust.
func (p *start) authority(c *web.Call) error {
	b := p.opt.Authority()
	if len(b) == 0 {
		return tvilling.Errorf(tvilling.NotFound, "This hub has no authority of its own: its certificate is one that devices accept anyhow.")
	}
	return c.Download("application/x-pem-file", "ca.pem", func(emit func([]byte) error) error { return emit(b) })
}

// attacks are those that are made of messages alone.
func attacks() (list []attack.Attack) {
	for _, a := range attack.Catalogue() {
		if a.Unavailable == "" && !slices.ContainsFunc(a.Steps, func(s attack.Step) bool { return s.Kind != attack.Send }) {
			list = append(list, a)
		}
	}
	return list
}

// Wrong is what is wrong with the id in the form.
func (v view) Wrong() template.HTML { return web.Problem(v.Problem) }

// WhyNoAgent says why there is no line that installs the agent.
func (v view) WhyNoAgent() template.HTML { return web.Problem(v.NoAgent) }
