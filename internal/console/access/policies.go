package access

import (
	"context"
	"net/http"
	"slices"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/policy"
)

// Policies keeps the shared access policies; a [policy.Service] does.
type Policies interface {
	List(ctx context.Context) ([]policy.Policy, error)
	Get(ctx context.Context, name string) (policy.Policy, error)
	Put(ctx context.Context, p policy.Policy, actor string) (policy.Policy, error)
	Delete(ctx context.Context, name, actor string) error
	Regenerate(ctx context.Context, name, which, actor string) (policy.Policy, error)
}

func (p *access) policyRoutes() []web.Route {
	const get, post = http.MethodGet, http.MethodPost
	return []web.Route{
		{Method: get, Path: "/settings/policies", Role: account.Admin, Do: p.policies},
		{Method: get, Path: "/settings/policies/new", Role: account.Admin, Do: p.newPolicy},
		{Method: post, Path: "/settings/policies/new", Role: account.Admin, Do: p.addPolicy},
		{Method: get, Path: "/settings/policies/{policy}", Role: account.Admin, Do: p.policy},
		{Method: post, Path: "/settings/policies/{policy}/keys", Role: account.Admin, Audit: "policy.show-keys", Do: p.showKeys},
		{Method: post, Path: "/settings/policies/{policy}/permissions", Role: account.Admin, Do: p.setPermissions},
		{Method: post, Path: "/settings/policies/{policy}/regenerate", Role: account.Admin, Do: p.regenerate},
		{Method: post, Path: "/settings/policies/{policy}/delete", Role: account.Admin, Do: p.deletePolicy},
	}
}

var policyCrumbs = []web.Link{{Text: "Settings", Href: ui.URL("settings")}, {Text: "Access policies", Href: ui.URL("settings", "policies")}}

// right is a permission with what it is for.
type right struct {
	Permission auth.Permission
	Name, Why  string
	Has        bool
}

// rights are all permissions, with those that a policy has ticked.
func rights(has auth.Permission) []right {
	list := []right{
		{Permission: auth.RegistryRead, Why: "read devices and modules, with their keys"},
		{Permission: auth.RegistryWrite, Why: "register, change and delete devices and modules"},
		{Permission: auth.ServiceConnect, Why: "read and change twins, query, follow changes and messages"},
		{Permission: auth.DeviceConnect, Why: "connect as any device"},
		{Permission: auth.SecurityRead, Why: "read alerts, recommendations, events and security module twins"},
		{Permission: auth.SecurityWrite, Why: "act on alerts, change detections and security module twins"},
	}
	for i := range list {
		list[i].Name, list[i].Has = list[i].Permission.String(), has.Has(list[i].Permission)
	}
	return list
}

func (p *access) policies(c *web.Call) error {
	list, err := p.opt.Policies.List(c.Context())
	if err != nil {
		return err
	}
	type row struct{ Name, Permissions string }
	rows := make([]row, 0, len(list))
	for _, one := range list {
		rows = append(rows, row{one.Name, one.Permissions.String()})
	}
	return c.Page(web.View{Title: "Access policies", Nav: "settings", Crumbs: policyCrumbs[:1], Template: pages, Name: "policies", Data: struct {
		Nav      web.SettingsNav
		Policies []row
		Count    int64
	}{c.SettingsNav("policies"), rows, int64(len(rows))}})
}

// policyView is what the page of a policy shows; of a new one, Name is what was
// typed.
type policyView struct {
	Nav    web.SettingsNav
	Name   string
	Rights []right
	// Keys are nil while they are hidden.
	Keys *shownKeys
	// Owner says that commands on the hub's machine use this policy.
	Owner bool
	Err   problem
}

// shownKeys are the keys of a policy in the clear, with connection strings.
type shownKeys struct{ Primary, Secondary, PrimaryConnection, SecondaryConnection string }

func (p *access) newPolicy(c *web.Call) error {
	return p.newPolicyPage(c, policyView{Rights: rights(auth.ServiceConnect)}, 0)
}

func (p *access) newPolicyPage(c *web.Call, v policyView, status int) error {
	v.Nav = c.SettingsNav("policies")
	return c.Page(web.View{Title: "Add access policy", Nav: "settings", Crumbs: policyCrumbs, Status: status, Template: pages, Name: "new-policy", Data: v})
}

// permissions are those ticked in a form.
func permissions(c *web.Call) auth.Permission {
	var all auth.Permission
	ticked := c.FormList("permission")
	for _, r := range rights(0) {
		if slices.Contains(ticked, r.Name) {
			all |= r.Permission
		}
	}
	return all
}

func (p *access) addPolicy(c *web.Call) error {
	v := policyView{Name: c.Form("name"), Rights: rights(permissions(c))}
	_, err := p.opt.Policies.Get(c.Context(), v.Name)
	switch tvilling.CodeOf(err) {
	case tvilling.NotFound:
		_, err = p.opt.Policies.Put(c.Context(), policy.Policy{Name: v.Name, Permissions: permissions(c)}, c.Actor())
	case "":
		err = &tvilling.Error{Code: tvilling.InvalidArgument, Path: "name", Message: "There is a policy of this name already."}
	default:
		return err
	}
	if err != nil {
		status, known := refused(err)
		if !known {
			return err
		}
		v.Err = told(err)
		return p.newPolicyPage(c, v, status)
	}
	return c.Redirect(ui.URL("settings", "policies", v.Name), "The policy "+v.Name+" is added; its keys were made by the hub.")
}

func (p *access) policy(c *web.Call) error { return p.policyPage(c, policyView{}, 0) }

func (p *access) policyPage(c *web.Call, v policyView, status int) error {
	one, err := p.opt.Policies.Get(c.Context(), c.Path("policy"))
	if err != nil {
		return err
	}
	v.Nav, v.Name, v.Owner = c.SettingsNav("policies"), one.Name, one.Name == "iothubowner"
	if v.Rights == nil {
		v.Rights = rights(one.Permissions)
	}
	return c.Page(web.View{Title: one.Name, Nav: "settings", Crumbs: policyCrumbs, Status: status, Template: pages, Name: "policy", Data: v})
}

func (p *access) showKeys(c *web.Call) error {
	one, err := p.opt.Policies.Get(c.Context(), c.Path("policy"))
	if err != nil {
		return err
	}
	c.Subject(one.Name)
	c.W.Header().Set("Cache-Control", "no-store")
	connection := func(key string) string {
		return "HostName=" + p.opt.Hub + ";SharedAccessKeyName=" + one.Name + ";SharedAccessKey=" + key
	}
	return p.policyPage(c, policyView{Keys: &shownKeys{
		one.Keys.Primary, one.Keys.Secondary, connection(one.Keys.Primary), connection(one.Keys.Secondary),
	}}, 0)
}

// policyChanged answers after a change of a policy.
func (p *access) policyChanged(c *web.Call, err error, v policyView, note string) error {
	if err != nil {
		status, known := refused(err)
		if !known {
			return err
		}
		v.Err = told(err)
		return p.policyPage(c, v, status)
	}
	return c.Redirect(ui.URL("settings", "policies", c.Path("policy")), note)
}

func (p *access) setPermissions(c *web.Call) error {
	want := permissions(c)
	if _, err := p.opt.Policies.Get(c.Context(), c.Path("policy")); err != nil {
		return err
	}
	_, err := p.opt.Policies.Put(c.Context(), policy.Policy{Name: c.Path("policy"), Permissions: want}, c.Actor())
	return p.policyChanged(c, err, policyView{Rights: rights(want)}, "The permissions are changed; connections that need more are closed.")
}

func (p *access) regenerate(c *web.Call) error {
	which := c.Form("key")
	_, err := p.opt.Policies.Regenerate(c.Context(), c.Path("policy"), which, c.Actor())
	note := "The " + which + " key is new; connections made with the old one are closed."
	if which == "swap" {
		note = "Primary and secondary key are swapped."
	}
	return p.policyChanged(c, err, policyView{}, note)
}

func (p *access) deletePolicy(c *web.Call) error {
	name := c.Path("policy")
	if err := p.opt.Policies.Delete(c.Context(), name, c.Actor()); err != nil {
		return p.policyChanged(c, err, policyView{}, "")
	}
	return c.Redirect(ui.URL("settings", "policies"), "The policy "+name+" is deleted; its keys open nothing any more.")
}
