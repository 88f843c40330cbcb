package securityapi

import "github.com/tvilling/tvilling/internal/api/rest"

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

// overview is GET overview: the fleet at a glance, as it was some seconds ago at
// most.
func (h *Handler) overview(c *rest.Call) error {
	f, err := h.opt.Fleet.Figures(c.Context())
	if err != nil {
		return err
	}
	return c.Answer(f, "")
}
