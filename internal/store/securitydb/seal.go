package securitydb

import (
	"encoding/binary"
	"hash/crc32"
	"strings"
	"sync"

	"github.com/tvilling/tvilling"
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
	// formatFirst is the only layout of fields so far.
	formatFirst = 1

	checksumSize = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// kind is a table of records. The numbers are part of the checksums.
type kind byte

const (
	kindAlert kind = iota + 1
	kindStep
	kindRecommendation
	kindDevice
	kindFeed
	kindCursor
	kindValue
	kindTrimmed
	kindCredential
)

var kindNames = [...]string{
	kindAlert: "alert", kindStep: "history of alert", kindRecommendation: "recommendation", kindDevice: "security state of device",
	kindFeed: "feed entry", kindCursor: "cursor", kindValue: "setting", kindTrimmed: "position of the feed", kindCredential: "credential of",
}

// key names a record: its kind, the parts of its key and, for some, a number.
type key struct {
	kind   kind
	a, b   string
	number uint64
}

// String names the record for people.
func (k key) String() string {
	s := kindNames[k.kind]
	if k.kind == kindRecommendation {
		return s + " " + k.b + " of " + k.a
	}
	if k.kind == kindCredential {
		module, _, _ := strings.Cut(k.b, "\x00") // the fingerprint is not shown
		return s + " " + tvilling.Identity{Device: tvilling.DeviceID(k.a), Module: tvilling.ModuleID(module)}.String()
	}
	if k.a != "" {
		s += " " + k.a
	}
	if k.number > 0 {
		s += " " + uitoa(k.number)
	}
	return s
}

// damaged is the refusal of a record whose stored value cannot be trusted.
func (k key) damaged(reason string) error {
	return &tvilling.Error{
		Code: tvilling.Corrupt, Op: "read security store", Subject: k.String(),
		Message: "The stored " + k.String() + " is damaged (" + reason + "); it is not served. Restore a backup of security.db to have it back.",
	}
}

// keyTexts holds buffers for the keys of checksums, which would be allocated
// one by one otherwise.
var keyTexts = sync.Pool{New: func() any { return new([512]byte) }}

// checksum returns the CRC-32C of a value under its key.
func (k key) checksum(value []byte) uint32 {
	text := keyTexts.Get().(*[512]byte)
	b := text[:0]
	b = append(b, byte(k.kind))
	b = append(b, k.a...)
	b = append(b, 0)
	b = append(b, k.b...)
	b = binary.AppendUvarint(append(b, 0), k.number)
	sum := crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, value)
	keyTexts.Put(text)
	return sum
}

// seal ends the value that begins at start of dst.
func (k key) seal(dst []byte, start int) []byte {
	return binary.LittleEndian.AppendUint32(dst, k.checksum(dst[start:]))
}

// open checks a stored value and returns a reader of its fields.
func (k key) open(value []byte) (*reader, error) {
	n := len(value) - checksumSize
	if n < 1 {
		return nil, k.damaged("it is too short")
	}
	if binary.LittleEndian.Uint32(value[n:]) != k.checksum(value[:n]) {
		return nil, k.damaged("checksum mismatch")
	}
	if value[0] != formatFirst {
		return nil, &tvilling.Error{
			Code: tvilling.Unsupported, Op: "read security store", Subject: k.String(),
			Message: "The stored " + k.String() + " was written by a newer version of Tvilling; use that version.",
		}
	}
	return &reader{b: value[1:n:n]}, nil
}

// decode opens a value and has its fields read by f, all of them.
func decode[T any](k key, value []byte, f func(*reader) T) (T, error) {
	var none T
	r, err := k.open(value)
	if err != nil {
		return none, err
	}
	rec := f(r)
	if err := r.end(); err != nil {
		return none, k.damaged(err.Error())
	}
	return rec, nil
}
