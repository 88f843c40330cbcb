// Package securitymem keeps the security ledger's records in memory: the fake
// that tests use for the embedded store. Nothing outlives it.
package securitymem
