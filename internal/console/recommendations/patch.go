package recommendations

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/recommend"
)

const (
	// maxPatches is how many twins one act patches.
	maxPatches = 200
	// maxLooked is how many recommendations are looked at for ready patches.
	maxLooked = 2000
	// shownPatches is how many are shown in full before.
	shownPatches = 10
	// applyTime is how long the writing of many patches may take.
	applyTime = 20 * time.Second
)

// patches is what would be written, or was.
type patches struct {
	Info   recommend.Info
	Ready  []ready
	Refuse []refusal
	// More says that there are others than these.
	More bool
	Most int
	// Same is how many twins are already as their patch would have them.
	Same int
	Back string
	// Done has what was written, once it was.
	Done []done
	Was  bool
}

type ready struct {
	Device tvilling.DeviceID
	Target string
	Lines  []line
}

type refusal struct {
	Device tvilling.DeviceID
	Text   string
}

type done struct {
	Device  tvilling.DeviceID
	Version int64
}

// Shown are the patches that are shown in full.
func (p patches) Shown() []ready { return p.Ready[:min(len(p.Ready), shownPatches)] }

// Rest is how many are not.
func (p patches) Rest() int { return len(p.Ready) - len(p.Shown()) }

// To is where they are applied.
func (p patches) To() string { return ui.URL("recommendations", p.Info.Type, "patch") }

// preview is GET recommendations/{type}/patch: what the ready patches of the
// devices that were ticked, or of all, would change.
func (p *area) preview(c *web.Call) error {
	typ := c.Path("type")
	out := patches{Info: p.info(typ), Most: maxPatches, Back: ui.URL("recommendations", typ)}
	ids := c.Queries()["d"]
	var err error
	if c.Query("all") != "" {
		if ids, out.More, err = p.all(c.Context(), typ); err != nil {
			return err
		}
	}
	if len(ids) == 0 {
		return tvilling.Errorf(tvilling.InvalidArgument, "Tick devices that have a ready patch; none was.")
	}
	if len(ids) > maxPatches {
		return tvilling.Errorf(tvilling.InvalidArgument, "One act patches %d twins at most; %s devices were ticked.", maxPatches, ui.Count(int64(len(ids))))
	}
	for _, id := range ids {
		device := tvilling.DeviceID(id)
		v, err := p.opt.Mend.Preview(c.Context(), device, typ)
		switch {
		case err == nil && len(v.Changes) == 0:
			out.Same++
		case err == nil:
			out.Ready = append(out.Ready, ready{device, target(v), linesOf(v)})
		case told(err):
			out.Refuse = append(out.Refuse, refusal{device, tvilling.MessageOf(err)})
		default:
			return err
		}
	}
	return p.show(c, out, "Preview: apply the ready patch")
}

func (p *area) show(c *web.Call, out patches, title string) error {
	return c.Page(web.View{
		Title: title, Nav: "recommendations", Template: pages, Name: "patch", Data: out,
		Crumbs: []web.Link{{Text: "Recommendations", Href: ui.URL("recommendations")}, {Text: out.Info.Title, Href: out.Back}},
	})
}

// all are the first devices of a type that have a ready patch.
func (p *area) all(ctx context.Context, typ string) (ids []string, more bool, err error) {
	n := 0
	for r, err := range p.opt.Ledger.Recommendations(ctx, ledger.RecommendationFilter{Type: typ, State: ledger.Active}, "", "") {
		if tvilling.CodeOf(err) == tvilling.Corrupt {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		if n++; len(ids) == maxPatches || n > maxLooked {
			return ids, true, nil
		}
		if len(r.Patch) > 0 {
			ids = append(ids, string(r.Device))
		}
	}
	return ids, false, nil
}

// apply is POST recommendations/{type}/patch: each device for itself, and only
// where the twin is as it was in the preview.
func (p *area) apply(c *web.Call) error {
	typ := c.Path("type")
	targets := c.FormList("t")
	if len(targets) == 0 || len(targets) > maxPatches {
		return tvilling.Errorf(tvilling.InvalidArgument, "One act patches 1 to %d twins; %s were chosen.", maxPatches, ui.Count(int64(len(targets))))
	}
	out := patches{Info: p.info(typ), Back: ui.URL("recommendations", typ), Was: true}
	end := time.Now().Add(applyTime)
	for _, t := range targets {
		id, etag, ok := strings.Cut(t, "/")
		device := tvilling.DeviceID(id)
		switch {
		case !ok || etag == "":
			out.Refuse = append(out.Refuse, refusal{device, "The form does not say as what the twin was seen; open the preview again."})
			continue
		case time.Now().After(end):
			out.Refuse = append(out.Refuse, refusal{device, "There was no time left for it; apply it again."})
			continue
		}
		v, err := p.opt.Mend.Apply(c.Context(), device, typ, tvilling.Match{Given: true, Tag: tvilling.ETag(etag)}, c.Actor())
		switch {
		case err == nil:
			out.Done = append(out.Done, done{device, v.Version})
		case c.Context().Err() == nil:
			out.Refuse = append(out.Refuse, refusal{device, tvilling.MessageOf(err)})
		default:
			return err
		}
	}
	if len(targets) == 1 {
		return p.applied(c, typ, out)
	}
	return p.show(c, out, "Patches applied")
}

// applied answers for one device: back to it, with what was done.
func (p *area) applied(c *web.Call, typ string, out patches) error {
	if len(out.Refuse) > 0 {
		return c.Page(web.View{
			Title: "The patch was not applied", Nav: "recommendations", Status: http.StatusConflict, Template: pages, Name: "patch", Data: out,
			Crumbs: []web.Link{{Text: "Recommendations", Href: ui.URL("recommendations")}, {Text: out.Info.Title, Href: out.Back}},
		})
	}
	return c.Redirect(ui.URL("recommendations", typ, out.Done[0].Device),
		"The patch is in the twin. The recommendation ends when the device's next evidence shows that it is mended.")
}
