package hubapi

import (
	"net/http"
	"slices"
)

// routes is the table of what the handler answers. Of routes that fit one
// path, the first wins: literals stand before parameters.
func routes() []route {
	const (
		get, put, patch, post, del = http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodPost, http.MethodDelete

		device, module         = "/devices/{device}", "/devices/{device}/modules/{module}"
		deviceTwin, moduleTwin = "/twins/{device}", "/twins/{device}/modules/{module}"
		configuration          = "/configurations/{id}"
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

		// Automatic configurations (wire §4.5).
		{method: get, pattern: "/configurations", need: configurationRead, handle: (*Handler).listConfigurations},
		{method: get, pattern: configuration, need: configurationRead, handle: (*Handler).getConfiguration},
		{method: put, pattern: configuration, need: configurationWrite, handle: (*Handler).putConfiguration},
		{method: del, pattern: configuration, need: configurationWrite, handle: (*Handler).deleteConfiguration},
		{method: post, pattern: "/configurations/testQueries", need: configurationRead, handle: (*Handler).testQueries},

		{method: get, pattern: "/statistics/devices", need: registryRead, handle: (*Handler).deviceStatistics},
		{method: get, pattern: "/statistics/service", need: registryRead, handle: (*Handler).serviceStatistics},

		// Of Tvilling alone.
		{method: get, pattern: "/tvilling/twins/{device}", own: true, need: twinRead, handle: (*Handler).getTwinActors},
		{method: get, pattern: "/tvilling/twins/{device}/modules/{module}", own: true, need: twinRead, handle: (*Handler).getTwinActors},
		{method: get, pattern: "/tvilling" + deviceTwin + "/why", own: true, need: twinRead, handle: (*Handler).whyTwin},
		{method: get, pattern: "/tvilling" + moduleTwin + "/why", own: true, need: twinRead, handle: (*Handler).whyTwin},
		{method: post, pattern: "/tvilling/configurations/plan", own: true, need: configurationPlan, handle: (*Handler).planConfiguration},
		{method: get, pattern: "/tvilling" + configuration + "/progress", own: true, need: configurationRead, handle: (*Handler).configurationProgress},
		{method: post, pattern: "/tvilling" + configuration + "/pause", own: true, need: configurationWrite, handle: (*Handler).pauseConfiguration},
		{method: post, pattern: "/tvilling" + configuration + "/resume", own: true, need: configurationWrite, handle: (*Handler).resumeConfiguration},
		{method: post, pattern: "/tvilling" + configuration + "/advance", own: true, need: configurationWrite, handle: (*Handler).advanceConfiguration},
		{method: post, pattern: "/tvilling" + configuration + "/rollback", own: true, need: configurationWrite, handle: (*Handler).rollbackConfiguration},
		{method: get, pattern: "/tvilling/query/explain", own: true, need: serviceConnect, handle: (*Handler).explain},
		{method: post, pattern: "/tvilling/query/explain", own: true, need: serviceConnect, handle: (*Handler).explain},
		{method: get, pattern: "/tvilling/query/live", own: true, need: serviceConnect, stream: true, handle: (*Handler).live},
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
		{method: get, pattern: "/tvilling/health", own: true, need: registryRead, handle: (*Handler).hubHealth},
		{method: get, pattern: "/tvilling/certificates", own: true, need: registryRead, handle: (*Handler).certificates},
		{method: get, pattern: "/tvilling/securitymodule", own: true, need: registryRead, handle: (*Handler).securityModule},
	}
	return slices.Concat(table, accessRoutes(), historyRoutes(), unoffered())
}
