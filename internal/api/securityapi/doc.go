// Package securityapi is the HTTPS interface of the security plane, below
// /tvilling/security/: alerts and their lifecycle, recommendations, detections
// and the operators' own rules, stored events and what can be asked of them,
// devices, the fleet, the feed and its sinks. openapi.json describes it.
//
// A [Handler] decides nothing about security: it reads a request strictly,
// calls one method of a service that it is given, and writes what that
// answers. Whatever a device sent is data here: escaped in JSON, quoted and
// made harmless for spreadsheets in CSV.
//
// It is not the interface for devices, identities and twins (hubapi), not the
// console, and not how sinks are told.
package securityapi
