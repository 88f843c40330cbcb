// Package commit is the one place where a hub's state changes. Every change is
// a function run by one goroutine, in order of arrival, over a transaction
// that sees the changes before it; what the functions of one round did becomes
// durable with one [state.Store.Commit]; only then are answers released and
// effects (closed sessions, notifications) set off, again in order.
//
// It knows neither identities' rules nor twins': those are the functions of
// packages registry, twin and session.
package commit
