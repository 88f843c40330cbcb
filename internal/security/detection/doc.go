// Package detection holds the detections that need a memory: counts within a
// window, sequences, differences of snapshots, silence. Each is one file and
// keeps nothing but what its scope remembers per device, so that a restart
// between any two events changes no finding. Detections that look at one event
// alone are Sigma rules and live in package rules; two that ask of an address
// whether it is the device's own are here, too.
//
// Memories are small and versioned: their first byte names the form. A memory
// that cannot be read counts as none.
package detection
