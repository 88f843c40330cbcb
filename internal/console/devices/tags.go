package devices

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/devicehead"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// sectionTags are all tags of a twin, by their names.
func sectionTags(s doc.Section) ([]tag, error) {
	members, err := tagMembers(s)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	list := make([]tag, len(names))
	for i, name := range names {
		list[i] = newTag(name, members[name])
	}
	return list, nil
}

func tagMembers(s doc.Section) (map[string]json.RawMessage, error) {
	members := make(map[string]json.RawMessage)
	if err := json.Unmarshal(s.AppendJSON(nil, doc.Form{}), &members); err != nil {
		return nil, &tvilling.Error{Code: tvilling.Corrupt, Op: "read tags", Err: err}
	}
	return members, nil
}

// tagField is a tag in the form: its value as one types it.
type tagField struct{ Name, Value string }

// typedTag is a value as one types it: a text as it is, unless it would be read
// as something else, and all else as JSON.
func typedTag(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) != nil {
		return string(value)
	}
	control := func(r rune) bool { return r < ' ' }
	if text == "" || isJSON(text) || text != strings.TrimSpace(text) || strings.ContainsFunc(text, control) {
		return string(value)
	}
	return text
}

// readTag is the value of what was typed.
func readTag(typed string) json.RawMessage {
	if isJSON(typed) {
		return json.RawMessage(typed)
	}
	b, err := json.Marshal(typed)
	if err != nil {
		panic(err) // a text
	}
	return b
}

// isJSON reports whether a text is a JSON value that is no bare word.
func isJSON(text string) bool { return text != "" && json.Valid([]byte(text)) }

type tagsPage struct {
	Head   devicehead.Head
	Fields []tagField
	ETag   string
	// Was are the tags that the form began with.
	Was []tagField
	// Problem is why the tags were not saved; Theirs are those that are there
	// now, if somebody else has changed them meanwhile.
	Problem error
	Theirs  []conflict
}

// conflict is a tag that stands otherwise in the hub than in the form.
type conflict struct{ Name, Before, Theirs, Yours string }

// tagsPage is GET /devices/{device}/tags.
func (p *pages) tagsPage(c *web.Call) error {
	d, err := c.Device()
	if err != nil {
		return err
	}
	v, err := p.Twins.Get(c.Context(), tvilling.Device(d))
	if err != nil {
		return err
	}
	members, err := tagMembers(v.Tags)
	if err != nil {
		return err
	}
	return p.showTags(c, d, &tagsPage{Fields: append(tagFields(members), tagField{}, tagField{}), Was: tagFields(members), ETag: string(v.ETag())})
}

func tagFields(members map[string]json.RawMessage) []tagField {
	list := make([]tagField, 0, len(members)+2)
	for name, value := range members {
		list = append(list, tagField{name, typedTag(value)})
	}
	slices.SortFunc(list, func(a, b tagField) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (p *pages) showTags(c *web.Call, d tvilling.DeviceID, page *tagsPage) error {
	head, err := devicehead.Load(c.Context(), p.Head, d)
	if err != nil {
		return err
	}
	page.Head = head.At("summary")
	v := web.View{Title: "Tags", Nav: "devices", Crumbs: under(d), Template: templates, Name: "tags", Data: page}
	if page.Problem != nil {
		_, v.Status = c.Trouble(page.Problem)
	}
	return c.Page(v)
}

// saveTags is POST /devices/{device}/tags.
func (p *pages) saveTags(c *web.Call) error {
	d, err := c.Device()
	if err != nil {
		return err
	}
	names, values, before, were := c.FormList("name"), c.FormList("value"), c.FormList("before"), c.FormList("was")
	page := &tagsPage{ETag: c.Form("etag")}
	for i, name := range names {
		if i < len(values) {
			page.Fields = append(page.Fields, tagField{strings.TrimSpace(name), strings.TrimSpace(values[i])})
		}
	}
	old := make(map[string]string)
	for i, name := range before {
		if i < len(were) && name != "" {
			old[name] = were[i]
		}
	}
	patch, err := tagPatch(page.Fields, old)
	if err == nil && string(patch) == "{}" {
		return c.Redirect(ui.URL("devices", d), "No tag was changed.")
	}
	if err == nil {
		err = p.patchTags(c, d, patch, page.ETag)
	}
	switch {
	case err == nil:
		return c.Redirect(ui.URL("devices", d), "The tags are saved.")
	case tvilling.CodeOf(err) == tvilling.DeviceNotFound:
		return err
	case tvilling.CodeOf(err) == tvilling.PreconditionFailed:
		if err := p.conflict(c, d, page, old); err != nil {
			return err
		}
	}
	if page.Problem = err; page.Theirs == nil {
		for i, name := range before {
			if i < len(were) {
				page.Was = append(page.Was, tagField{name, were[i]})
			}
		}
	}
	return p.showTags(c, d, page)
}

func (p *pages) patchTags(c *web.Call, d tvilling.DeviceID, patch []byte, etag string) error {
	tags, err := doc.Parse(patch, doc.Tags)
	if err != nil {
		return err
	}
	if etag == "" {
		return tvilling.Errorf(tvilling.InvalidArgument, "The form has lost the version of the tags that it began with. Open it anew.")
	}
	_, err = p.Twins.Patch(c.Context(), tvilling.Device(d), twin.Update{Tags: tags}, tvilling.ParseMatch(etag), c.Actor())
	return err
}

// tagPatch is the change from the tags as they were to those of the form.
func tagPatch(fields []tagField, old map[string]string) ([]byte, error) {
	patch := make(map[string]json.RawMessage)
	seen := make(map[string]bool)
	for _, f := range fields {
		switch {
		case f.Name == "" && f.Value == "":
			continue
		case f.Name == "":
			return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "save tags", Message: "The value " + strconv.Quote(cutText(f.Value)) + " has no name. Give it one, or empty the value, too."}
		case seen[f.Name]:
			return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "save tags", Message: "The tag " + strconv.Quote(f.Name) + " stands twice. Leave it once."}
		}
		seen[f.Name] = true
		was, had := old[f.Name]
		switch {
		case f.Value == "" && had:
			patch[f.Name] = json.RawMessage("null")
		case f.Value == "":
			return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "save tags", Message: "The tag " + strconv.Quote(f.Name) + ` has no value. An empty text is written "".`}
		case had && was == f.Value:
		default:
			if had && isObject(readTag(f.Value)) && isObject(readTag(was)) {
				return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "save tags", Message: "The tag " + strconv.Quote(f.Name) + " is an object: change it on the page of the device twin, where its members are seen one by one."}
			}
			patch[f.Name] = readTag(f.Value)
		}
	}
	for name := range old {
		if !seen[name] {
			patch[name] = json.RawMessage("null")
		}
	}
	b, err := json.Marshal(patch)
	if err != nil {
		return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "save tags", Message: "A value is no JSON.", Err: err}
	}
	return b, nil
}

func isObject(v json.RawMessage) bool { return bytes.HasPrefix(bytes.TrimSpace(v), []byte("{")) }

func cutText(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// conflict puts beside what was typed what somebody else has saved meanwhile.
// Saved again, the form goes over that.
func (p *pages) conflict(c *web.Call, d tvilling.DeviceID, page *tagsPage, old map[string]string) error {
	v, err := p.Twins.Get(c.Context(), tvilling.Device(d))
	if err != nil {
		return err
	}
	members, err := tagMembers(v.Tags)
	if err != nil {
		return err
	}
	yours := make(map[string]string)
	for _, f := range page.Fields {
		if f.Name != "" {
			yours[f.Name] = f.Value
		}
	}
	theirs := make(map[string]string)
	for _, f := range tagFields(members) {
		theirs[f.Name] = f.Value
	}
	all := make(map[string]bool)
	for _, set := range []map[string]string{yours, theirs, old} {
		for name := range set {
			all[name] = true
		}
	}
	for name := range all {
		if theirs[name] != old[name] || yours[name] != old[name] {
			page.Theirs = append(page.Theirs, conflict{name, old[name], theirs[name], yours[name]})
		}
	}
	slices.SortFunc(page.Theirs, func(a, b conflict) int { return strings.Compare(a.Name, b.Name) })
	// What they changed and you did not is theirs in the form, too.
	for i, f := range page.Fields {
		if f.Name != "" && f.Value == old[f.Name] {
			page.Fields[i].Value = theirs[f.Name]
		}
	}
	for name, value := range theirs {
		if _, ok := yours[name]; !ok && old[name] == "" {
			page.Fields = append(page.Fields, tagField{name, value})
		}
	}
	page.Fields = slices.DeleteFunc(page.Fields, func(f tagField) bool { return f.Name != "" && f.Value == "" && yours[f.Name] == old[f.Name] })
	page.ETag = string(v.ETag())
	page.Was = tagFields(members)
	return nil
}
