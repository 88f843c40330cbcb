package configurations

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/configuration"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// editor is the form of a new or changed configuration.
type editor struct {
	fields

	// Known says that it is there already, Copy of which it is a copy.
	Known bool
	Copy  string
	// Etag is that of the definition that the form began with, Base its fields.
	Etag tvilling.ETag
	Base string
	// Wrong are the problems by field; "" is the one of no field.
	Wrong map[string]error
	// Counted says that Count is how many twins the condition finds now.
	Counted bool
	Count   int64
	// Properties are those of the security agent's configuration.
	Properties []agentconfig.Property
	Notices    []configuration.Notice
}

// newForm is the empty form, or one that is filled by its address: kind,
// target or device, priority, and any number of agent=property=value and
// set=path=value.
func (a *area) newForm(c *web.Call) error {
	e := &editor{fields: fields{Kind: c.Query("kind"), ID: c.Query("id"), Target: c.Query("target"), Priority: c.Query("priority")}}
	if e.Priority == "" {
		e.Priority = "10"
	}
	if device := c.Query("device"); device != "" && e.Target == "" {
		e.Target = "deviceId = '" + strings.ReplaceAll(device, "'", `\'`) + "'"
	}
	for _, set := range c.Queries()["agent"] {
		e.Kind = forAgents
		name, text, _ := strings.Cut(set, "=")
		e.Agent.set(name, text)
	}
	content := make(map[string]json.RawMessage)
	for _, set := range c.Queries()["set"] {
		name, text, _ := strings.Cut(set, "=")
		raw := json.RawMessage(text)
		if !json.Valid(raw) {
			b, err := json.Marshal(text)
			if err != nil {
				return err
			}
			raw = b
		}
		content[name] = raw
	}
	if len(content) > 0 {
		b, err := json.MarshalIndent(content, "", "  ")
		if err != nil {
			return err
		}
		e.Content = string(b)
	}
	e.fields = e.fill()
	return a.form(c, e, 0)
}

// editForm is the form of a configuration that is there.
func (a *area) editForm(c *web.Call) error {
	conf, err := a.Service.Get(c.Context(), c.Path("id"))
	if err != nil {
		return err
	}
	e, err := begin(&conf)
	if err != nil {
		return err
	}
	return a.form(c, e, 0)
}

// begin is the form of a configuration as it is.
func begin(conf *configuration.Configuration) (*editor, error) {
	e := &editor{fields: write(conf), Known: true, Etag: conf.ETag()}
	b, err := json.Marshal(e.fields)
	if err != nil {
		return nil, err
	}
	e.Base = string(b)
	return e, nil
}

// copyForm is the form of a new configuration like one that is there, of the
// next higher priority.
func (a *area) copyForm(c *web.Call) error {
	conf, err := a.Service.Get(c.Context(), c.Path("id"))
	if err != nil {
		return err
	}
	conf.Priority++
	e := &editor{fields: write(&conf), Copy: conf.ID}
	e.ID = ""
	return a.form(c, e, 0)
}

// form answers with the form.
func (a *area) form(c *web.Call, e *editor, status int) error {
	e.Properties = agentconfig.Properties()
	if e.Target != "" && e.Wrong["target"] == nil {
		n, err := a.count(c.Context(), &e.fields)
		if err == nil {
			e.Count, e.Counted = n, true
		} else if tvilling.CodeOf(err) == tvilling.InvalidTargetCondition || tvilling.CodeOf(err) == tvilling.InvalidArgument {
			e.problem("target", err)
		}
	}
	title, above := "New configuration", []web.Link(nil)
	if e.Known {
		title, above = "Edit", []web.Link{self(e.ID)}
	}
	v := view(title, "form", e, above...)
	v.Status = status
	return c.Page(v)
}

func (e *editor) problem(field string, err error) {
	if e.Wrong == nil {
		e.Wrong = make(map[string]error)
	}
	e.Wrong[field] = err
}

func (a *area) count(ctx context.Context, f *fields) (int64, error) {
	return a.Service.Count(ctx, f.kind(), f.target(f.Target))
}

// create makes a configuration, or shows what it would do.
func (a *area) create(c *web.Call) error {
	return a.submit(c, &editor{fields: read(c), Copy: c.Form("copy")})
}

// update changes a configuration, or shows what that would do.
func (a *area) update(c *web.Call) error {
	f := read(c)
	f.ID = c.Path("id")
	conf, err := a.Service.Get(c.Context(), f.ID)
	if err != nil {
		return err
	}
	was := write(&conf)
	f.Kind, f.Content, f.Agent = was.Kind, was.Content, was.Agent
	return a.submit(c, &editor{fields: f, Known: true, Etag: tvilling.ETag(c.Form("etag")), Base: c.Raw("base")})
}

// submit does what the pressed button says with what was typed.
func (a *area) submit(c *web.Call, e *editor) error {
	conf, wrong := e.configuration()
	if e.Known {
		conf.Content = nil
		delete(wrong, "content")
	}
	if e.Wrong = wrong; len(wrong) > 0 {
		return a.form(c, e, http.StatusBadRequest)
	}
	switch c.Form("act") {
	case "count", "back":
		e.Notices = a.Service.Notices(conf)
		return a.form(c, e, 0)
	case "save":
		return a.save(c, e, conf)
	default:
		return a.preview(c, e, conf)
	}
}

// save puts the configuration.
func (a *area) save(c *web.Call, e *editor, conf configuration.Configuration) error {
	match := tvilling.Match{}
	if e.Known {
		match = tvilling.ParseMatch(string(e.Etag))
	}
	got, err := a.Service.Put(c.Context(), conf, match, c.Actor())
	switch {
	case err == nil:
	case e.Known && tvilling.CodeOf(err) == tvilling.PreconditionFailed:
		return a.conflict(c, e)
	case !e.refused(err):
		return err
	default:
		return a.form(c, e, http.StatusBadRequest)
	}
	note := got.ID + " is made, and is being applied."
	switch {
	case e.Known:
		note = got.ID + " is changed."
	case got.Paused:
		note = got.ID + " is made. It writes nothing until it is resumed."
	}
	return c.Redirect(ui.URL("configurations", got.ID), note)
}

// refused puts a refusal of the core beside the field that it is about; false
// for what is no fault of the fields.
func (e *editor) refused(err error) bool {
	t, ok := errors.AsType[*tvilling.Error](err)
	if !ok || t.Code == tvilling.Internal || t.Code == tvilling.Unavailable || t.Code == tvilling.Throttled {
		return false
	}
	field := ""
	for prefix, name := range map[string]string{
		"id": "id", "priority": "priority", "labels": "labels", "content": "content", "properties.desired": "content", "targetCondition": "target",
		"metrics": "metrics", "rollout.steps": "steps", "rollout.wait": "wait", "rollout.unhealthy": "unhealthy", "rollout.limit": "limit", "rollout.onUnhealthy": "reaction",
	} {
		if t.Path == prefix || strings.HasPrefix(t.Path, prefix+".") || strings.HasPrefix(t.Path, prefix+"[") {
			field = name
		}
	}
	if t.Code == tvilling.ConfigurationAlreadyExists {
		field, err = "id", tvilling.Errorf(t.Code, "There is a configuration %s already; choose another id.", e.ID)
	}
	e.problem(field, err)
	return true
}

// Problem is what is wrong with a field, beside it.
func (e *editor) Problem(field string) any { return web.Problem(e.Wrong[field]) }

// Invalid reports whether something is wrong with a field.
func (e *editor) Invalid(field string) bool { return e.Wrong[field] != nil }

// Prefix is what stands before the condition that is typed.
func (e *editor) Prefix() string {
	switch e.Kind {
	case forModules:
		return modulesPrefix
	case forAgents:
		return modulesPrefix + " " + security + " and"
	default:
		return ""
	}
}

// Editable reports whether the values can be typed.
func (e *editor) Editable() bool { return !e.Known }

// Action is the address that the form is sent to.
func (e *editor) Action() string {
	if e.Known {
		return ui.URL("configurations", e.ID, "edit")
	}
	return ui.URL("configurations", "new")
}

// Hidden are all fields, for a page that shows something else and sends them on.
func (e *editor) Hidden() (list []value) {
	add := func(name, text string) { list = append(list, value{Path: name, JSON: text}) }
	add("id", e.ID)
	add("kind", e.Kind)
	add("target", e.Target)
	add("priority", e.Priority)
	add("content", e.Content)
	add("labels", e.Labels)
	add("steps", e.Steps)
	add("wait", e.Wait)
	add("unhealthy", e.Unhealthy)
	add("limit", e.Limit)
	add("reaction", e.Reaction)
	add("copy", e.Copy)
	add("etag", string(e.Etag))
	add("base", e.Base)
	if e.Paused {
		add("paused", "on")
	}
	for _, m := range e.Metrics {
		add("metric", m.Name)
		add("query", m.Query)
	}
	for _, name := range sortedNames(e.Agent) {
		add("agent."+name, e.Agent[name])
	}
	return list
}

func sortedNames(m pairs) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
