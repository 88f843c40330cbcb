package configurations

import (
	"net/http"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/configuration"
)

// preview is what a configuration would do, before it is saved.
type preview struct {
	*editor

	Run   *configuration.DryRun
	Twins []planned
	// First says that this is the first page.
	First bool
}

// planned is one twin of a preview.
type planned struct {
	configuration.TwinPlan

	Href string
}

// Word says how the twin would stand.
func (p *planned) Word() string {
	switch {
	case p.Reason != "":
		return "would not have it: " + p.Reason
	case !p.Targeted:
		return "would lose it"
	case len(p.Edits) == 0:
		return "has what it says already"
	default:
		return "would get it"
	}
}

// preview shows what would be done to whom.
func (a *area) preview(c *web.Call, e *editor, conf configuration.Configuration) error {
	device, module, _ := strings.Cut(c.Form("after"), "/")
	after := tvilling.Identity{Device: tvilling.DeviceID(device), Module: tvilling.ModuleID(module)}
	run, err := a.Service.Plan(c.Context(), conf, after, configuration.MaxPlan)
	if err != nil {
		if e.refused(err) {
			return a.form(c, e, http.StatusBadRequest)
		}
		return err
	}
	if !e.Known {
		// What a plan does not say: whether the id is free.
		if _, err := a.Service.Get(c.Context(), e.ID); err == nil {
			e.problem("id", tvilling.Errorf(tvilling.ConfigurationAlreadyExists, "There is a configuration %s already; choose another id.", e.ID))
			return a.form(c, e, http.StatusBadRequest)
		}
	}
	p := &preview{editor: e, Run: run, First: after == (tvilling.Identity{})}
	for _, t := range run.Twins {
		href := ui.URL("devices", t.ID.Device, "twin")
		if t.ID.IsModule() {
			href = ui.URL("devices", t.ID.Device, "modules", t.ID.Module, "twin")
		}
		p.Twins = append(p.Twins, planned{t, href})
	}
	above := []web.Link(nil)
	if e.Known {
		above = append(above, self(e.ID))
	}
	return c.Page(view("Preview", "preview", p, above...))
}

// NextAfter is where the next page begins, "" on the last one.
func (p *preview) NextAfter() string {
	if p.Run.Next == (tvilling.Identity{}) {
		return ""
	}
	return p.Run.Next.String()
}

// Noun is what is written to.
func (p *preview) Noun() string {
	if p.kind() == configuration.Modules {
		return "module twin"
	}
	return "device twin"
}
