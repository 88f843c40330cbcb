// Package alert keeps the life of alerts: how observations become one alert,
// what operators may do with it, and why it is there.
//
// # How observations fold
//
// Observations with the same key (device, type, cause) belong together. What
// an observation does depends on the newest alert of its key:
//
//   - There is none: it raises a new alert.
//   - It is open (new, acknowledged, inProgress): the observation folds into
//     it. Its count and its last time grow, its severity may rise and never
//     falls, and the observation becomes evidence.
//   - It was resolved, and last changed not longer ago than the renewal span
//     (7 days by default): the observation folds into it and reopens it. It is
//     new again, keeps its owner and note, and counts how often that happened.
//     What was resolved longer ago stays as it is: the observation raises a new
//     alert, as it does after an alert that was resolved because its device
//     was deleted.
//   - It was dismissed for good, or until a time that has not come: the
//     observation is counted and kept as evidence, in silence. No status
//     changes, and neither the history nor the feed tells of it.
//   - It was dismissed until a time that has passed: the observation reopens it.
//
// So resolving says "this is dealt with", and a recurrence is news; dismissing
// says "this is no news". The hub's clock decides about spans, never the
// device's. An alert keeps the first and the newest observations as evidence,
// half of [ledger.MaxEvidence] each; the count tells how many there were.
//
// # What operators do
//
// An open alert may be acknowledged, started, resolved or dismissed, and become
// new again; one that is resolved or dismissed may be reopened, as new, and
// nothing else. Resolving and dismissing need a reason out of [Reasons]. Owner
// and note may change at any time. Every change is a step of the alert's history with its actor and
// an entry of the feed, durable before it is answered.
//
// The package finds nothing itself: it is told of observations by whoever
// detects them.
package alert
