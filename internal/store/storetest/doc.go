// Package storetest is the conformance suite of stores: the contract of
// [state.Store] as tests. A store exists only when it passes. It knows no
// particular store and skips nothing: what a store can do beyond the contract
// it says in its [Factory].
package storetest
