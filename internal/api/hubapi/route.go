package hubapi

import "github.com/tvilling/tvilling/internal/api/rest"

// route is one method of one path, as the tables of this package have it.
type route struct {
	method  string
	pattern string // "/devices/{device}/modules/{module}"
	// open routes are answered without a credential.
	open bool
	// need is the permission that the route asks for.
	need need
	// own routes are those of Tvilling: api-version is optional there.
	own bool
	// stream routes answer for as long as the client listens.
	stream bool
	// nested routes tell of errors in the other of the two shapes (wire §4.4).
	nested bool
	handle func(h *Handler, c *rest.Call) error
}

// table returns the routes in the form that serves them.
func (h *Handler) table() []rest.Route {
	var list []rest.Route
	for _, r := range routes() {
		list = append(list, rest.Route{
			Method: r.method, Pattern: r.pattern, Open: r.open, Own: r.own, Stream: r.stream, Nested: r.nested,
			Allow:  func(c *rest.Call) error { return h.allow(c, r.need) },
			Handle: func(c *rest.Call) error { return r.handle(h, c) },
		})
	}
	return list
}
