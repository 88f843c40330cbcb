// Package load drives many MQTT connections at a bounded number of requests in
// flight and measures how long each takes. It shares the machine with what it
// measures, so it is built to be cheap: one goroutine for each connection that
// only wakes when bytes come, no goroutine for a message, no allocation for
// one, one write for all requests that one read sets off on a connection.
//
// It is a generator, not a client: it does not reconnect, and it stops at the
// first thing that is not as it should be.
package load
