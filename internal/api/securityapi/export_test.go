package securityapi

import "github.com/tvilling/tvilling/internal/api/rest"

// Routes returns the table of routes.
func (h *Handler) Routes() []rest.Route { return h.routes() }
