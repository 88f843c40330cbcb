// Package sqlite is the embedded store of a hub: one directory on one machine.
//
// The journal is the commit. A batch becomes durable as one append to a log of
// checksummed segments (package segment) and is then visible at once, from
// memory. SQLite is the materialised view of the journal: records that changed
// are written back in the background, each once per round however often it
// changed, in large transactions. After a crash the part of the journal that
// SQLite does not hold yet is replayed; entries are after-images, so replaying
// one twice does no harm.
//
//	lock          held by the process that has the store open
//	hub.db        the records by key (SQLite, WAL)
//	journal/      every batch, in order; its tail is the truth, the rest history
//	history/      where the journal has the records of an identity; made from it
//
// Every value carries a CRC-32C over its key and its bytes. A damaged one is
// refused by name with code Corrupt and never served, and never hides others.
//
// The package knows how records are laid out on disk and nothing of what they
// mean. It is not a queue of messages (package messagelog) and serves one
// process only.
package sqlite
