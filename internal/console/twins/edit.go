package twins

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/history"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// edition is a section of a twin in the editor.
type edition struct {
	base
	Part history.Part
	// Whole says that the section is written anew, else only what was changed.
	Whole bool
	// Text is what is in the editor, From what it was made of, which is the
	// section of the twin with this etag and version.
	Text, From string
	ETag       tvilling.ETag
	Version    int64
	// Size is what the section counts for the limit.
	Size, Limit int
	Problem     *problem
	// Previewed says that Edits and Patch are what would be written.
	Previewed bool
	Edits     []history.Edit
	Patch     string
	Conflict  *conflict
}

// Changes are the edits as they are shown.
func (e *edition) Changes() []change { return changes(e.Edits) }

// Other is the address of the editor of the other section.
func (e *edition) Other() string {
	if e.Part == history.Tags {
		return e.URL("edit")
	}
	return e.URL("edit") + "?part=tags"
}

// doc is the part as documents name it.
func (e *edition) doc() doc.Part {
	if e.Part == history.Tags {
		return doc.Tags
	}
	return doc.Desired
}

// section is the part of the twin as it is.
func (e *edition) section() doc.Section {
	if e.Part == history.Tags {
		return e.View.Tags
	}
	return e.View.Desired
}

// editPage is the editor with the section as it is.
func (a *area) editPage(c *web.Call) error {
	e, err := a.edition(c, c.Query("part"))
	if err != nil {
		return err
	}
	return e.page(c)
}

func (a *area) edition(c *web.Call, part string) (*edition, error) {
	id, err := c.Identity()
	if err != nil {
		return nil, err
	}
	b, err := a.load(c, id)
	if err != nil {
		return nil, err
	}
	e := &edition{base: b, Part: history.Desired, Limit: 32 << 10}
	if part == "tags" {
		e.Part, e.Limit = history.Tags, 8<<10
	}
	e.fresh()
	return e, nil
}

// fresh puts the twin as it is into the editor.
func (e *edition) fresh() {
	s := e.section()
	e.From = ui.JSON(s.AppendJSON(nil, doc.Form{}))
	e.Text, e.ETag, e.Version, e.Size = e.From, e.View.ETag(), e.View.Version, s.Size()
}

func (e *edition) page(c *web.Call) error {
	title := "Edit desired properties"
	if e.Part == history.Tags {
		title = "Edit tags"
	}
	v := e.view(title, "edition", e)
	v.Scripts = []string{"json-editor.js"}
	switch {
	case e.Problem != nil:
		v.Status = http.StatusBadRequest
	case e.Conflict != nil:
		v.Status = http.StatusConflict
	}
	return c.Page(v)
}

// edit previews what was typed, saves it, or settles a conflict.
func (a *area) edit(c *web.Call) error {
	e, err := a.edition(c, c.Raw("part"))
	if err != nil {
		return err
	}
	e.Text, e.From, e.ETag, e.Whole = lines(c.Raw("text")), lines(c.Raw("from")), tvilling.ETag(c.Raw("etag")), c.Raw("write") == "whole"
	e.Version, _ = strconv.ParseInt(c.Raw("version"), 10, 64) // only told to the reader
	switch c.Raw("act") {
	case "save":
		return a.save(c, e)
	case "resolve":
		return a.resolve(c, e)
	}
	if e.ETag != e.View.ETag() {
		return a.collide(c, e)
	}
	e.preview()
	return e.page(c)
}

// preview works out what would be written.
func (e *edition) preview() (*doc.Patch, bool) {
	from, err := sectionOf(e.From, e.doc())
	if err != nil {
		e.Problem = problemOf(err, e.Text)
		return nil, false
	}
	mine, err := sectionOf(e.Text, e.doc())
	if err != nil {
		e.Problem = problemOf(err, e.Text)
		return nil, false
	}
	e.Size, e.Edits, e.Previewed = mine.Size(), history.Diff(e.Part, from, mine), true
	body := patchOf(e.Edits, mine, e.wholes())
	if e.Whole {
		body = wholePatch(e.Edits, mine)
	}
	p, err := doc.Parse(body, e.doc())
	if err != nil {
		e.Problem = problemOf(err, e.Text)
		return nil, false
	}
	e.Patch = ui.JSON(body)
	return p, true
}

// wholes are the members of which a device is always told all.
func (e *edition) wholes() []string {
	if e.Security() && e.Part == history.Desired {
		return []string{agentconfig.Object, agentconfig.OldObject}
	}
	return nil
}

func (a *area) save(c *web.Call, e *edition) error {
	p, ok := e.preview()
	if !ok {
		return e.page(c)
	}
	if len(e.Edits) == 0 && !e.Whole && e.ETag == e.View.ETag() {
		return c.Redirect(e.URL(), "Nothing was changed, so nothing was written.")
	}
	u := twin.Update{Desired: p}
	if e.Part == history.Tags {
		u = twin.Update{Tags: p}
	}
	v, err := a.opt.Twins.Patch(c.Context(), e.ID, u, ifTag(string(e.ETag)), c.Actor())
	switch tvilling.CodeOf(err) {
	case "":
		return c.Redirect(e.URL(), "Saved: the twin is at version "+strconv.FormatInt(v.Version, 10)+".")
	case tvilling.PreconditionFailed:
		if e.View, err = a.opt.Twins.Get(c.Context(), e.ID); err != nil {
			return err
		}
		return a.collide(c, e)
	case tvilling.InvalidArgument:
		e.Problem = problemOf(err, e.Text)
		return e.page(c)
	default:
		return err
	}
}

// conflict is a change that met another one.
type conflict struct {
	meeting
	// By are the changes that came between, newest first.
	By []history.Version
	// Theirs is the etag of what is there now.
	Theirs tvilling.ETag
	// Asked says that a choice is missing.
	Asked bool
}

// collide shows both changes, and asks.
func (a *area) collide(c *web.Call, e *edition) error {
	from, err := sectionOf(e.From, e.doc())
	if err != nil {
		return err
	}
	mine, err := sectionOf(e.Text, e.doc())
	if err != nil {
		e.Problem = problemOf(err, e.Text)
		return e.page(c)
	}
	theirs, err := sectionOf(ui.JSON(e.section().AppendJSON(nil, doc.Form{})), e.doc())
	if err != nil {
		return err
	}
	m := meet(e.Part, from, mine, theirs)
	if len(m.Theirs) == 0 {
		// What changed is elsewhere in the twin: nothing meets.
		e.ETag, e.Version = e.View.ETag(), e.View.Version
		e.preview()
		return e.page(c)
	}
	e.Conflict = &conflict{meeting: m, Theirs: e.View.ETag(), Asked: c.Raw("act") == "resolve"}
	e.Conflict.By, err = a.between(c.Context(), e)
	if err != nil {
		return err
	}
	e.Previewed = false
	return e.page(c)
}

// between are the newest changes since the editor was opened.
func (a *area) between(ctx context.Context, e *edition) (list []history.Version, err error) {
	page, err := a.opt.History.Versions(ctx, e.ID, history.Query{Limit: 10, Parts: []history.Part{e.Part}})
	if err != nil {
		return nil, err
	}
	for _, v := range page.Versions {
		if v.Version > e.Version {
			list = append(list, v)
		}
	}
	return list, nil
}

// resolve does what was chosen in a conflict. What is written next is shown
// first, against what is there now.
func (a *area) resolve(c *web.Call, e *edition) error {
	choice := c.Raw("choice")
	if choice == "theirs" {
		return c.Redirect(e.URL(), "The twin stays as the other change left it. Yours is dropped.")
	}
	if choice != "merge" && choice != "mine" || tvilling.ETag(c.Raw("theirs")) != e.View.ETag() {
		return a.collide(c, e) // nothing chosen, or changed once more
	}
	now := ui.JSON(e.section().AppendJSON(nil, doc.Form{}))
	if choice == "merge" {
		text, err := e.merge(now)
		if err != nil {
			e.Problem = problemOf(err, e.Text)
			return e.page(c)
		}
		e.Text = text
	}
	e.From, e.ETag, e.Version = now, e.View.ETag(), e.View.Version
	e.preview()
	return e.page(c)
}

// merge is what is there now with those of the reader's changes that nobody
// else has touched.
func (e *edition) merge(now string) (string, error) {
	from, err1 := sectionOf(e.From, e.doc())
	mine, err2 := sectionOf(e.Text, e.doc())
	theirs, err3 := sectionOf(now, e.doc())
	if err := errors.Join(err1, err2, err3); err != nil {
		return "", err
	}
	merged, err := meet(e.Part, from, mine, theirs).merged(theirs, e.doc())
	if err != nil {
		return "", err
	}
	return ui.JSON(merged.AppendJSON(nil, doc.Form{})), nil
}
