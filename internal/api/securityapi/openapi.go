package securityapi

import (
	_ "embed"

	"github.com/tvilling/tvilling/internal/api/rest"
)

// document is the OpenAPI description of the routes. The tests hold the two to
// each other.
//
//go:embed openapi.json
var document []byte

// openAPI is GET openapi.json, open to all: it tells nothing of this hub.
func (h *Handler) openAPI(c *rest.Call) error { return c.JSON(document, "") }
