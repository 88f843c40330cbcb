package securityapi

import (
	"fmt"

	"github.com/tvilling/tvilling/internal/api/rest"
)

// listSinks is GET sinks.
func (h *Handler) listSinks(c *rest.Call) error {
	list, err := h.opt.Sinks.Status(c.Context())
	if err != nil {
		return err
	}
	return c.Answer(struct {
		Sinks []Sink `json:"sinks"`
	}{some(list)}, "")
}

// replaySink is POST sinks/{name}/replay?after=N: the sink is told again of
// everything in the feed after a sequence, 0 for all that is kept.
func (h *Handler) replaySink(c *rest.Call) error {
	if !c.Query.Has("after") {
		return rest.BadParameter("after", "Say after which sequence of the feed to begin; 0 is the oldest that is kept.")
	}
	after, err := c.Number("after", 0)
	if err != nil {
		return err
	}
	if head := h.opt.Ledger.FeedHead(); after > head {
		return rest.BadParameter("after", fmt.Sprintf("The feed has not come so far; its newest sequence is %d.", head))
	}
	if err := h.opt.Sinks.Replay(c.Context(), c.Params["name"], after, c.Who.Actor()); err != nil {
		return err
	}
	return c.Nothing()
}
