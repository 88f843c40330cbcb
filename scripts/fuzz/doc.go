// Command fuzz runs every fuzz target of the module for a short time each, so
// that a new target is run without being listed anywhere.
//
// It is not a fuzzing campaign: it proves that the seeds pass and that a few
// seconds of mutation find nothing. Run one target longer with go test -fuzz.
package main
