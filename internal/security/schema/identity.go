package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// emptyID is what programs send that never filled in their id.
const emptyID = "00000000-0000-0000-0000-000000000000"

var hexDigits = func() (t [256]bool) {
	for c := range t {
		t[c] = hexDigit(byte(c)) >= 0
	}
	return t
}()

// validID reports whether s is a GUID in its usual form and not the empty one.
func validID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if !hexDigits[s[i]] {
				return false
			}
		}
	}
	return s != emptyID
}

// deriveID makes the id of an event that came without a usable one: of its text
// as sent, and of how many events of its message that stand before it have the
// same text. The same event sent again, alone or among others, has the same id;
// two equal events of one message have not. An id that is no GUID is part of
// the text: agents that count from 1 after every start would otherwise have
// most of their events taken for repetitions.
//
// It is a UUID of version 8, the version for such purposes (RFC 9562).
func (d *decoder) deriveID(raw string) string {
	sum := sha256.Sum256([]byte(raw))
	if d.derived == nil {
		d.derived = map[[16]byte]uint32{}
	}
	key := [16]byte(sum[:16])
	nth := d.derived[key]
	d.derived[key]++
	if nth > 0 {
		sum = sha256.Sum256(append(sum[:], byte(nth>>8), byte(nth)))
	}
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	h := hex.EncodeToString(sum[:16])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}
