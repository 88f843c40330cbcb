package securitydb

import (
	"encoding/binary"
	"maps"
	"slices"
	"strconv"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

func uitoa(n uint64) string { return strconv.FormatUint(n, 10) }

// states are the numbers of a recommendation's states.
var states = []ledger.State{ledger.Active, ledger.Mended}

func stateNumber(s ledger.State) int64 { return int64(slices.Index(states, s)) }

func (r *reader) state() ledger.State {
	n := r.byte()
	if int(n) >= len(states) {
		r.fail()
		return ""
	}
	return states[n]
}

func recommendationKey(d tvilling.DeviceID, typ string) key {
	return key{kind: kindRecommendation, a: string(d), b: typ}
}

// appendRecommendation appends the stored value of a recommendation.
func appendRecommendation(dst []byte, c *ledger.Recommendation) []byte {
	start := len(dst)
	b := dst
	b = append(b, formatFirst, byte(c.Severity), byte(stateNumber(c.State)))
	b = appendString(b, c.Details)
	b = appendString(b, c.Module)
	b = appendString(b, c.Patch)
	b = appendTime(b, c.Discovered)
	b = appendTime(b, c.Resolved)
	b = appendTime(b, c.Updated)
	b = binary.AppendUvarint(b, c.Version)
	return recommendationKey(c.Device, c.Type).seal(b, start)
}

func decodeRecommendation(d tvilling.DeviceID, typ string, value []byte) (*ledger.Recommendation, error) {
	return decode(recommendationKey(d, typ), value, func(r *reader) *ledger.Recommendation {
		return &ledger.Recommendation{
			Device: d, Type: typ, Severity: r.severity(), State: r.state(), Details: r.bytes(),
			Module: tvilling.ModuleID(r.string()), Patch: r.bytes(),
			Discovered: r.time(), Resolved: r.time(), Updated: r.time(), Version: r.uvarint(),
		}
	})
}

func deviceKey(d tvilling.DeviceID) key { return key{kind: kindDevice, a: string(d)} }

// The flags of a device.
const (
	flagPosture = 1 << iota
	flagGone
	flagsKnown = 1<<iota - 1
)

// appendDevice appends the stored value of what is remembered of a device.
func appendDevice(dst []byte, d *ledger.Device) []byte {
	start := len(dst)
	flags := byte(0)
	if d.Posture {
		flags |= flagPosture
	}
	if d.Gone {
		flags |= flagGone
	}
	b := dst
	b = append(b, formatFirst, flags)
	b = appendTime(b, d.LastSeen)
	b = appendString(b, d.AgentID)
	b = appendString(b, d.AgentVersion)
	for s := range d.Alerts {
		b = binary.AppendVarint(b, int64(d.Alerts[s]))
		b = binary.AppendVarint(b, int64(d.Recommendations[s]))
	}
	b = appendString(b, d.Sync)
	b = appendString(b, d.State)
	b = appendTime(b, d.Due)
	b = binary.AppendUvarint(b, uint64(len(d.Memory)))
	if len(d.Memory) > 0 {
		for _, name := range slices.Sorted(maps.Keys(d.Memory)) {
			b = appendString(b, name)
			b = appendString(b, d.Memory[name])
		}
	}
	return deviceKey(d.ID).seal(b, start)
}

func decodeDevice(id tvilling.DeviceID, value []byte) (*ledger.Device, error) {
	return decode(deviceKey(id), value, func(r *reader) *ledger.Device {
		d := &ledger.Device{ID: id}
		flags := r.byte()
		if flags > flagsKnown {
			r.fail()
		}
		d.Posture, d.Gone = flags&flagPosture != 0, flags&flagGone != 0
		d.LastSeen = r.time()
		d.AgentID = r.string()
		d.AgentVersion = r.string()
		for s := range d.Alerts {
			d.Alerts[s] = int32(r.varint())
			d.Recommendations[s] = int32(r.varint())
		}
		d.Sync = r.string()
		d.State = r.string()
		d.Due = r.time()
		if n := r.count(); n > 0 {
			d.Memory = make(map[string][]byte, n)
			for range n {
				name := r.string()
				d.Memory[name] = r.bytes()
			}
		}
		return d
	})
}

func feedKey(sequence uint64) key { return key{kind: kindFeed, number: sequence} }

// appendEntry appends the stored value of an entry of the feed.
func appendEntry(dst []byte, e *ledger.Entry) []byte {
	start := len(dst)
	b := dst
	b = append(b, formatFirst)
	b = appendTime(b, e.Time)
	b = appendString(b, e.Subject)
	b = appendString(b, e.ID)
	b = appendString(b, e.Device)
	b = appendString(b, e.Action)
	b = appendString(b, e.Actor)
	b = appendString(b, e.Body)
	return feedKey(e.Sequence).seal(b, start)
}

func decodeEntry(sequence uint64, value []byte) (ledger.Entry, error) {
	return decode(feedKey(sequence), value, func(r *reader) ledger.Entry {
		return ledger.Entry{
			Sequence: sequence, Time: r.time(), Subject: r.string(), ID: r.string(), Device: tvilling.DeviceID(r.string()),
			Action: r.string(), Actor: r.string(), Body: r.bytes(),
		}
	})
}

// appendNumber appends the stored value of a cursor or a position.
func appendNumber(dst []byte, k key, n uint64) []byte {
	start := len(dst)
	return k.seal(binary.AppendUvarint(append(dst, formatFirst), n), start)
}

func decodeNumber(k key, value []byte) (uint64, error) {
	return decode(k, value, (*reader).uvarint)
}

// appendBytes appends the stored value of a small setting.
func appendBytes(dst []byte, k key, v []byte) []byte {
	start := len(dst)
	return k.seal(append(append(dst, formatFirst), v...), start)
}

// decodeBytes never returns nil for a setting that exists.
func decodeBytes(k key, value []byte) ([]byte, error) {
	return decode(k, value, func(r *reader) []byte {
		v := r.b
		r.b = nil
		return v
	})
}

// credentialKey is the key of one fingerprint of an identity.
func credentialKey(id tvilling.Identity, fingerprint []byte) key {
	return key{kind: kindCredential, a: string(id.Device), b: string(id.Module) + "\x00" + string(fingerprint)}
}
