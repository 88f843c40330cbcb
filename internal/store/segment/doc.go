// Package segment is an append-only log of byte records in numbered files: the
// durable ground under the journal and the message logs.
//
// A log is one directory of segment files. Each file is named after the first
// sequence it may hold; records follow a file header one after another, and
// every record header and every payload carries its own CRC-32C. [Log.Append]
// writes its records with one write and one fdatasync and returns when they
// are durable; the records of one call are kept or lost together. [Log.Read]
// sees durable records only and runs beside the appender.
//
// # Damage and torn tails
//
// The log tells two things apart. A torn tail is what a crash leaves of an
// append that was never acknowledged: a last batch that is cut off, or that
// has a 512-byte sector which was never written and therefore reads as zeros
// (disks write a sector whole or not at all). [Open] cuts it off and says so in [Recovery]. Damage is anything else that
// does not match its checksum: it is kept, its record is yielded as an error
// of code Corrupt with a [Damage] as its cause, and reading goes on with the
// next record. Sequences of damaged records are never given out again. One
// case cannot be told apart: damage of the very last batch of a log, if a
// whole sector of its payloads is zero by nature, passes for a torn tail.
//
// # Failures
//
// When there is no space left, an append is rolled back and refused with code
// Unavailable; a later one may succeed. After any other failed write and
// after every failed fsync the log is poisoned: what is durable is not known,
// every further append returns the same error of code Internal, and only
// opening the log again tells (a failed fsync must not be tried again: the
// kernel may have dropped the pages it could not write).
//
// The package is not a queue and knows no consumers: whoever reads keeps its
// own cursor. It does not know what a payload means, does not compress, and
// does not index by anything but the sequence.
package segment
