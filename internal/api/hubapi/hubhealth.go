package hubapi

import (
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/hub/health"
)

// hubHealth is GET /tvilling/health: the figures of the hub, not older than some
// seconds, and in faults what is wrong with it, the worst first:
//
//	{"faults":[{"gravity":"severe","short":"disk almost full","what":"…","do":"…",
//	 "about":"disk"}],"time":"…","commit":{…},"stores":[…],…}
func (h *Handler) hubHealth(c *rest.Call) error {
	facts, faults := h.Health()
	if faults == nil {
		faults = []health.Fault{}
	}
	return c.Answer(struct {
		Faults []health.Fault `json:"faults"`
		health.Facts
	}{faults, facts}, "")
}
