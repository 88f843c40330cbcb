// Package faultfs is a file system in memory that fails and crashes on demand.
// It is support for tests of package segment and of what is built on it.
//
// It keeps, beside what a process sees, what a disk would hold: data becomes
// durable by Sync of its file, entries of a directory by SyncDir. [FS.Crash]
// loses everything else, or a part of it that the test chooses, sector by
// sector, the way a power cut does: a sector of 512 bytes is written whole or
// not at all, and space that was not written reads as zeros.
//
// It has one level of directories with files in them and is not meant to be
// complete or fast.
package faultfs
