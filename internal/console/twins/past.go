package twins

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/history"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
)

const (
	// pageVersions is how many versions a page of the history has, and
	// shownEdits how many changes of each. So often the history is read for a
	// page of it.
	pageVersions = 40
	shownEdits   = 12
	maxReads     = 10
)

// past is the history of a twin.
type past struct {
	base
	Parts    []link
	Versions []version
	Pager    web.Pager
	// First says that the page begins with the newest version, Last that it
	// ends with the oldest one that is kept.
	First, Last bool
	Complete    bool
	Kept        history.Mark
}

// version is one change as the page has it.
type version struct {
	history.Version
	// What says in words what was done.
	What string
	Href string
	// Changes are the first of the edits, Rest how many more there are.
	Changes []change
	Rest    int
}

// shown are the parts of the history by the word in the address: all but what
// the hub keeps for itself, unless that is asked for.
var shown = []struct {
	name, text string
	parts      []history.Part
}{
	{"", "Tags and properties", []history.Part{history.Tags, history.Desired, history.Reported}},
	{"desired", "Desired", []history.Part{history.Desired}},
	{"tags", "Tags", []history.Part{history.Tags}},
	{"reported", "Reported", []history.Part{history.Reported}},
	{"identity", "Identity", []history.Part{history.Identity}},
	{"hub", "By the hub", []history.Part{history.Hub}},
	{"all", "Everything", nil},
}

// historyPage is the versions of a twin, newest first.
func (a *area) historyPage(c *web.Call) error {
	id, err := c.Identity()
	if err != nil {
		return err
	}
	b, err := a.load(c, id)
	if err != nil {
		return err
	}
	q := history.Query{Limit: pageVersions}
	p := &past{base: b, First: c.After() == ""}
	known := false
	for _, s := range shown {
		if s.name == c.Query("part") {
			q.Parts, known = s.parts, true
		}
		query := url.Values{}
		if s.name != "" {
			query.Set("part", s.name)
		}
		p.Parts = append(p.Parts, link{Text: s.text, Href: b.URL("history", query), Current: s.name == c.Query("part")})
	}
	if !known {
		return tvilling.Errorf(tvilling.InvalidArgument, "There is no part %q of a twin's history.", c.Query("part"))
	}
	if c.After() != "" {
		if q.Before, err = strconv.ParseUint(c.After(), 10, 64); err != nil {
			return tvilling.Errorf(tvilling.InvalidArgument, "The page of the history is a whole number, not %q.", c.After())
		}
	}
	page, err := a.versions(c.Context(), id, q)
	if err != nil {
		return err
	}
	next := ""
	if page.Next != 0 {
		next = strconv.FormatUint(page.Next, 10)
	}
	p.Pager, p.Last, p.Complete, p.Kept = c.Pager(next), page.Next == 0, page.Complete, page.Kept
	for _, v := range page.Versions {
		p.Versions = append(p.Versions, b.version(v))
	}
	return c.Page(b.view("History", "past", p))
}

// versions reads a page of the history, on through changes of other parts.
func (a *area) versions(ctx context.Context, id tvilling.Identity, q history.Query) (*history.Page, error) {
	var list []history.Version
	for range maxReads {
		page, err := a.opt.History.Versions(ctx, id, q)
		if err != nil {
			return nil, err
		}
		list = append(list, page.Versions...)
		page.Versions, q.Before = list, page.Next
		if page.Next == 0 || len(list) >= pageVersions/2 {
			return page, nil
		}
	}
	return &history.Page{Versions: list, Next: q.Before}, nil
}

func (b base) version(v history.Version) version {
	out := version{Version: v, What: deed(v.Op), Href: b.URL("history", "sequence:"+strconv.FormatUint(v.Sequence, 10))}
	out.Rest = max(0, len(v.Edits)-shownEdits)
	out.Changes = changes(v.Edits[:len(v.Edits)-out.Rest])
	return out
}

// deed says in words what a change did.
func deed(op state.Op) string {
	switch op {
	case state.CreateDevice:
		return "Device registered"
	case state.UpdateDevice:
		return "Identity changed"
	case state.DeleteDevice:
		return "Device deleted"
	case state.CreateModule:
		return "Module made"
	case state.UpdateModule:
		return "Identity of the module changed"
	case state.DeleteModule:
		return "Module deleted"
	case state.UpdateTwin:
		return "Twin changed"
	case state.ReplaceTwin:
		return "Twin replaced"
	case state.ReportTwin:
		return "Reported by the device"
	case state.UpdateOwned:
		return "Kept by the hub"
	case state.Connected:
		return "Connected"
	case state.Disconnected:
		return "Disconnected"
	default:
		return string(op)
	}
}

// moment is a twin as it was.
type moment struct {
	base
	// At is the moment in the address, State the twin then.
	At    string
	State *history.State
	// Change is what led to it, if it is a change of the journal.
	Change *version
	// Changes lead from then to now, Back are those that a restore makes.
	Changes, Back []change
	JSON          string
	// Changed says that the twin has changed while the restore was looked at.
	Changed bool
}

// versionPage is the whole twin at a moment of its history.
func (a *area) versionPage(c *web.Call) error {
	m, err := a.moment(c, c.Path("version"))
	if err != nil {
		return err
	}
	return m.page(c)
}

func (m *moment) page(c *web.Call) error {
	v := m.view(m.Title(), "moment", m)
	v.Crumbs = append(v.Crumbs, web.Link{Text: "History", Href: m.URL("history")})
	if m.Changed {
		v.Status = http.StatusConflict
	}
	return c.Page(v)
}

// Title names the moment.
func (m *moment) Title() string {
	return "Version " + ui.Count(m.State.Twin.Version)
}

func (a *area) moment(c *web.Call, at string) (*moment, error) {
	id, err := c.Identity()
	if err != nil {
		return nil, err
	}
	b, err := a.load(c, id)
	if err != nil {
		return nil, err
	}
	point, err := readPoint(at)
	if err != nil {
		return nil, err
	}
	m := &moment{base: b, At: at}
	if m.State, err = a.opt.History.At(c.Context(), id, point); err != nil {
		return nil, err
	}
	m.JSON = ui.JSON(a.opt.Document(nil, twin.View{Twin: m.State.Twin, Identity: m.State.Identity, Connected: m.State.Connected}))
	m.Changes = changes(history.DiffTwins(m.State.Twin, b.View.Twin))
	m.Back = changes(slices.DeleteFunc(history.DiffTwins(b.View.Twin, m.State.Twin), func(e history.Edit) bool {
		return e.Part != history.Tags && e.Part != history.Desired
	}))
	if point.Sequence > 0 {
		page, err := a.opt.History.Versions(c.Context(), id, history.Query{Before: point.Sequence + 1, Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(page.Versions) > 0 && page.Versions[0].Sequence == point.Sequence {
			v := b.version(page.Versions[0])
			v.Changes, v.Rest = changes(page.Versions[0].Edits), 0
			m.Change = &v
		}
	}
	return m, nil
}

// readPoint reads a moment: a version of the twin, "sequence:9", or a time.
func readPoint(text string) (p history.Point, err error) {
	if place, ok := strings.CutPrefix(text, "sequence:"); ok {
		p.Sequence, err = strconv.ParseUint(place, 10, 64)
	} else if p.Version, err = strconv.ParseInt(text, 10, 64); err != nil {
		p.Version = 0
		p.Time, err = time.Parse(time.RFC3339Nano, text)
	}
	if err != nil || p == (history.Point{}) || p.Version < 0 {
		return p, tvilling.Errorf(tvilling.InvalidArgument, "A moment of a history is a version of the twin (7), a place in the journal (sequence:99), or a time (2026-01-31T14:30:00Z), not %q.", text)
	}
	return p, nil
}

// restore puts tags and desired properties back to a moment.
func (a *area) restore(c *web.Call) error {
	m, err := a.moment(c, c.Raw("at"))
	if err != nil {
		return err
	}
	point, err := readPoint(m.At)
	if err != nil {
		return err
	}
	v, err := a.opt.History.Restore(c.Context(), m.ID, point, ifTag(c.Raw("etag")), c.Actor())
	if tvilling.CodeOf(err) == tvilling.PreconditionFailed {
		m.Changed = true
		return m.page(c)
	}
	if err != nil {
		return err
	}
	return c.Redirect(m.URL(), "Tags and desired properties are as they were in version "+ui.Count(m.State.Twin.Version)+" again; the twin is at version "+ui.Count(v.Version)+".")
}
