// Package rest is what the REST interfaces of a hub have in common: finding
// the route, proving who asks, reading the query string and the body strictly,
// answering, streaming, and telling of errors in the one shape that clients of
// IoT Hub read.
//
// It has no routes of its own and knows no service. The packages beside it
// (hubapi, securityapi) each bring a table of routes; neither sees the other.
// It opens no sockets: the caller serves the handler and stops it.
package rest
