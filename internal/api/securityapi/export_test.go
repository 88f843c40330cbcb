package securityapi

import "github.com/tvilling/tvilling/internal/api/rest"

// Routes returns the table of routes.
func (h *Handler) Routes() []rest.Route { return h.routes() }

// CSV returns a record of CSV.
func CSV(cells ...string) string { return string(appendCSV(nil, cells)) }
