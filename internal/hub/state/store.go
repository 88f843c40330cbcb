package state

import (
	"context"
	"iter"

	"github.com/tvilling/tvilling"
)

// Batch is one atomic, durable change of the store: all of its writes and
// changes, or none.
type Batch struct {
	Writes  []Write
	Changes []Change // with their sequences and times filled in, ascending
}

// Write puts or deletes one record. Exactly one of the pointers is set to put
// that record; Delete names the kind to delete otherwise. The last write of a
// record in a batch counts.
type Write struct {
	ID       tvilling.Identity
	Identity *Identity
	Twin     *Twin
	Session  *Session
	Counters *Counters
	// Setting puts the setting Name (ID is unused); nil Value deletes it.
	Setting *Setting
	// Delete removes the identity, twin and session records of ID, as far as
	// they exist.
	Delete bool
}

// Setting is a named value of the hub: shared access policies, the companion
// rule, switches. Its bytes belong to whoever owns the name.
type Setting struct {
	Name  string
	Value []byte
}

// Range asks for identities in ascending order of [tvilling.Identity.Compare].
type Range struct {
	// Kind says which identities: all of them, devices only, modules only.
	Kind Kind
	// Device, if set, limits the range to this device and its modules.
	Device tvilling.DeviceID
	// After is the last identity already seen; zero starts at the beginning.
	After tvilling.Identity
	// Until, if set, is the last identity wanted.
	Until tvilling.Identity
	// Bare asks for the twins alone, which is cheaper: [Entry.Identity] is nil,
	// and what has no twin is left out.
	Bare bool
	// Hold, if set for a bare scan, lets the store use the memory of an entry
	// again once the next one is asked for, unless *Hold is true by then. The
	// store sets it to false when it has taken note. It is for who looks at many
	// entries and keeps few.
	Hold *bool
}

// Kind selects identities in a [Range].
type Kind uint8

// The kinds of a range.
const (
	All Kind = iota
	Devices
	Modules
)

// Entry is an identity with its twin, as a range yields it.
type Entry struct {
	// ID says whose they are, also beside an error of code Corrupt.
	ID       tvilling.Identity
	Identity *Identity
	Twin     *Twin
}

// Store holds the records of a hub. Every method is safe for concurrent use.
//
// A record that does not exist is nil without an error. A record whose stored
// bytes do not match their checksum is an error of code Corrupt that names it;
// every other record is still served. The caller must not change what it gets.
type Store interface {
	// Commit makes b durable, then visible to every reader, all of it at once.
	// Calls come from one goroutine. An error of code Unavailable (no space
	// left) means that nothing of b is kept and that a later Commit may
	// succeed. Any other error means that what is durable is not known: the
	// store refuses further commits and the process must stop.
	Commit(ctx context.Context, b *Batch) error

	Identity(ctx context.Context, id tvilling.Identity) (*Identity, error)
	Twin(ctx context.Context, id tvilling.Identity) (*Twin, error)
	Session(ctx context.Context, id tvilling.Identity) (*Session, error)
	Counters(ctx context.Context) (Counters, error)
	Setting(ctx context.Context, name string) ([]byte, error)

	// Scan yields the identities of a range with their twins. It sees every
	// batch committed before it began and reads in short steps, so it may
	// also see later ones. A corrupt entry is yielded as an error, after which
	// the scan goes on; the consumer decides whether to stop. When the twin
	// alone is corrupt the entry has its identity beside the error.
	Scan(ctx context.Context, r Range) iter.Seq2[Entry, error]

	// Changes yields the journal after a sequence, oldest first, up to the
	// newest durable change, and ends there. Changes older than the retention
	// are gone: the first yielded sequence then is greater than after+1.
	Changes(ctx context.Context, after uint64) iter.Seq2[Change, error]
	// History yields what the journal keeps of one identity up to a sequence
	// (0: up to the newest durable change), newest first. It ends where the
	// journal begins: what is older is gone. What is damaged is yielded as an
	// error of code Corrupt, after which the history goes on; such an error
	// may also tell of damage that hides whose record was lost.
	History(ctx context.Context, id tvilling.Identity, until uint64) iter.Seq2[Past, error]
	// Head returns the sequence and time (Unix nanoseconds) of the newest
	// durable change; 0, 0 in a fresh store.
	Head() (sequence uint64, unixNano int64)

	Close() error
}
