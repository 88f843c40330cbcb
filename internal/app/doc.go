// Package app puts a hub together: it opens the store, wires the core, the
// gateways and the API in one straight line, runs them, and takes them down in
// reverse. It is the one package that sees all others; it has no behaviour of
// its own beyond the order of things.
package app
