package securityapi

import (
	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// problemJSON is something wrong with a configuration.
type problemJSON struct {
	Kind     agentconfig.ProblemKind `json:"kind"`
	Property string                  `json:"property,omitempty"`
	Message  string                  `json:"message"`
}

// getAgentConfiguration is GET devices/{device}/agentconfiguration: each
// property of the agent's configuration, with where its value comes from.
func (h *Handler) getAgentConfiguration(c *rest.Call) error {
	id, err := c.Device()
	if err != nil {
		return err
	}
	id.Module = tvilling.SecurityModule
	v, err := h.opt.Twins.Get(c.Context(), id)
	if err != nil {
		return err
	}
	desired := v.Desired.AppendJSON(nil, doc.Form{Metadata: true, Actors: true})
	reported := v.Reported.AppendJSON(nil, doc.Form{})
	wanted, old := agentconfig.Reported(desired)
	if old {
		wanted = nil // the agents of today do not read it
	}
	report, _ := agentconfig.Reported(reported)
	out := struct {
		Device   tvilling.DeviceID     `json:"device"`
		Module   tvilling.ModuleID     `json:"module"`
		ETag     tvilling.ETag         `json:"etag"`
		Reported bool                  `json:"reported"`
		Settings []agentconfig.Setting `json:"settings"`
		Problems []problemJSON         `json:"problems"`
	}{Device: id.Device, Module: id.Module, ETag: v.ETag(), Reported: report != nil, Settings: agentconfig.Settings(desired, reported), Problems: []problemJSON{}}
	config, problems := agentconfig.Effective(wanted)
	for _, p := range append(problems, agentconfig.Check(config)...) {
		out.Problems = append(out.Problems, problemJSON{p.Kind, p.Property, p.Message})
	}
	return c.Answer(out, v.ETag())
}
