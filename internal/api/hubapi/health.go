package hubapi

import "github.com/tvilling/tvilling"

// healthz is GET /healthz: the process serves requests.
func (h *Handler) healthz(c *call) error { return c.json([]byte(`{"status":"ok"}`), "") }

// readyz is GET /readyz: the hub is ready for devices and services.
func (h *Handler) readyz(c *call) error {
	if err := h.Ready(c.context()); err != nil {
		return &tvilling.Error{Code: tvilling.Unavailable, Op: "check readiness", Message: "The hub is not ready; it is starting, stopping or has no space left.", Err: err}
	}
	return c.json([]byte(`{"status":"ready"}`), "")
}
