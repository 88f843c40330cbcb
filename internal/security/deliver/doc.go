// Package deliver tells receivers of alerts and recommendations: a [Runner]
// follows the ledger's feed for one receiver, from a cursor of its own that is
// durable, and hands the entries to a [Sink] in order, at least once each. A
// receiver that is down costs nothing but the distance of its cursor: nothing
// waits in memory. The package knows no protocol; the sinks do.
package deliver
