package twins

import (
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
	"github.com/tvilling/tvilling/internal/hub/history"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// editor is the role that may change twins.
const editor = account.Operator

// oneValue is the form of one value, in the place of its row.
type oneValue struct {
	base
	Part doc.Part
	Path []string
	// Text is the value as JSON, as it is or as it was typed.
	Text string
	// Back is the page without the form, Query what chooses its rows.
	Back, Query string
	Problem     error
	// Theirs is the value as it is now, if somebody has changed the twin since
	// the form was made.
	Theirs *string
}

// Name is the value as queries write it.
func (o oneValue) Name() string {
	e := history.Edit{Part: history.Desired, Path: o.Path}
	if o.Part == doc.Tags {
		e.Part = history.Tags
	}
	return e.Name()
}

// Key is the path in a field of the form.
func (o oneValue) Key() string { return writePath(o.Path) }

// Field is the part in a field of the form.
func (o oneValue) Field() string {
	if o.Part == doc.Tags {
		return "tags"
	}
	return "desired"
}

// ifTag lets a change through if the twin is as it was when a form was made.
func ifTag(tag string) tvilling.Match {
	return tvilling.Match{Given: true, Tag: tvilling.ETag(tag)}
}

// editing reads which value is edited in place, nil for none.
func editing(q url.Values) (path []string, part doc.Part) {
	path, _ = readPath(q.Get("edit"))
	if q.Get("part") == "tags" {
		return path, doc.Tags
	}
	return path, doc.Desired
}

// setOne writes one value, or removes it.
func (a *area) setOne(c *web.Call) error {
	id, err := c.Identity()
	if err != nil {
		return err
	}
	b, err := a.load(c, id)
	if err != nil {
		return err
	}
	path, ok := readPath(c.Raw("path"))
	if !ok {
		return tvilling.Errorf(tvilling.InvalidArgument, "The form does not say which value it is about. Open the twin again.")
	}
	query, err := url.ParseQuery(c.Raw("query"))
	if err != nil {
		query = url.Values{}
	}
	o := oneValue{base: b, Part: doc.Desired, Path: path, Text: c.Form("value"), Back: address(id, query), Query: query.Encode()}
	if c.Raw("part") == "tags" {
		o.Part = doc.Tags
	}
	value := o.Text
	if c.Raw("act") == "remove" {
		value = "null"
	}
	update, err := o.update(value)
	if err == nil {
		_, err = a.opt.Twins.Patch(c.Context(), id, update, ifTag(c.Raw("etag")), c.Actor())
	}
	if err == nil {
		return c.Redirect(o.Back, o.Name()+done(value))
	}
	if code := tvilling.CodeOf(err); code != tvilling.InvalidArgument && code != tvilling.PreconditionFailed {
		return err
	}
	return a.again(c, o, query, err)
}

func done(value string) string {
	if value == "null" {
		return " is removed."
	}
	return " is saved."
}

// update is the patch that sets one value.
func (o *oneValue) update(value string) (u twin.Update, err error) {
	patch := tree{}
	patch.set(o.Path, []byte(value))
	p, err := doc.Parse(patch.json(), o.Part)
	if err != nil {
		return u, err
	}
	if o.Part == doc.Tags {
		u.Tags = p
	} else {
		u.Desired = p
	}
	return u, nil
}

// again shows the form once more, with what was typed and what is wrong.
func (a *area) again(c *web.Call, o oneValue, query url.Values, problem error) error {
	b, err := a.load(c, o.ID)
	if err != nil {
		return err
	}
	o.base, o.Problem = b, problem
	if tvilling.CodeOf(problem) == tvilling.PreconditionFailed {
		section, now := b.View.Desired, "nothing"
		if o.Part == doc.Tags {
			section = b.View.Tags
		}
		if v, ok := section.Lookup(o.Path...); ok {
			now = string(v.AppendJSON(nil))
		}
		o.Theirs = &now
	}
	p, err := a.compare(c.Context(), b, query)
	if err != nil {
		return err
	}
	p.Edit = &o
	v := p.view("", "comparison", p)
	v.Status = http.StatusBadRequest
	if o.Theirs != nil {
		v.Status = http.StatusConflict
	}
	for g := range p.Groups {
		for i := range p.Groups[g].Rows {
			if r := &p.Groups[g].Rows[i]; o.Part == doc.Desired && strings.Join(r.Path, "\x00") == strings.Join(o.Path, "\x00") {
				r.Edit = &o
			}
		}
	}
	return c.Page(v)
}

// Trouble is what the hub said of the value.
func (o oneValue) Trouble() template.HTML { return web.Problem(o.Problem) }
