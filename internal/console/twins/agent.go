package twins

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/configuration"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// agentForm is the configuration of a device's agent.
type agentForm struct {
	base
	ETag   tvilling.ETag
	Groups []fieldGroup
	fields []*field
	// Problems are what is wrong with what is in force, or unwise.
	Problems []agentconfig.Problem
	Preview  *agentPreview
	// Met says that the twin was changed while the form was filled in.
	Met bool
	// Errors is how many fields cannot be read, Changes how many have changed.
	Errors, Changes int
	// Original says that the agent reports, and is not tvilling-agent.
	Original, Silent, Old bool
	// Configure is where the same is set for many devices.
	Configure string

	desired []byte
}

type fieldGroup struct {
	Name, Note string
	Fields     []*field
}

// Table reports whether the group is shown as a table.
func (g fieldGroup) Table() bool { return g.Name == priorities }

// agentPreview is what a change would do.
type agentPreview struct {
	Edits    []agentconfig.Edit
	Problems []agentconfig.Problem
	Patch    string
	patch    []byte
}

// agentPage is the form as things stand.
func (a *area) agentPage(c *web.Call) error {
	f, err := a.agentForm(c)
	if err != nil {
		return a.missing(c, f.base, err)
	}
	return f.page(c)
}

func (a *area) agentForm(c *web.Call) (*agentForm, error) {
	d, err := c.Device()
	if err != nil {
		return &agentForm{}, err
	}
	b, err := a.load(c, tvilling.Identity{Device: d, Module: tvilling.SecurityModule})
	b.Tab = "agent"
	if err != nil {
		return &agentForm{base: b}, err
	}
	return a.formOf(c.Context(), b)
}

// formOf makes the form from the twin.
func (a *area) formOf(ctx context.Context, b base) (*agentForm, error) {
	f := &agentForm{base: b, ETag: b.View.ETag()}
	f.desired = b.View.Desired.AppendJSON(nil, doc.Form{Metadata: true, Actors: true})
	reported := b.View.Reported.AppendJSON(nil, doc.Form{})
	f.fields = fieldsOf(f.desired, reported)
	held, err := a.held(ctx, b)
	if err != nil {
		return f, err
	}
	for _, field := range f.fields {
		field.Held = held[field.Field()]
	}
	object, old := agentconfig.Reported(f.desired)
	if f.Old = old; old {
		object = nil
	}
	config, problems := agentconfig.Effective(object)
	f.Problems = slices.Concat(problems, agentconfig.Check(config))
	_, more := agentconfig.ReadExtension(memberOf(f.desired, agentconfig.ExtensionObject))
	f.Problems = append(f.Problems, more...)
	report, _ := agentconfig.Reported(reported)
	f.Silent = report == nil
	f.Original = !f.Silent && memberOf(reported, agentconfig.ExtensionObject) == nil
	f.Configure = f.configure()
	return f, nil
}

// held are the properties that a configuration sets, by their fields.
func (a *area) held(ctx context.Context, b base) (map[string]string, error) {
	held := map[string]string{}
	if !b.View.Desired.Configured() && b.View.Member(twin.ConfigurationsMember) == nil {
		return held, nil
	}
	why, err := a.opt.Why(ctx, b.ID)
	if err != nil {
		return nil, err
	}
	applied := map[string]bool{}
	for _, p := range why.Configurations {
		applied[p.Configuration] = p.Status == string(configuration.Applied) || p.Status == "Applied"
	}
	for _, l := range why.Leaves {
		if len(l.Wishes) == 0 || !applied[l.Wishes[0].Configuration] {
			continue
		}
		if name, ok := strings.CutPrefix(l.Path, agentconfig.Object+"."); ok {
			held[strings.TrimSuffix(name, ".value")] = l.Wishes[0].Configuration
		} else if strings.HasPrefix(l.Path, agentconfig.ExtensionObject+".") {
			held[l.Path] = l.Wishes[0].Configuration
		}
	}
	return held, nil
}

func memberOf(object []byte, name string) json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(object, &members) != nil {
		return nil // no object has no members
	}
	return members[name]
}

// configure is the page that makes a configuration with what this device has.
func (f *agentForm) configure() string {
	q := url.Values{}
	for _, field := range f.fields {
		if !field.Extension && !field.Usual() {
			q.Add("agent", field.Property+"="+field.Value)
		}
	}
	return ui.URL("configurations", "new", q)
}

func (f *agentForm) page(c *web.Call) error {
	for _, field := range f.fields {
		i := slices.IndexFunc(f.Groups, func(g fieldGroup) bool { return g.Name == field.Group })
		if i < 0 {
			i = len(f.Groups)
			f.Groups = append(f.Groups, fieldGroup{Name: field.Group, Note: f.note(field.Group)})
		}
		f.Groups[i].Fields = append(f.Groups[i].Fields, field)
		if field.Err != nil {
			f.Errors++
		}
		if field.Changed() {
			f.Changes++
		}
	}
	v := f.view("", "agentform", f)
	v.Title, v.Live, v.Scripts = "Agent configuration", ui.URL("live", "devices", f.ID.Device, "agent"), []string{"agent-form.js"}
	switch {
	case f.Met:
		v.Status = http.StatusConflict
	case f.Errors > 0:
		v.Status = http.StatusBadRequest
	}
	return c.Page(v)
}

// note says what a group is about.
func (f *agentForm) note(group string) string {
	if group == extension && f.Original {
		return "object tvillingAgent; this agent is an original one and ignores it"
	}
	return groupNotes[group]
}

// agentLive keeps sources and reports current; what is typed stays.
func (a *area) agentLive(c *web.Call) error {
	d, err := c.Device()
	if err != nil {
		return err
	}
	watch := a.opt.Pages.Devices(d)
	defer watch.Close()
	return c.Stream(web.Stream{
		Changed: []func() <-chan struct{}{watch.C},
		Fragments: func(ctx context.Context) ([]web.Fragment, error) {
			b, err := a.read(ctx, tvilling.Identity{Device: d, Module: tvilling.SecurityModule})
			if err != nil {
				return nil, err
			}
			f, err := a.formOf(ctx, b)
			if err != nil {
				return nil, err
			}
			list, err := fragments(map[string]any{"devicehead": b.Head.At("agent")})
			if err != nil {
				return nil, err
			}
			for _, field := range f.fields {
				html, err := web.Render(pages, "fieldsource", field)
				if err != nil {
					return nil, err
				}
				list = append(list, web.Fragment{ID: "s-" + field.Field(), HTML: html})
			}
			return list, nil
		},
	})
}

// agentChange previews what was typed, or saves it.
func (a *area) agentChange(c *web.Call) error {
	f, err := a.agentForm(c)
	if err != nil {
		return err
	}
	f.typed(c)
	if err := f.work(); err != nil {
		return err
	}
	if c.Raw("act") != "save" || f.Met || f.Preview == nil {
		return f.page(c)
	}
	if len(f.Preview.Edits) == 0 {
		return c.Redirect(ui.URL("devices", f.ID.Device, "agent"), "Nothing was changed, so nothing was written.")
	}
	p, err := doc.Parse(f.Preview.patch, doc.Desired)
	if err != nil {
		return err
	}
	v, err := a.opt.Twins.Patch(c.Context(), f.ID, twin.Update{Desired: p}, ifTag(string(f.ETag)), c.Actor())
	if tvilling.CodeOf(err) == tvilling.PreconditionFailed {
		return a.met(c)
	}
	if err != nil {
		return err
	}
	return c.Redirect(ui.URL("devices", f.ID.Device, "agent"), "Saved as desired version "+ui.Count(v.Desired.Version())+". The agent reports when it has taken it.")
}

// met shows the form once more over what is there now, with what was typed.
func (a *area) met(c *web.Call) error {
	f, err := a.agentForm(c)
	if err != nil {
		return err
	}
	f.typed(c)
	f.Met = true
	if err := f.work(); err != nil {
		return err
	}
	return f.page(c)
}

// typed takes what the reader has typed over into the form. What was left as it
// was shown follows the twin.
func (f *agentForm) typed(c *web.Call) {
	back, _ := strings.CutPrefix(c.Raw("act"), "default:")
	f.Met = tvilling.ETag(c.Raw("etag")) != f.ETag
	for _, field := range f.fields {
		text, was := c.Form("set."+field.Field()), c.Raw("was."+field.Field())
		if !c.R.PostForm.Has("set." + field.Field()) {
			continue // a configuration holds it
		}
		if back == field.Field() {
			text = field.Default
		}
		if text == was && back != field.Field() {
			continue
		}
		field.Theirs = was != field.Setting.Value && field.Setting.Value != text
		if field.Text = text; text == "" && field.Type != agentconfig.Events && field.Type != agentconfig.Names {
			field.Text = field.Default
		}
	}
}

// work works out what the change does; Preview is nil while a field cannot be
// read.
func (f *agentForm) work() error {
	values, texts := map[string]any{}, map[string]string{}
	object, old := agentconfig.Reported(f.desired)
	if old {
		object = nil
	}
	own := memberOf(f.desired, agentconfig.ExtensionObject)
	failed := false
	for _, field := range f.fields {
		if !field.Changed() || field.Held != "" {
			continue
		}
		var err error
		if field.Extension {
			texts[field.Property] = field.Text
			_, err = agentconfig.NewExtensionChange(own, map[string]string{field.Property: field.Text})
		} else {
			values[field.Property], err = agentconfig.Parse(field.Property, field.Text)
		}
		if field.Err = err; err != nil {
			failed = true
		}
	}
	if failed {
		return nil
	}
	return f.plan(object, own, values, texts)
}

// plan puts the patch together.
func (f *agentForm) plan(object, own []byte, values map[string]any, texts map[string]string) error {
	change, err := agentconfig.NewChange(object, values)
	if err != nil {
		return err
	}
	more, err := agentconfig.NewExtensionChange(own, texts)
	if err != nil {
		return err
	}
	var t tree
	if len(change.Edits) > 0 {
		t.set([]string{agentconfig.Object}, change.Patch)
	}
	if len(more.Edits) > 0 {
		t.set([]string{agentconfig.ExtensionObject}, more.Patch)
	}
	f.Preview = &agentPreview{Edits: append(change.Edits, more.Edits...), Problems: change.Problems, patch: t.json()}
	f.Preview.Patch = ui.JSON(f.Preview.patch)
	return nil
}
