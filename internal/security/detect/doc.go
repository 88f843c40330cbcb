// Package detect turns events into findings: it holds the detections (Sigma
// rules, compiled together, and stateful ones written in Go), the parameters
// that operators set for them, and hands each event of a message to those that
// look at its kind. What a finding becomes is its caller's.
package detect
