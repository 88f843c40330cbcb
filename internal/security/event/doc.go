// Package event has the typed events of security messages: what they are, the
// names and kinds they go by, and the fields by which rules and queries speak
// of them. It does not read or write any wire form; package schema does.
package event
