// Package client is a typed client of a hub's REST interface, for the command
// line and for tests: identities, twins, queries, statistics, and the routes
// of Tvilling alone, streams of changes and messages among them.
//
// It signs its requests itself, from a connection string or a policy's key,
// and gives every refusal of the hub as a [tvilling.Error] with the hub's own
// code and text.
//
// It is not a device: it sends no telemetry and keeps no connection open but
// those of streams. It retries nothing; that is the caller's decision.
package client
