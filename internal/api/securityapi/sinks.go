package securityapi

import (
	"context"
	"fmt"
	"time"

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

// testTime is how long a request waits for the test of a sink.
const testTime = 30 * time.Second

// testSink is POST sinks/{name}/test: one entry that is marked as a test goes
// the way of all entries. The answer is 200 whether it was taken or not.
func (h *Handler) testSink(c *rest.Call) error {
	ctx, cancel := context.WithTimeout(c.Context(), testTime)
	defer cancel()
	o, err := h.opt.Sinks.Test(ctx, c.Params["name"], c.Who.Actor())
	if err != nil {
		return err
	}
	return c.Answer(struct {
		Taken bool    `json:"taken"`
		Error string  `json:"error,omitempty"`
		Took  float64 `json:"tookMilliseconds"`
	}{o.Taken, o.Error, float64(o.Took) / float64(time.Millisecond)}, "")
}
