package securityapi

import (
	"cmp"
	"slices"

	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// getDevice is GET devices/{device}.
func (h *Handler) getDevice(c *rest.Call) error {
	id, err := c.Device()
	if err != nil {
		return err
	}
	r, err := h.opt.Devices.Report(c.Context(), id.Device)
	if err != nil {
		return err
	}
	out := *r
	out.Parts, out.Why, out.Configuration.Differences = some(r.Parts), some(r.Why), some(r.Configuration.Differences)
	return c.Answer(out, "")
}

// maxTypes is how many types of alerts the overview lists.
const maxTypes = 10

type typeCount struct {
	Type    string `json:"type"`
	Count   int64  `json:"count"`
	Devices int64  `json:"devices"`
}

// overview is GET overview: the fleet at a glance.
func (h *Handler) overview(c *rest.Call) error {
	ctx := c.Context()
	states, err := h.opt.Devices.States(ctx)
	if err != nil {
		return err
	}
	still := ledger.AlertFilter{Status: []ledger.Status{ledger.New, ledger.Acknowledged, ledger.InProgress}}
	severity, err := h.opt.Ledger.AlertGroups(ctx, still, []string{"severity"})
	if err != nil {
		return err
	}
	types, err := h.opt.Ledger.AlertGroups(ctx, still, []string{"type"})
	if err != nil {
		return err
	}
	advice, err := h.opt.Ledger.RecommendationGroups(ctx, ledger.RecommendationFilter{State: ledger.Active}, []string{"severity"})
	if err != nil {
		return err
	}
	out := struct {
		Devices         map[string]int64 `json:"devices"`
		Alerts          map[string]int64 `json:"alerts"`
		Recommendations map[string]int64 `json:"recommendations"`
		TopTypes        []typeCount      `json:"topTypes"`
	}{states, bySeverity(severity), bySeverity(advice), []typeCount{}}
	if out.Devices == nil {
		out.Devices = map[string]int64{}
	}
	for _, g := range types {
		out.TopTypes = append(out.TopTypes, typeCount{g.Values[0], g.Count, g.Devices})
	}
	slices.SortFunc(out.TopTypes, func(a, b typeCount) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Type, b.Type)) })
	out.TopTypes = out.TopTypes[:min(maxTypes, len(out.TopTypes))]
	return c.Answer(out, "")
}

// bySeverity has a number for every severity.
func bySeverity(groups []ledger.Group) map[string]int64 {
	m := make(map[string]int64, ledger.Severities)
	for s := range ledger.Severities {
		m[s.String()] = 0
	}
	for _, g := range groups {
		m[g.Values[0]] += g.Count
	}
	return m
}
