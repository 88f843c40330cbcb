// Package state is what a hub keeps: the records of identities, twins and
// sessions, and the contract of the store that holds them.
//
// Records are immutable once they are in the store or were read from it: to
// change one, copy it, change the copy and put that. Nothing here knows a
// database or a wire; how a record is laid out on disk is the store's business.
package state
