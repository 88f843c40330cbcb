package securityapi

import (
	"context"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/security/timeline"
)

// Timeline tells what happened to a device; a [timeline.Service] does.
type Timeline interface {
	Page(ctx context.Context, d tvilling.DeviceID, q timeline.Query) (*timeline.Page, error)
}

// getTimeline is GET devices/{device}/timeline?kind=&before=&limit=: what
// happened to a device and to its security module, newest first.
func (h *Handler) getTimeline(c *rest.Call) error {
	id, err := c.Device()
	if err != nil {
		return err
	}
	q := timeline.Query{Before: c.Query.Get("before")}
	if q.Limit, err = c.Within("limit", timeline.DefaultLimit, 1, timeline.MaxLimit); err != nil {
		return err
	}
	var known []string
	for _, k := range timeline.Kinds() {
		known = append(known, string(k))
	}
	kinds, err := c.Words("kind", known...)
	if err != nil {
		return err
	}
	for _, k := range kinds {
		q.Kinds = append(q.Kinds, timeline.Kind(k))
	}
	page, err := h.opt.Timeline.Page(c.Context(), id.Device, q)
	if err != nil {
		return err
	}
	return c.Answer(page, "")
}
