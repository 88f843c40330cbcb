package hubapi

import "net/http"

// routes is the table of what the handler answers. Of routes that fit one
// path, the first wins: literals stand before parameters.
func routes() []route {
	const (
		get, put, patch, post, del = http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodPost, http.MethodDelete

		device, module         = "/devices/{device}", "/devices/{device}/modules/{module}"
		deviceTwin, moduleTwin = "/twins/{device}", "/twins/{device}/modules/{module}"
		policy                 = "/tvilling/policies/{name}"
	)
	table := []route{
		{method: get, pattern: "/healthz", open: true, own: true, handle: (*Handler).healthz},
		{method: http.MethodHead, pattern: "/healthz", open: true, own: true, handle: (*Handler).healthz},
		{method: get, pattern: "/readyz", open: true, own: true, handle: (*Handler).readyz},
		{method: http.MethodHead, pattern: "/readyz", open: true, own: true, handle: (*Handler).readyz},

		// Identities (wire §4.2).
		{method: post, pattern: "/devices/query", need: serviceConnect, handle: (*Handler).query},
		{method: get, pattern: "/devices", need: registryRead, handle: (*Handler).listDevices},
		{method: get, pattern: device, need: registryRead, handle: (*Handler).getIdentity},
		{method: put, pattern: device, need: registryWrite, handle: (*Handler).putIdentity},
		{method: del, pattern: device, need: registryWrite, handle: (*Handler).deleteIdentity},
		{method: get, pattern: device + "/modules", need: moduleRead, handle: (*Handler).listModules},
		{method: get, pattern: module, need: moduleRead, handle: (*Handler).getIdentity},
		{method: put, pattern: module, need: moduleWrite, handle: (*Handler).putIdentity},
		{method: del, pattern: module, need: moduleWrite, handle: (*Handler).deleteIdentity},

		// Twins.
		{method: get, pattern: deviceTwin, need: twinRead, handle: (*Handler).getTwin},
		{method: patch, pattern: deviceTwin, need: twinWrite, handle: (*Handler).patchTwin},
		{method: put, pattern: deviceTwin, need: twinWrite, handle: (*Handler).putTwin},
		{method: get, pattern: moduleTwin, need: twinRead, handle: (*Handler).getTwin},
		{method: patch, pattern: moduleTwin, need: twinWrite, handle: (*Handler).patchTwin},
		{method: put, pattern: moduleTwin, need: twinWrite, handle: (*Handler).putTwin},

		{method: get, pattern: "/statistics/devices", need: registryRead, handle: (*Handler).deviceStatistics},
		{method: get, pattern: "/statistics/service", need: registryRead, handle: (*Handler).serviceStatistics},

		// Of Tvilling alone.
		{method: get, pattern: "/tvilling/twins/{device}", own: true, need: twinRead, handle: (*Handler).getTwinActors},
		{method: get, pattern: "/tvilling/twins/{device}/modules/{module}", own: true, need: twinRead, handle: (*Handler).getTwinActors},
		{method: get, pattern: "/tvilling/changes", own: true, need: changesRead, stream: true, handle: (*Handler).changes},
		{method: get, pattern: "/tvilling/messages", own: true, need: messagesRead, stream: true, handle: (*Handler).messages},
		{method: get, pattern: "/tvilling/devices", own: true, need: registryRead, handle: (*Handler).pageDevices},
		{method: post, pattern: "/tvilling" + device + "/regenerate", own: true, need: registryWrite, handle: (*Handler).regenerate},
		{method: post, pattern: "/tvilling" + module + "/regenerate", own: true, need: registryWrite, handle: (*Handler).regenerate},
		{method: post, pattern: "/tvilling" + module + "/restore", own: true, need: registryWrite, handle: (*Handler).restore},
		{method: get, pattern: "/tvilling/policies", own: true, need: owner, handle: (*Handler).listPolicies},
		{method: get, pattern: policy, own: true, need: owner, handle: (*Handler).getPolicy},
		{method: put, pattern: policy, own: true, need: owner, handle: (*Handler).putPolicy},
		{method: del, pattern: policy, own: true, need: owner, handle: (*Handler).deletePolicy},
		{method: post, pattern: policy + "/regenerate", own: true, need: owner, handle: (*Handler).regeneratePolicy},
		{method: get, pattern: "/tvilling/settings", own: true, need: registryRead, handle: (*Handler).getSettings},
		{method: put, pattern: "/tvilling/settings", own: true, need: owner, handle: (*Handler).putSettings},
		{method: get, pattern: "/tvilling/securitymodule", own: true, need: registryRead, handle: (*Handler).securityModule},
	}
	return append(table, unoffered()...)
}
