package devices

import (
	"context"
	"encoding/json"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

const (
	// named is how many devices a confirmation names.
	named = 20
	// patience is how long an act is waited for before its progress is shown.
	patience = 2 * time.Second
)

// readAll reads a file that was uploaded, which parsing has bounded.
func readAll(r io.Reader) (string, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return "", &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read file", Path: "list", Message: "The file could not be read.", Err: err}
	}
	return string(b), nil
}

type bulkPage struct {
	Act   act
	Back  string
	Query string
	From  string
	// All says that the act is about all devices that the query finds, IDs are
	// those that were ticked.
	All bool
	IDs []tvilling.DeviceID
	// Total is how many devices it is about, Named the first of them.
	Total   int64
	Named   []tvilling.DeviceID
	Problem error
	Field   string
	// Matching is how many the whole query finds, for the way to all of them; 0
	// if that is not offered.
	Matching int64
	TooMany  bool
}

// Words says what is asked.
func (b *bulkPage) Words() string {
	switch b.Act.Name {
	case "tag":
		return "Set a tag on " + ui.Plural(b.Total, "device")
	case "untag":
		return "Remove a tag from " + ui.Plural(b.Total, "device")
	case "enable":
		return "Enable " + ui.Plural(b.Total, "device")
	case "disable":
		return "Disable " + ui.Plural(b.Total, "device")
	default:
		return "Delete " + ui.Plural(b.Total, "device")
	}
}

// Effect says what it does.
func (b *bulkPage) Effect() string {
	switch b.Act.Name {
	case "tag":
		return "Each device gets the tag, or has its value replaced. Configurations that target the tag follow."
	case "untag":
		return "Each device loses the tag, if it has it. Configurations that target the tag follow."
	case "enable":
		return "Each device may connect again with the credentials that it has."
	case "disable":
		return "Each device is disconnected and refused, with all its modules, until it is enabled again. Twins, alerts and history stay."
	default:
		return "Each device is disconnected and refused, and its identity, its modules and its twins are gone for good. Its alerts and history stay until their time is over."
	}
}

// Rest is how many devices are not named.
func (b *bulkPage) Rest() int64 { return b.Total - int64(len(b.Named)) }

func acts(name string) bool {
	switch name {
	case "tag", "untag", "enable", "disable", "delete":
		return true
	}
	return false
}

// readBulk reads what was ticked and what is to be done.
func (p *pages) readBulk(c *web.Call) (*bulkPage, error) {
	b := &bulkPage{
		Act:  act{Name: c.Form("act"), Tag: c.Form("tag"), Value: c.Form("value"), Reason: c.Form("reason"), Actor: c.Actor()},
		Back: web.Local(c.Form("back")), All: c.Form("all") == "1",
	}
	if !acts(b.Act.Name) {
		return nil, tvilling.Errorf(tvilling.InvalidArgument, "Choose what to do with the devices.")
	}
	back, err := url.Parse(b.Back)
	if err != nil {
		return nil, tvilling.Errorf(tvilling.InvalidArgument, "The form has lost the list that it came from. Go back to the list.")
	}
	b.Query, b.From = back.Query().Get("q"), back.Query().Get("from")
	ids := c.FormList("id")
	if len(ids) > pageSize {
		return nil, tvilling.Errorf(tvilling.TooLarge, "At most %d devices are ticked at once; all that a query finds can be chosen on the next page.", pageSize)
	}
	for _, id := range ids {
		b.IDs = append(b.IDs, tvilling.DeviceID(id))
	}
	return b, nil
}

// bulk is POST /bulk: it shows what an act would do, and changes nothing.
func (p *pages) bulk(c *web.Call) error {
	b, err := p.readBulk(c)
	if err != nil {
		return err
	}
	if len(b.IDs) == 0 && !b.All {
		return c.Redirect(b.Back, "No device was ticked.")
	}
	return p.showBulk(c, b)
}

func (p *pages) showBulk(c *web.Call, b *bulkPage) error {
	l, err := readListing(url.Values{"q": {b.Query}, "from": {b.From}})
	if err != nil {
		return err
	}
	find, err := l.condition.compile(l.from, "")
	if err != nil {
		return err
	}
	stats, err := p.Registry.Statistics(c.Context())
	if err != nil {
		return err
	}
	if b.Matching, _, err = p.counts.of(c.Context(), l.condition, l.from, stats.Devices, b.All); err != nil {
		return err
	}
	b.TooMany = b.Matching > MaxBatch
	b.Total, b.Named = int64(len(b.IDs)), b.IDs
	if b.All {
		b.Total, b.Named = b.Matching, nil
		for id, err := range p.Search.Each(c.Context(), find, tvilling.Identity{}) {
			if err != nil {
				return err
			}
			if b.Named = append(b.Named, id.Device); len(b.Named) == named {
				break
			}
		}
	}
	b.Named = b.Named[:min(len(b.Named), named)]
	v := web.View{Title: b.Words(), Nav: "devices", Crumbs: crumbs(), Template: templates, Name: "bulk", Data: b}
	if b.Problem != nil {
		_, v.Status = c.Trouble(b.Problem)
	}
	return c.Page(v)
}

// runBulk is POST /bulk/run.
func (p *pages) runBulk(c *web.Call) error {
	b, err := p.readBulk(c)
	if err != nil {
		return err
	}
	if b.Problem, b.Field = b.Act.check(), "tag"; b.Problem != nil {
		return p.showBulk(c, b)
	}
	ids := b.IDs
	if b.All {
		l, err := readListing(url.Values{"q": {b.Query}, "from": {b.From}})
		if err != nil {
			return err
		}
		find, err := l.condition.compile(l.from, "")
		if err != nil {
			return err
		}
		if ids, err = p.matching(c.Context(), find); err != nil {
			return err
		}
	}
	if b.Act.Name == "delete" && c.Form("confirm") != strconv.Itoa(len(ids)) {
		b.Field = "confirm"
		b.Problem = &tvilling.Error{Code: tvilling.InvalidArgument, Op: "delete devices", Path: "confirm", Message: "Nothing was deleted. Type how many devices are to be deleted: " + strconv.Itoa(len(ids)) + "."}
		return p.showBulk(c, b)
	}
	run, err := p.Batches.start(b.Act, ids)
	if err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	select {
	case <-run.done:
	case <-wait.Done():
	}
	return c.Redirect(ui.URL("bulk", run.ID, url.Values{"back": {b.Back}}), "")
}

// check looks at what an act needs before it begins.
func (a act) check() error {
	if a.Name != "tag" && a.Name != "untag" {
		return nil
	}
	if a.Tag == "" {
		return &tvilling.Error{Code: tvilling.InvalidArgument, Op: "set tag", Path: "tag", Message: "Type the name of the tag."}
	}
	if a.Name == "tag" && a.Value == "" {
		return &tvilling.Error{Code: tvilling.InvalidArgument, Op: "set tag", Path: "value", Message: "Type the value of the tag."}
	}
	_, err := a.patch()
	return err
}

func (a act) patch() (*doc.Patch, error) {
	value := json.RawMessage("null")
	if a.Name == "tag" {
		value = readTag(a.Value)
	}
	b, err := json.Marshal(map[string]json.RawMessage{a.Tag: value})
	if err != nil {
		return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "set tag", Path: "value", Message: "The value is no JSON.", Err: err}
	}
	return doc.Parse(b, doc.Tags)
}

type outcomePage struct {
	Back     string
	Progress progress
}

// outcome is GET /bulk/{batch}.
func (p *pages) outcome(c *web.Call) error {
	b := p.Batches.get(c.Path("batch"))
	if b == nil {
		return tvilling.Errorf(tvilling.NotFound, "What came of this act is not kept any more: the hub was started anew, or %d others followed.", maxKept)
	}
	page := &outcomePage{Back: web.Local(c.Query("back")), Progress: b.progress()}
	v := web.View{Title: page.Progress.Words(), Nav: "devices", Crumbs: crumbs(), Template: templates, Name: "outcome", Data: page}
	if !page.Progress.Ended {
		v.Live = ui.URL("live", "bulk", b.ID)
	}
	return c.Page(v)
}

// liveOutcome is GET /live/bulk/{batch}.
func (p *pages) liveOutcome(c *web.Call) error {
	b := p.Batches.get(c.Path("batch"))
	if b == nil {
		return tvilling.Errorf(tvilling.NotFound, "What came of this act is not kept any more.")
	}
	return c.Stream(web.Stream{
		Changed: []func() <-chan struct{}{b.Changed},
		Fragments: func(context.Context) ([]web.Fragment, error) {
			html, err := web.Render(templates, "bulk-progress", b.progress())
			return []web.Fragment{{ID: "bulk-progress", HTML: html}}, err
		},
	})
}
