// Package securitydb is the embedded store of the security ledger: one SQLite
// file, security.db, in a directory of one machine.
//
// A batch is one transaction. It is on disk when Commit returns (the
// write-ahead log is synced), and readers, which have connections of their
// own, see it whole from then on. The log is moved into the database file by a
// goroutine beside the commits, which wait for it only as long as it takes to
// move what came meanwhile.
//
//	security.lock    held by the process that has the store open
//	security.db      the records by key (SQLite, WAL)
//
// A record is one encoded value; the columns beside it are for finding it and
// for counting. Every value carries a CRC-32C over its key and its bytes: a
// damaged one is refused by name with code Corrupt and never served, and never
// hides others.
//
// The package knows how records are laid out on disk and nothing of what they
// mean: it folds no alerts and keeps no counts.
package securitydb
