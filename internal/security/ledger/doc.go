// Package ledger keeps what the security plane concludes: alerts with their
// history, recommendations, what detections remember of each device, how far
// the readers have come. All changes go through one [Ledger] in transactions
// that are durable, whole, before anybody sees them; a [Store] holds the
// records. It decides nothing about security.
package ledger
