package detect

import (
	"encoding/binary"
	"strings"
	"time"

	"github.com/tvilling/tvilling/internal/security/ledger"
)

// wakePrefix begins the names under which a device's memory holds the times at
// which parties want to look at it again.
const wakePrefix = "wake:"

// SetWake has the party looked for when the time has come; zero is never.
// Device.Due becomes the earliest of all parties' times.
func SetWake(d *ledger.Device, party string, at time.Time) {
	name := wakePrefix + party
	if at.IsZero() {
		delete(d.Memory, name)
	} else {
		if d.Memory == nil {
			d.Memory = make(map[string][]byte)
		}
		d.Memory[name] = binary.AppendVarint(nil, at.Unix())
	}
	d.Due = time.Time{}
	for name := range d.Memory {
		if t, ok := wakeTime(d, name); ok && (d.Due.IsZero() || t.Before(d.Due)) {
			d.Due = t
		}
	}
}

// WakeTime returns when the party wants to be woken; false for never.
func WakeTime(d *ledger.Device, party string) (time.Time, bool) {
	return wakeTime(d, wakePrefix+party)
}

func wakeTime(d *ledger.Device, name string) (time.Time, bool) {
	if !strings.HasPrefix(name, wakePrefix) {
		return time.Time{}, false
	}
	seconds, n := binary.Varint(d.Memory[name])
	if n <= 0 {
		return time.Time{}, false
	}
	return time.Unix(seconds, 0).UTC(), true
}

// Settle drops the wakes that have come due and that nobody has renewed, so
// that a party which is no longer there does not keep the device due for ever.
func Settle(d *ledger.Device, now time.Time) {
	for name := range d.Memory {
		if t, ok := wakeTime(d, name); ok && !t.After(now) {
			SetWake(d, strings.TrimPrefix(name, wakePrefix), time.Time{})
		}
	}
	if !d.Due.After(now) {
		SetWake(d, "", time.Time{})
	}
}
