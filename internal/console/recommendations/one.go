package recommendations

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/mend"
	"github.com/tvilling/tvilling/internal/security/recommend"
)

// single is one recommendation of one device.
type single struct {
	row
	Info    recommend.Info
	Facts   []fact
	Preview *mend.Preview
	// NoPreview is why there is none though there is a patch.
	NoPreview error
	May       bool
	// Configure makes a configuration of the patch.
	Configure string
	Others    string
}

// one is GET recommendations/{type}/{device}.
func (p *area) one(c *web.Call) error {
	id, err := c.Device()
	if err != nil {
		return err
	}
	typ := c.Path("type")
	r, err := p.opt.Ledger.Recommendation(c.Context(), id, typ)
	if err != nil {
		return err
	}
	if r == nil {
		return tvilling.Errorf(tvilling.NotFound, "There is no recommendation %s for the device %s.", typ, id)
	}
	s := single{row: p.rowOf(r), Info: p.info(typ), Facts: factsOf(r.Details), May: c.May(operator), Others: ui.URL("recommendations", typ)}
	if s.Patchable {
		if s.Preview, err = p.opt.Mend.Preview(c.Context(), id, typ); err != nil {
			if !told(err) {
				return err
			}
			s.NoPreview = err
		} else {
			s.Configure = configure(s.Preview)
		}
	}
	return c.Page(web.View{
		Title: s.Title + " on " + string(id), Nav: "recommendations",
		Crumbs:   []web.Link{{Text: "Recommendations", Href: ui.URL("recommendations")}, {Text: s.Title, Href: s.Others}},
		Template: pages, Name: "one", Data: s,
	})
}

// told reports whether an error is about the device, and no failure of the hub.
func told(err error) bool {
	switch tvilling.CodeOf(err) {
	case tvilling.Internal, tvilling.Corrupt, tvilling.Unavailable, tvilling.Throttled, "":
		return false
	default:
		return true
	}
}

// configure is the page that makes a configuration of what a patch changes, ""
// if it changes nothing.
func configure(p *mend.Preview) string {
	q := url.Values{}
	for _, c := range p.Changes {
		if len(c.Path) < 2 || c.After == "" {
			continue
		}
		value := c.After
		var s string
		if json.Unmarshal([]byte(c.After), &s) == nil {
			value = s
		}
		name := c.Path[1]
		q.Add("agent", name+"="+value)
	}
	if len(q) == 0 || p.Target.Module != tvilling.SecurityModule {
		return ""
	}
	return ui.URL("configurations", "new", q)
}

// Path is the way to a member, as people read it.
func path(c mend.Change) string {
	parts := c.Path
	if len(parts) > 1 && strings.Contains(parts[0], ":") {
		parts = parts[1:] // the object of the agent's configuration
	}
	return strings.Join(parts, ".")
}

// line is one change of a preview.
type line struct{ Path, Before, After string }

func linesOf(p *mend.Preview) []line {
	list := make([]line, len(p.Changes))
	for i, c := range p.Changes {
		list[i] = line{path(c), c.Before, c.After}
	}
	return list
}

// Lines are the changes of the ready patch.
func (s single) Lines() []line { return linesOf(s.Preview) }

// PatchTo is where the patch is applied.
func (s single) PatchTo() string { return ui.URL("recommendations", s.R.Type, "patch") }

// Target names the device and the state of its twin.
func (s single) Target() string { return target(s.Preview) }

func target(p *mend.Preview) string { return fmt.Sprintf("%s/%s", p.Target.Device, p.ETag) }

// Resolved reports whether it is mended.
func (s single) Resolved() bool { return s.R.State == ledger.Mended }

// Why says why there is no preview.
func (s single) Why() string { return tvilling.MessageOf(s.NoPreview) }
