// Package link keeps one connection of the security module to the hub: it
// connects again when the connection is lost, with ever longer waits, makes new
// tokens in time, follows the desired properties without missing a change, and
// sends security messages.
//
// It keeps no messages: what cannot be sent now is its caller's to keep. It does
// not know what the desired properties mean.
package link
