package hubapi

import (
	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
)

// healthz is GET /healthz: the process serves requests.
func (h *Handler) healthz(c *rest.Call) error { return c.JSON([]byte(`{"status":"ok"}`), "") }

// readyz is GET /readyz: the hub is ready for devices and services.
func (h *Handler) readyz(c *rest.Call) error {
	if err := h.Ready(c.Context()); err != nil {
		return &tvilling.Error{Code: tvilling.Unavailable, Op: "check readiness", Message: "The hub is not ready; it is starting, stopping or has no space left.", Err: err}
	}
	return c.JSON([]byte(`{"status":"ready"}`), "")
}
