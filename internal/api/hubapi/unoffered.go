package hubapi

import (
	"net/http"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
)

// unoffered are the routes of IoT Hub that this version does not serve. A
// caller with any valid credential learns so by 400 InvalidOperation, which
// clients show with its text; a 404 they would take for a missing device.
// They need no api-version, since nothing depends on it.
func unoffered() []route {
	const (
		flat, nested = false, true

		get, put, patch, post, del = http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodPost, http.MethodDelete

		bulk      = "Creating, changing and deleting devices in bulk"
		edge      = "Configurations of IoT Edge devices (one at /configurations/{id} is for the twins of devices and modules)"
		methods   = "Direct methods"
		jobs      = "Jobs"
		toDevice  = "Cloud-to-device messages"
		telemetry = "Sending and receiving messages over HTTPS"
		files     = "File upload"
		pnp       = "The digital twin interface; the twin is at /twins/{id}"
	)
	var table []route
	not := func(what string, nested bool, method string, patterns ...string) {
		for _, p := range patterns {
			table = append(table, route{method: method, pattern: p, own: true, need: anyCaller, nested: nested, handle: func(*Handler, *rest.Call) error {
				e := tvilling.Errorf(tvilling.Unsupported, "%s: not offered by this version of the hub.", what)
				e.Op = "find route"
				return e
			}})
		}
	}
	not(bulk, flat, post, "/devices")
	not(edge, flat, post, "/devices/{device}/applyConfigurationContent")
	not(methods, nested, post, "/twins/{device}/methods", "/twins/{device}/modules/{module}/methods")
	not(jobs, flat, get, "/jobs", "/jobs/{id}", "/jobs/v2/query", "/jobs/v2/{id}")
	not(jobs, flat, del, "/jobs/{id}")
	not(jobs, flat, put, "/jobs/v2/{id}")
	not(jobs, flat, post, "/jobs/create", "/jobs/v2/{id}/cancel")
	not(toDevice, flat, del, "/devices/{device}/commands", "/messages/serviceBound/feedback/{lock}")
	not(toDevice, flat, get, "/messages/serviceBound/feedback")
	not(toDevice, flat, post, "/messages/serviceBound/feedback/{lock}/abandon")
	not(telemetry, flat, post, "/devices/{device}/messages/events", "/devices/{device}/modules/{module}/messages/events",
		"/devices/{device}/messages/devicebound/{lock}/abandon")
	not(telemetry, flat, get, "/devices/{device}/messages/devicebound")
	not(telemetry, flat, del, "/devices/{device}/messages/devicebound/{lock}")
	not(files, flat, post, "/devices/{device}/files", "/devices/{device}/files/notifications", "/devices/{device}/files/notifications/{correlation}")
	not(pnp, nested, get, "/digitaltwins/{device}")
	not(pnp, nested, patch, "/digitaltwins/{device}")
	not(pnp, nested, post, "/digitaltwins/{device}/commands/{command}", "/digitaltwins/{device}/components/{component}/commands/{command}")
	return table
}
