package state

import (
	"time"
)

// Past is one entry of the history of an identity: either a change of it, or
// the records that a batch left of it. A batch yields its records first, which
// are as of its last change, and then its changes, newest first.
type Past struct {
	// Sequence is that of the change; for records that of the newest change,
	// of any identity, in the batch or before it.
	Sequence uint64
	// Time is when the change was made; for records when the batch was
	// committed.
	Time time.Time
	// Change is set for a change, and then nothing below is.
	Change *Change
	// Identity, Twin and Session are the records that the batch put, nil for
	// those that it left as they were.
	Identity *Identity
	Twin     *Twin
	Session  *Session
	// Deleted says that the batch deleted the identity, with its twin and its
	// session, and did not make it anew.
	Deleted bool
}
