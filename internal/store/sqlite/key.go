package sqlite

import (
	"cmp"

	"github.com/tvilling/tvilling"
)

// kind says what a record is. The numbers are on disk: never change one.
type kind uint8

const (
	kindIdentity kind = 1
	kindTwin     kind = 2
	kindSession  kind = 3
	kindSetting  kind = 4
	kindCounters kind = 5
	kindPosition kind = 6 // in SQLite only
)

func (k kind) String() string {
	switch k {
	case kindIdentity:
		return "identity"
	case kindTwin:
		return "twin"
	case kindSession:
		return "session"
	case kindSetting:
		return "setting"
	case kindCounters:
		return "counters"
	case kindPosition:
		return "position"
	default:
		return "record"
	}
}

// key names one record. Settings have their name as the device; counters and
// position, of which there is one, have no name.
type key struct {
	kind kind
	id   tvilling.Identity
}

func (k key) compare(o key) int {
	if c := cmp.Compare(k.kind, o.kind); c != 0 {
		return c
	}
	return k.id.Compare(o.id)
}

// String names the record for people: "twin d1/azureiotsecurity".
func (k key) String() string {
	if k.id == (tvilling.Identity{}) {
		return k.kind.String()
	}
	return k.kind.String() + " " + k.id.String()
}

// reasonJournal is why a record is refused that was damaged in the journal.
const reasonJournal = "its last change was lost to damage of the journal"

// damaged is the error for a record whose stored bytes cannot be trusted.
func (k key) damaged(reason string) error {
	return &tvilling.Error{
		Code: tvilling.Corrupt, Op: "read " + k.kind.String(), Subject: k.id.String(),
		Message: "The stored " + k.String() + " is damaged: " + reason + ". It is not served; write it anew or restore it from a backup.",
	}
}
