package securityapi

import (
	"encoding/json"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// listRecommendations is GET recommendations: a page, by device, then type.
func (h *Handler) listRecommendations(c *rest.Call) error {
	f, err := recommendationFilter(c)
	if err != nil {
		return err
	}
	n, err := top(c)
	if err != nil {
		return err
	}
	after, err := text(c, "after")
	if err != nil {
		return err
	}
	// No device id has a slash, so the first one divides.
	d, typ, ok := strings.Cut(after, "/")
	if after != "" && !ok {
		return rest.BadParameter("after", "The value is not the next of a page of recommendations.")
	}
	list, last, more, err := page(h.opt.Ledger.Recommendations(c.Context(), f, tvilling.DeviceID(d), typ), n, ledger.EncodeRecommendation)
	if err != nil {
		return err
	}
	var out struct {
		Recommendations []json.RawMessage `json:"recommendations"`
		Next            string            `json:"next,omitempty"`
	}
	if out.Recommendations = list; more {
		out.Next = string(last.Device) + "/" + last.Type
	}
	return c.Answer(out, "")
}

func recommendationFilter(c *rest.Call) (f ledger.RecommendationFilter, err error) {
	if f.Device, err = device(c); err != nil {
		return f, err
	}
	if f.Type, err = text(c, "type"); err != nil {
		return f, err
	}
	if f.Severity, err = severities(c); err != nil {
		return f, err
	}
	switch s := ledger.State(c.Query.Get("state")); s {
	case "", ledger.Active, ledger.Mended:
		f.State = s
	default:
		return f, rest.BadParameter("state", `The state is "active" or "resolved".`)
	}
	return f, nil
}

func (h *Handler) recommendation(c *rest.Call) (*ledger.Recommendation, error) {
	id, err := c.Device()
	if err != nil {
		return nil, err
	}
	r, err := h.opt.Ledger.Recommendation(c.Context(), id.Device, c.Params["type"])
	if err == nil && r == nil {
		err = &tvilling.Error{
			Code: tvilling.NotFound, Op: "get recommendation", Subject: c.Params["type"] + " of " + string(id.Device),
			Message: "There is no such recommendation for this device.",
		}
	}
	return r, err
}

// getRecommendation is GET recommendations/{type}/{device}.
func (h *Handler) getRecommendation(c *rest.Call) error {
	r, err := h.recommendation(c)
	if err != nil {
		return err
	}
	b, err := ledger.EncodeRecommendation(r)
	if err != nil {
		return err
	}
	return c.JSON(b, "")
}

// applyRecommendation is POST recommendations/{type}/{device}/apply: writes the
// ready patch as the caller would, who therefore needs the right to. Whether
// it helped, the next evidence of the device tells.
func (h *Handler) applyRecommendation(c *rest.Call) error {
	id, err := c.Device()
	if err != nil {
		return err
	}
	p, err := h.mend.Ready(c.Context(), id.Device, c.Params["type"])
	if err != nil {
		return err
	}
	if p.Target.Module != tvilling.SecurityModule {
		// Other twins are none of security's (wire §3.3).
		if err := c.Must(auth.ServiceConnect); err != nil {
			return err
		}
	}
	v, err := h.mend.Write(c.Context(), p, c.Match(), c.Who.Actor())
	if err != nil {
		return err
	}
	return c.Answer(struct {
		Device  tvilling.DeviceID `json:"device"`
		Module  tvilling.ModuleID `json:"module,omitempty"`
		Version int64             `json:"version"`
		ETag    tvilling.ETag     `json:"etag"`
	}{p.Target.Device, p.Target.Module, v.Version, v.ETag()}, "")
}

// recommendationSummary is GET recommendations/summary.
func (h *Handler) recommendationSummary(c *rest.Call) error {
	by, err := columns(c, "device", "type", "severity", "state")
	if err != nil {
		return err
	}
	f, err := recommendationFilter(c)
	if err != nil {
		return err
	}
	groups, err := h.opt.Ledger.RecommendationGroups(c.Context(), f, by)
	if err != nil {
		return err
	}
	return summarize(c, by, groups)
}

// recommendationTypes is GET recommendations/types.
func (h *Handler) recommendationTypes(c *rest.Call) error {
	type typeJSON struct {
		Type        string   `json:"type"`
		Title       string   `json:"title"`
		Description string   `json:"description"`
		Severity    string   `json:"severity"`
		Fix         []string `json:"fix"`
		Source      string   `json:"source"`
	}
	out := struct {
		Types []typeJSON `json:"types"`
	}{[]typeJSON{}}
	for _, t := range h.opt.Recommendations {
		out.Types = append(out.Types, typeJSON{t.Type, t.Title, t.Description, t.Severity.String(), some(t.Fix), t.Source})
	}
	return c.Answer(out, "")
}
