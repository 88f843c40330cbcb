package spool

import "io"

// disk is the little of a folder that a spool needs.
type disk interface {
	// Names calls f with the name of each entry, in any order, until f says no.
	Names(f func(name string) bool) error
	// Create opens a file for writing, and makes it or empties it.
	Create(name string) (file, error)
	// Open opens an existing file for reading, and for writing if write is true.
	// Anything else than a plain file is an error.
	Open(name string, write bool) (file, error)
	// Remove deletes a file.
	Remove(name string) error
	// Sync makes what was written to a file durable, whoever wrote it.
	Sync(name string) error
	// SyncDir makes what was created durable.
	SyncDir() error
	// Here reports whether the folder is still the one that its name names: it
	// may have been removed.
	Here() bool
	// Close lets go of the folder.
	Close() error
}

// file is an open file.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
}
