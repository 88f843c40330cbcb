package sqlite

import (
	"encoding/binary"
	"hash/crc32"
	"sync"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// A stored value is
//
//	format:u8 fields crc:u32
//
// where the crc, little-endian, is the CRC-32C of the record's kind and key
// and of the bytes before it: a value that is read under another key than it
// was written for does not match. Integers are varints, strings and bytes have
// their length before them. The key is not repeated inside.
const (
	// formatDamaged marks a record that was damaged in the journal before it
	// reached SQLite: what SQLite held of it is stale and must not be served.
	formatDamaged = 0
	// formatFirst is the layout of all records but those of formatOwned.
	formatFirst = 1
	// formatOwned is that of a twin with owned members, which follow the other
	// fields. A twin without them has formatFirst, so that a hub which keeps
	// none can go back to the version before.
	formatOwned = 2

	checksumSize = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// setting and position are the records that have no type of the core.
type (
	setting  []byte
	position struct {
		// record is the newest record of the journal that SQLite holds.
		record uint64
		// sequence and time are those of the newest change up to there.
		sequence uint64
		time     int64
	}
)

// keyTexts holds buffers for the keys of checksums, which would be allocated
// one by one otherwise.
var keyTexts = sync.Pool{New: func() any { return new([320]byte) }}

// checksum returns the CRC-32C of a value under its key.
func checksum(k key, value []byte) uint32 {
	text := keyTexts.Get().(*[320]byte)
	b := text[:0]
	b = append(b, byte(k.kind))
	b = append(b, k.id.Device...)
	b = append(b, 0)
	b = append(b, k.id.Module...)
	b = append(b, 0)
	sum := crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, value)
	keyTexts.Put(text)
	return sum
}

func appendChecksum(dst []byte, sum uint32) []byte {
	return binary.LittleEndian.AppendUint32(dst, sum)
}

// appendValue appends the stored value of a record; rec is what decodeValue
// returns for its kind, or nil for a record known to be damaged.
func appendValue(dst []byte, k key, rec any) []byte {
	start := len(dst)
	dst = append(dst, formatFirst)
	switch rec := rec.(type) {
	case *state.Identity:
		dst = appendIdentity(dst, rec)
	case *state.Twin:
		dst = appendTwin(dst, rec)
		if len(rec.Owned) > 0 {
			dst[start] = formatOwned
			dst = appendOwned(dst, rec.Owned)
		}
	case *state.Session:
		dst = appendSession(dst, rec)
	case setting:
		dst = append(dst, rec...)
	case *state.Counters:
		dst = binary.AppendVarint(dst, rec.Devices)
		dst = binary.AppendVarint(dst, rec.DisabledDevices)
		dst = binary.AppendVarint(dst, rec.Modules)
	case position:
		dst = binary.AppendUvarint(dst, rec.record)
		dst = binary.AppendUvarint(dst, rec.sequence)
		dst = binary.AppendVarint(dst, rec.time)
	default:
		dst[start] = formatDamaged
	}
	return appendChecksum(dst, checksum(k, dst[start:]))
}

// decodeValue checks a stored value and returns its record, which shares
// memory with value. The error is of code Corrupt and names the record.
func decodeValue(k key, value []byte) (any, error) {
	format, fields, err := checkValue(k, value)
	if err != nil {
		return nil, err
	}
	rec, err := decodeFields(k, format, fields)
	if err != nil {
		return nil, k.damaged(err.Error())
	}
	return rec, nil
}

// decodeTwinValue is decodeValue for a twin into memory of the caller's.
func decodeTwinValue(t *state.Twin, id tvilling.Identity, value []byte) error {
	k := key{kindTwin, id}
	format, fields, err := checkValue(k, value)
	if err != nil {
		return err
	}
	t.ID = id
	if err := decodeTwin(&reader{b: fields}, t, format); err != nil {
		return k.damaged(err.Error())
	}
	return nil
}

// checkValue returns what a stored value holds if it can be trusted and is of
// a known format.
func checkValue(k key, value []byte) (format byte, fields []byte, err error) {
	n := len(value) - checksumSize
	if n < 1 {
		return 0, nil, k.damaged("it is too short")
	}
	if binary.LittleEndian.Uint32(value[n:]) != checksum(k, value[:n]) {
		return 0, nil, k.damaged("checksum mismatch")
	}
	switch value[0] {
	case formatFirst, formatOwned:
		return value[0], value[1:n:n], nil
	case formatDamaged:
		return 0, nil, k.damaged(reasonJournal)
	default:
		return 0, nil, &tvilling.Error{
			Code: tvilling.Unsupported, Op: "read " + k.kind.String(), Subject: k.id.String(),
			Message: "The stored " + k.String() + " was written by a newer version of Tvilling; use that version.",
		}
	}
}

func decodeFields(k key, format byte, b []byte) (any, error) {
	r := &reader{b: b}
	if format == formatOwned && k.kind != kindTwin {
		return nil, errMalformed
	}
	switch k.kind {
	case kindIdentity:
		return decodeIdentity(r, k.id)
	case kindTwin:
		t := &state.Twin{ID: k.id}
		return t, decodeTwin(r, t, format)
	case kindSession:
		return decodeSession(r, k.id)
	case kindSetting:
		return setting(b), nil
	case kindCounters:
		c := &state.Counters{Devices: r.varint(), DisabledDevices: r.varint(), Modules: r.varint()}
		return c, r.end()
	case kindPosition:
		p := position{record: r.uvarint(), sequence: r.uvarint(), time: r.varint()}
		return p, r.end()
	default:
		return nil, errMalformed
	}
}

func decodeTwin(r *reader, t *state.Twin, format byte) error {
	t.Version = r.varint()
	t.Revision = r.uvarint()
	t.ModelID = r.string()
	t.Tags = doc.Section(r.bytes())
	t.Desired = doc.Section(r.bytes())
	t.Reported = doc.Section(r.bytes())
	if format == formatOwned {
		t.Owned = decodeOwned(r)
	}
	return r.end()
}

func appendTwin(b []byte, t *state.Twin) []byte {
	b = binary.AppendVarint(b, t.Version)
	b = binary.AppendUvarint(b, t.Revision)
	b = appendString(b, t.ModelID)
	b = appendString(b, t.Tags)
	b = appendString(b, t.Desired)
	return appendString(b, t.Reported)
}

func appendOwned(b []byte, members []state.Owned) []byte {
	b = binary.AppendUvarint(b, uint64(len(members)))
	for _, m := range members {
		b = appendString(b, m.Name)
		b = appendString(b, m.Value)
	}
	return b
}

// decodeOwned reads the members that appendOwned wrote: at least one,
// ascending by name.
func decodeOwned(r *reader) []state.Owned {
	n := r.uvarint()
	if n == 0 || n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	members := make([]state.Owned, 0, min(n, 8))
	last := ""
	for range n {
		m := state.Owned{Name: r.string(), Value: doc.Section(r.bytes())}
		if m.Name <= last {
			r.fail()
		}
		if r.err != nil {
			return nil
		}
		members = append(members, m)
		last = m.Name
	}
	return members
}

// The flags of an identity.
const (
	flagDisabled = 1 << iota
	flagEdge
	flagCompanion
	flagPristine
	flagCompanionOptOut
	flagsKnown = 1<<iota - 1
)

func appendIdentity(b []byte, d *state.Identity) []byte {
	var flags byte
	for _, f := range []struct {
		on  bool
		bit byte
	}{
		{d.Disabled, flagDisabled},
		{d.Edge, flagEdge},
		{d.Companion, flagCompanion},
		{d.Pristine, flagPristine},
		{d.CompanionOptOut, flagCompanionOptOut},
	} {
		if f.on {
			flags |= f.bit
		}
	}
	b = append(b, flags)
	b = appendString(b, d.Generation)
	b = binary.AppendUvarint(b, d.Version)
	b = appendString(b, d.StatusReason)
	b = appendTime(b, d.StatusUpdated)
	b = appendTime(b, d.Created)
	b = appendString(b, d.Auth.Type)
	b = appendString(b, d.Auth.SealedPrimary)
	b = appendString(b, d.Auth.SealedSecondary)
	b = appendString(b, d.Auth.PrimaryThumbprint)
	b = appendString(b, d.Auth.SecondaryThumbprint)
	b = appendString(b, d.DeviceScope)
	b = appendString(b, d.ManagedBy)
	b = binary.AppendUvarint(b, uint64(len(d.ParentScopes)))
	for _, s := range d.ParentScopes {
		b = appendString(b, s)
	}
	return b
}

func decodeIdentity(r *reader, id tvilling.Identity) (*state.Identity, error) {
	flags := r.byte()
	if flags > flagsKnown {
		return nil, errMalformed
	}
	d := &state.Identity{
		ID:              id,
		Disabled:        flags&flagDisabled != 0,
		Edge:            flags&flagEdge != 0,
		Companion:       flags&flagCompanion != 0,
		Pristine:        flags&flagPristine != 0,
		CompanionOptOut: flags&flagCompanionOptOut != 0,
	}
	d.Generation = r.string()
	d.Version = r.uvarint()
	d.StatusReason = r.string()
	d.StatusUpdated = r.time()
	d.Created = r.time()
	d.Auth.Type = authType(r.bytes())
	d.Auth.SealedPrimary = r.bytes()
	d.Auth.SealedSecondary = r.bytes()
	d.Auth.PrimaryThumbprint = r.string()
	d.Auth.SecondaryThumbprint = r.string()
	d.DeviceScope = r.string()
	d.ManagedBy = r.string()
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		return nil, errMalformed
	}
	for range n {
		d.ParentScopes = append(d.ParentScopes, r.string())
	}
	return d, r.end()
}

// authType returns the constant for the usual words, to keep one copy of each.
func authType(b []byte) state.AuthType {
	switch t := state.AuthType(b); t {
	case state.SAS:
		return state.SAS
	case state.SelfSigned:
		return state.SelfSigned
	case state.CertificateAuthority:
		return state.CertificateAuthority
	case state.None:
		return state.None
	default:
		return t
	}
}

func appendSession(b []byte, s *state.Session) []byte {
	var present byte
	if s.Present {
		present = 1
	}
	b = append(b, present, byte(s.Topics), byte(s.AtLeastOnce))
	b = appendString(b, s.ClientType)
	b = appendTime(b, s.LastActivity)
	return appendTime(b, s.StateUpdated)
}

func decodeSession(r *reader, id tvilling.Identity) (*state.Session, error) {
	s := &state.Session{ID: id}
	present := r.byte()
	if present > 1 {
		return nil, errMalformed
	}
	s.Present = present == 1
	s.Topics = state.Topic(r.byte())
	s.AtLeastOnce = state.Topic(r.byte())
	s.ClientType = r.string()
	s.LastActivity = r.time()
	s.StateUpdated = r.time()
	return s, r.end()
}

// sizeOf estimates the memory that a record takes, its key and place included.
func sizeOf(k key, rec any) int64 {
	n := 160 + len(k.id.Device) + len(k.id.Module)
	switch rec := rec.(type) {
	case *state.Identity:
		n += 360 + len(rec.Generation) + len(rec.StatusReason) + len(rec.Auth.SealedPrimary) +
			len(rec.Auth.SealedSecondary) + len(rec.Auth.PrimaryThumbprint) + len(rec.Auth.SecondaryThumbprint) +
			len(rec.DeviceScope) + len(rec.ManagedBy)
		for _, s := range rec.ParentScopes {
			n += 16 + len(s)
		}
	case *state.Twin:
		n += 160 + len(rec.Tags) + len(rec.Desired) + len(rec.Reported) + len(rec.ModelID)
		for i := range rec.Owned {
			n += 64 + len(rec.Owned[i].Name) + len(rec.Owned[i].Value)
		}
	case *state.Session:
		n += 128 + len(rec.ClientType)
	case setting:
		n += 24 + len(rec)
	}
	return int64(n)
}
