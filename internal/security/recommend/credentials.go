package recommend

import (
	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// maxShared bounds the identities that are named.
const maxShared = 10

type shares struct {
	With []string `json:"sharedWith"`
	// More says that there may be others.
	More bool `json:"more,omitempty"`
}

// Credentials is told which identities of other devices have a credential that
// the device of id has, too; none if it shares none. Whoever finds that out
// tells it of each of the devices that share, or no longer do.
func (a *Assessor) Credentials(tx *ledger.Tx, id tvilling.Identity, shared []tvilling.Identity) error {
	var s shares
	for _, other := range shared {
		if other.Device == id.Device {
			continue // a device and its modules are one
		}
		if len(s.With) == maxShared {
			s.More = true
			break
		}
		s.With = append(s.With, other.String())
	}
	s.More = s.More || len(shared) >= maxShared
	return a.either(tx, id.Device, SharedCredentials, len(s.With) > 0, advice{details: s})
}
