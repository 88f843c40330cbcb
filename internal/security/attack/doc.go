// Package attack has attacks to rehearse with: for each detection of the hub
// the real messages, or the real attempts to connect, that provoke it. It makes
// texts and says what to do; sending is the caller's. Nothing in it harms a
// device: the events are told, not done, and the addresses in them are reserved
// for documentation.
package attack
