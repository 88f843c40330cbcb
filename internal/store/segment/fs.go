package segment

import "io"

// FS is the little of a file system that a log needs. [OS] returns the real
// one; package faultfs has one that fails and crashes on demand. Errors wrap
// the ones of package syscall, by which a log tells a full disk (ENOSPC,
// EDQUOT) from a broken one.
type FS interface {
	// MakeDir makes a directory and its parents, readable by the owner only,
	// unless it exists, and makes its entry durable.
	MakeDir(dir string) error
	// Lock takes the directory for this process until it is closed, or fails
	// when somebody else has it.
	Lock(dir string) (io.Closer, error)
	// Names lists the files of a directory in any order.
	Names(dir string) ([]string, error)
	// Create opens a file for reading and writing, and makes it or empties it.
	Create(path string) (File, error)
	// Open opens an existing file for reading and writing.
	Open(path string) (File, error)
	// Remove deletes a file. Files that are open stay readable.
	Remove(path string) error
	// SyncDir makes the creations and removals in a directory durable.
	SyncDir(dir string) error
}

// File is one open file of an [FS]. Space that was never written reads as
// zeros. Methods are safe for concurrent use.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	// Sync makes everything written so far, and the size, durable.
	Sync() error
}
