package devices

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

const (
	// maxLines is how many devices are registered by one list.
	maxLines = 1000
	// atOnce is how many of them wait for the disk together.
	atOnce = 32
)

type newPage struct {
	Typed   url.Values
	Problem error
	// Field is the name of the control that the problem is about; Exists the
	// device that has the ID already.
	Field  string
	Exists string
	// Outcomes are those of a list.
	Outcomes []outcome
	Made     int
}

// outcome is what came of one line, or one device.
type outcome struct {
	Line   int
	Device tvilling.DeviceID
	Text   string
	Err    error
}

// Why is the error for people.
func (o outcome) Why() string { return tvilling.MessageOf(o.Err) }

// newDevice is GET /devices/new.
func (p *pages) newDevice(c *web.Call) error {
	typed := url.Values{"id": {c.Query("id")}, "auth": {"sas"}}
	return p.showNew(c, &newPage{Typed: typed})
}

func (p *pages) showNew(c *web.Call, page *newPage) error {
	v := web.View{Title: "Register device", Nav: "devices", Crumbs: crumbs(), Template: templates, Name: "new", Data: page}
	if page.Problem != nil {
		_, v.Status = c.Trouble(page.Problem)
	}
	return c.Page(v)
}

// register is POST /devices/new.
func (p *pages) register(c *web.Call) error {
	page := &newPage{Typed: c.R.PostForm}
	id := tvilling.DeviceID(c.Form("id"))
	spec := registry.Spec{ID: tvilling.Device(id), Disabled: c.Form("status") == "disabled", Auth: &registry.AuthSpec{Type: state.AuthType(c.Form("auth"))}}
	if spec.Auth.Type == state.SelfSigned {
		spec.Auth.PrimaryThumbprint = strings.ToUpper(strings.ReplaceAll(c.Form("thumbprint"), ":", ""))
		spec.Auth.SecondaryThumbprint = strings.ToUpper(strings.ReplaceAll(c.Form("thumbprint2"), ":", ""))
	}
	tags, err := readTags(c.Raw("tags"))
	if err != nil {
		page.Problem, page.Field = err, "tags"
		return p.showNew(c, page)
	}
	if err := p.make(c.Context(), spec, tags, c.Actor()); err != nil {
		page.Problem, page.Field = err, "id"
		switch {
		case tvilling.CodeOf(err) == tvilling.DeviceAlreadyExists:
			page.Exists = ui.URL("devices", id)
		case strings.Contains(strings.ToLower(tvilling.MessageOf(err)), "thumbprint"):
			page.Field = "thumbprint"
		}
		return p.showNew(c, page)
	}
	return c.Redirect(ui.URL("devices", id, "identity", url.Values{"made": {"1"}}), string(id)+" is registered, and its security module with it.")
}

// make registers a device and sets its tags. The device stays if its tags are
// refused; the error says so.
func (p *pages) make(ctx context.Context, spec registry.Spec, tags *doc.Patch, actor string) error {
	if _, err := p.Registry.Put(ctx, spec, tvilling.Match{}, actor); err != nil {
		return err
	}
	if tags == nil || tags.Empty() {
		return nil
	}
	if _, err := p.Twins.Patch(ctx, spec.ID, twin.Update{Tags: tags}, tvilling.Match{}, actor); err != nil {
		return &tvilling.Error{Code: tvilling.CodeOf(err), Op: "set tags", Subject: spec.ID.String(), Message: "The device is registered, but its tags were not set: " + tvilling.MessageOf(err), Err: err}
	}
	return nil
}

// readTags reads tags as they are typed: name=value, one a line or between
// blanks.
func readTags(text string) (*doc.Patch, error) {
	members := make(map[string]json.RawMessage)
	for word := range strings.FieldsSeq(text) {
		name, value, ok := strings.Cut(word, "=")
		if !ok || name == "" || value == "" {
			return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read tags", Path: "tags", Message: "A tag is written name=value, such as site=lab; " + strconv.Quote(cutText(word)) + " is not."}
		}
		if _, ok := members[name]; ok {
			return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read tags", Path: "tags", Message: "The tag " + strconv.Quote(cutText(name)) + " stands twice."}
		}
		members[name] = readTag(value)
	}
	if len(members) == 0 {
		return nil, nil //nolint:nilnil // no tags are no error
	}
	b, err := json.Marshal(members)
	if err != nil {
		return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read tags", Path: "tags", Message: "A value is no JSON.", Err: err}
	}
	return doc.Parse(b, doc.Tags)
}

// registerMany is POST /devices/new/many: a device a line, each with its tags
// behind its ID.
func (p *pages) registerMany(c *web.Call) error {
	text, err := listed(c)
	page := &newPage{Typed: url.Values{"list": {text}, "auth": {"sas"}}, Field: "list"}
	if err != nil {
		page.Problem = err
		return p.showNew(c, page)
	}
	lines, err := readLines(text)
	if err != nil {
		page.Problem = err
		return p.showNew(c, page)
	}
	p.makeAll(c.Context(), lines, c.Actor())
	for _, l := range lines {
		page.Outcomes = append(page.Outcomes, l.outcome)
		if l.Err == nil {
			page.Made++
		}
	}
	return p.showNew(c, page)
}

// listed is the list as it was typed, or the file.
func listed(c *web.Call) (string, error) {
	if text := strings.TrimSpace(c.Raw("list")); text != "" {
		return text, nil
	}
	if c.R.MultipartForm == nil || len(c.R.MultipartForm.File["file"]) == 0 {
		return "", &tvilling.Error{Code: tvilling.InvalidArgument, Op: "register devices", Path: "list", Message: "Type a device ID a line, or choose a file."}
	}
	f, err := c.R.MultipartForm.File["file"][0].Open()
	if err != nil {
		return "", &tvilling.Error{Code: tvilling.InvalidArgument, Op: "register devices", Path: "list", Message: "The file could not be read.", Err: err}
	}
	defer f.Close()
	return readAll(f)
}

type line struct {
	outcome

	tags *doc.Patch
}

func readLines(text string) (list []*line, err error) {
	n := 0
	for s := range strings.Lines(text) {
		n++
		s = strings.TrimSpace(s)
		if s == "" || strings.HasPrefix(s, "//") {
			continue
		}
		if len(list) == maxLines {
			return nil, &tvilling.Error{
				Code: tvilling.TooLarge, Op: "register devices", Path: "list",
				Message: "A list may have " + ui.Count(maxLines) + " devices. Nothing was registered; split it, or use tvilling device create.",
			}
		}
		// Lists come out of spreadsheets, too.
		id, rest, _ := strings.Cut(strings.ReplaceAll(strings.ReplaceAll(s, ",", " "), "\t", " "), " ")
		l := &line{outcome: outcome{Line: n, Device: tvilling.DeviceID(id)}}
		l.tags, l.Err = readTags(rest)
		list = append(list, l)
	}
	if len(list) == 0 {
		return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "register devices", Path: "list", Message: "The list has no device."}
	}
	return list, nil
}

// makeAll registers what could be read, some at once, and notes in each line
// what came of it.
func (p *pages) makeAll(ctx context.Context, lines []*line, actor string) {
	var wg sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for _, l := range lines {
		if l.Err != nil {
			continue
		}
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			l.Err = p.make(ctx, registry.Spec{ID: tvilling.Device(l.Device)}, l.tags, actor)
		})
	}
	wg.Wait()
}
