// Package arch holds the shape of the project as data, and the test that
// fails when the code drifts from it: which package may import which and why,
// which package brings in which third-party module, what the core may never
// touch, that every package says what it is, and how long a file or function
// may grow.
//
// It is not a linter of style: golangci-lint does that. Nothing imports it.
package arch
