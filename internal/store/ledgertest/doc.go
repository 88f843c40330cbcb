// Package ledgertest is the conformance suite of the stores of the security
// ledger. It says what every [ledger.Store] does beyond its signatures; how
// one behaves on a damaged or full disk is tested with that store.
package ledgertest
