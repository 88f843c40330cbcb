package securityapi

import (
	"net/http"
	"slices"

	"github.com/tvilling/tvilling/internal/api/rest"
)

// prefix begins the paths of all routes.
const prefix = "/tvilling/security/"

// routes is the table of what the handler answers.
func (h *Handler) routes() []rest.Route {
	const (
		get, put, patch, post, del = http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodPost, http.MethodDelete

		alert          = "alerts/{id}"
		recommendation = "recommendations/{type}/{device}"
		rule           = "detections/rules/{name}"
	)
	alerts := params("device", "type", "severity*", "status*", "owner", "from", "to", "raisedFrom", "raisedTo")
	advice := params("device", "type", "severity*", "state")
	events := params("device", "name*", "type", "from", "to", "where*")
	table := []rest.Route{
		{Method: get, Pattern: "openapi.json", Open: true, Handle: h.openAPI},

		{Method: get, Pattern: "alerts", Allow: h.read, Parameters: and(alerts, "text", "top", "after"), Handle: h.listAlerts},
		{Method: post, Pattern: "alerts/update", Allow: h.write, Handle: h.updateAlerts},
		{Method: get, Pattern: "alerts/summary", Allow: h.read, Parameters: and(alerts, "by*", "top"), Handle: h.alertSummary},
		{Method: get, Pattern: alert, Allow: h.read, Handle: h.getAlert},
		{Method: patch, Pattern: alert, Allow: h.write, Handle: h.patchAlert},
		{Method: get, Pattern: alert + "/history", Allow: h.read, Handle: h.alertHistory},
		{Method: get, Pattern: alert + "/explain", Allow: h.read, Handle: h.explainAlert},

		{Method: get, Pattern: "recommendations", Allow: h.read, Parameters: and(advice, "top", "after"), Handle: h.listRecommendations},
		{Method: get, Pattern: "recommendations/summary", Allow: h.read, Parameters: and(advice, "by*", "top"), Handle: h.recommendationSummary},
		{Method: get, Pattern: "recommendations/types", Allow: h.read, Handle: h.recommendationTypes},
		{Method: get, Pattern: recommendation, Allow: h.read, Handle: h.getRecommendation},
		{Method: post, Pattern: recommendation + "/apply", Allow: h.write, Handle: h.applyRecommendation},

		{Method: get, Pattern: "detections", Allow: h.read, Handle: h.listDetections},
		{Method: post, Pattern: "detections/check", Allow: h.read, Handle: h.checkRule},
		{Method: post, Pattern: "detections/try", Allow: h.read, Parameters: params("device", "from", "to"), Handle: h.tryRule},
		{Method: get, Pattern: "detections/{id}", Allow: h.read, Handle: h.getDetection},
		{Method: patch, Pattern: "detections/{id}", Allow: h.write, Handle: h.patchDetection},
		{Method: get, Pattern: rule, Allow: h.read, Handle: h.getRule},
		{Method: put, Pattern: rule, Allow: h.write, Handle: h.putRule},
		{Method: del, Pattern: rule, Allow: h.write, Handle: h.deleteRule},

		{Method: get, Pattern: "events", Allow: h.read, Follow: true, Parameters: and(events, "order", "top", "after", "follow"), Handle: h.events},
		{Method: get, Pattern: "events/export", Allow: h.read, Stream: true, Parameters: and(events, "format", "after"), Handle: h.exportEvents},
		{Method: get, Pattern: "events/summary/{question}", Allow: h.read, Parameters: params("device", "from", "to", "maxPort"), Handle: h.eventSummary},
		{Method: get, Pattern: "deadletters", Allow: h.read, Parameters: params("device", "top", "after"), Handle: h.deadLetters},

		{Method: get, Pattern: "feed", Allow: h.read, Stream: true, Parameters: params("after", "follow"), Handle: h.feed},
		{Method: get, Pattern: "devices/{device}", Allow: h.read, Handle: h.getDevice},
		{Method: get, Pattern: "devices/{device}/timeline", Allow: h.read, Parameters: params("kind*", "before", "limit"), Handle: h.getTimeline},
		{Method: get, Pattern: "devices/{device}/agentconfiguration", Allow: h.read, Handle: h.getAgentConfiguration},
		{Method: get, Pattern: "overview", Allow: h.read, Handle: h.overview},
		{Method: get, Pattern: "sinks", Allow: h.read, Handle: h.listSinks},
		{Method: post, Pattern: "sinks/{name}/replay", Allow: h.write, Parameters: params("after"), Handle: h.replaySink},
		{Method: post, Pattern: "sinks/{name}/test", Allow: h.write, Handle: h.testSink},
	}
	for i := range table {
		r := &table[i]
		r.Pattern, r.Own = prefix+r.Pattern, true
		if r.Parameters == nil {
			r.Parameters = []rest.Parameter{} // none
		}
	}
	return table
}

// params makes parameters of names; a star at the end lets one be given more
// than once.
func params(names ...string) []rest.Parameter {
	list := make([]rest.Parameter, len(names))
	for i, n := range names {
		if last := len(n) - 1; n[last] == '*' {
			list[i] = rest.Parameter{Name: n[:last], Many: true}
		} else {
			list[i] = rest.Parameter{Name: n}
		}
	}
	return list
}

// and returns a list with more parameters at its end.
func and(list []rest.Parameter, names ...string) []rest.Parameter {
	return append(slices.Clip(list), params(names...)...)
}
