package devices

import (
	"net/url"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/devicehead"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// keys are the symmetric keys of an identity, shown.
type keys struct {
	Identity           tvilling.Identity
	Primary, Secondary string
	Host               string
}

// Connection is what an SDK connects with.
func (k *keys) Connection() string {
	s := "HostName=" + k.Host + ";DeviceId=" + string(k.Identity.Device)
	if k.Identity.IsModule() {
		s += ";ModuleId=" + string(k.Identity.Module)
	}
	return s + ";SharedAccessKey=" + k.Primary
}

type identityPage struct {
	Head    devicehead.Head
	Modules []registry.View
	// Keys are shown once they were asked for.
	Keys *keys
	// Problem is an error of the form that is named by Form.
	Problem error
	Form    string
	Typed   url.Values
	May     bool
	Admin   bool
	Made    bool
}

// SAS reports whether the device has symmetric keys.
func (p *identityPage) SAS() bool { return p.Head.View.Auth.Type == state.SAS }

// Auth says how the device proves who it is.
func (p *identityPage) Auth() string { return authWords(p.Head.View.Auth.Type) }

func authWords(t state.AuthType) string {
	switch t {
	case state.SAS:
		return "symmetric keys"
	case state.SelfSigned:
		return "X.509 certificate, known by its thumbprint"
	case state.CertificateAuthority:
		return "X.509 certificate of an authority"
	default:
		return "nothing: it cannot connect by itself"
	}
}

// AuthOf is Auth for a module.
func (p *identityPage) AuthOf(v registry.View) string { return authWords(v.Auth.Type) }

// Optout says that the security module was deleted on purpose.
func (p *identityPage) Optout() bool { return p.Head.Module == nil && p.Head.View.CompanionOptOut }

// identityPage is GET /devices/{device}/identity.
func (p *pages) identityPage(c *web.Call) error { return p.showIdentity(c, nil, "", nil) }

func (p *pages) showIdentity(c *web.Call, shown *keys, form string, problem error) error {
	d, err := c.Device()
	if err != nil {
		return err
	}
	head, err := devicehead.Load(c.Context(), p.Head, d)
	if err != nil {
		return err
	}
	page := &identityPage{
		Head: head.At("identity"), Keys: shown, Problem: problem, Form: form, Typed: c.R.PostForm,
		May: mayOperate(c), Admin: c.May(account.Admin), Made: c.Query("made") == "1",
	}
	if page.Modules, err = p.modules(c.Context(), d); err != nil {
		return err
	}
	v := web.View{Title: "Identity", Nav: "devices", Crumbs: under(d), Template: templates, Name: "identity", Data: page}
	if problem != nil {
		_, v.Status = c.Trouble(problem)
	}
	return c.Page(v)
}

// showKeys is POST /devices/{device}/identity/keys.
func (p *pages) showKeys(c *web.Call) error {
	d, err := c.Device()
	if err != nil {
		return err
	}
	id := tvilling.Identity{Device: d, Module: tvilling.ModuleID(c.Form("module"))}
	if err := id.Check(); err != nil {
		return err
	}
	v, err := p.Registry.Get(c.Context(), id)
	if err != nil {
		return err
	}
	primary, secondary, err := p.Registry.Keys(v.Identity)
	if err != nil {
		return err
	}
	if primary == "" {
		return tvilling.Errorf(tvilling.InvalidArgument, "%s has no symmetric keys: it proves itself with %s.", id, authWords(v.Auth.Type))
	}
	c.Subject(id.String())
	c.W.Header().Set("Cache-Control", "no-store")
	return p.showIdentity(c, &keys{id, primary, secondary, p.Host}, "", nil)
}

// regenerate is POST /devices/{device}/identity/regenerate.
func (p *pages) regenerate(c *web.Call) error {
	d, err := c.Device()
	if err != nil {
		return err
	}
	which := c.Form("key")
	words := map[string]string{"primary": "The primary key is new", "secondary": "The secondary key is new", "swap": "The keys have changed places"}[which]
	if words == "" {
		return &tvilling.Error{Code: tvilling.InvalidArgument, Op: "regenerate key", Path: "key", Message: "Choose the primary or the secondary key, or to swap them."}
	}
	if c.Form("sure") == "" {
		return p.showIdentity(c, nil, "regenerate", &tvilling.Error{
			Code: tvilling.InvalidArgument, Op: "regenerate key", Path: "sure", Message: "Nothing was changed. Tick the box to say that the device may be disconnected.",
		})
	}
	if _, err := p.Registry.Regenerate(c.Context(), tvilling.Device(d), which, c.Actor()); err != nil {
		return p.showIdentity(c, nil, "regenerate", err)
	}
	return c.Redirect(ui.URL("devices", d, "identity"), words+"; connections that were made with a key that is gone are closed.")
}

// setStatus is POST /devices/{device}/identity/status: enables or disables.
func (p *pages) setStatus(c *web.Call) error {
	d, err := c.Device()
	if err != nil {
		return err
	}
	disable := c.Form("to") == "disabled"
	err = p.able(c, tvilling.Device(d), disable, c.Form("reason"), tvilling.ParseMatch(c.Form("etag")))
	switch {
	case err != nil && tvilling.CodeOf(err) != tvilling.DeviceNotFound:
		return p.showIdentity(c, nil, "status", err)
	case err != nil:
		return err
	case disable:
		return c.Redirect(ui.URL("devices", d, "identity"), string(d)+" is disabled: it is disconnected and refused, with all its modules.")
	}
	return c.Redirect(ui.URL("devices", d, "identity"), string(d)+" is enabled: it may connect again.")
}

// able enables or disables an identity, and leaves all else of it as it is.
func (p *pages) able(c *web.Call, id tvilling.Identity, disable bool, reason string, match tvilling.Match) error {
	return able(c.Context(), p.Registry, id, disable, reason, match, c.Actor())
}

// remove is POST /devices/{device}/identity/delete.
func (p *pages) remove(c *web.Call) error {
	d, err := c.Device()
	if err != nil {
		return err
	}
	if c.Raw("confirm") != string(d) {
		return p.showIdentity(c, nil, "delete", &tvilling.Error{
			Code: tvilling.InvalidArgument, Op: "delete device", Path: "confirm", Message: "Nothing was deleted. Type the ID of the device exactly as it stands above.",
		})
	}
	if err := p.Registry.Delete(c.Context(), tvilling.Device(d), tvilling.ParseMatch("*"), c.Actor()); err != nil {
		return p.showIdentity(c, nil, "delete", err)
	}
	return c.Redirect(ui.URL("devices"), string(d)+" is deleted, with its twins and modules. Its alerts and its history stay until their time is over.")
}

// addModule is POST /devices/{device}/identity/modules.
func (p *pages) addModule(c *web.Call) error {
	d, err := c.Device()
	if err != nil {
		return err
	}
	id := tvilling.Identity{Device: d, Module: tvilling.ModuleID(c.Form("module"))}
	if id.Module == "" {
		err = &tvilling.Error{Code: tvilling.InvalidArgument, Op: "add module", Path: "module", Message: "A module needs a name."}
	} else {
		_, err = p.Registry.Put(c.Context(), registry.Spec{ID: id}, tvilling.Match{}, c.Actor())
	}
	if err != nil {
		return p.showIdentity(c, nil, "module", err)
	}
	return c.Redirect(ui.URL("devices", d, "identity")+"#modules", "Module "+string(id.Module)+" is there, with symmetric keys and an empty twin.")
}

// removeModule is POST /devices/{device}/modules/{module}/delete.
func (p *pages) removeModule(c *web.Call) error {
	id, err := c.Identity()
	if err != nil {
		return err
	}
	if !id.IsModule() {
		return tvilling.Errorf(tvilling.InvalidArgument, "The address names no module.")
	}
	if err := p.Registry.Delete(c.Context(), id, tvilling.ParseMatch("*"), c.Actor()); err != nil {
		return err
	}
	note := "Module " + string(id.Module) + " is deleted, with its twin."
	if id.Module == tvilling.SecurityModule {
		note += " The hub does not make it again by itself; here it can be restored."
	}
	return c.Redirect(ui.URL("devices", id.Device, "identity")+"#modules", note)
}

// restoreModule is POST /devices/{device}/identity/restore.
func (p *pages) restoreModule(c *web.Call) error {
	d, err := c.Device()
	if err != nil {
		return err
	}
	if _, err := p.Registry.Restore(c.Context(), d, c.Actor()); err != nil {
		return err
	}
	return c.Redirect(ui.URL("devices", d, "identity")+"#modules", "The security module is there again.")
}
