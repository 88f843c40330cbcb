package live

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/tvilling/tvilling"
)

// position is how far a subscription has told what happened: what its client
// knows of any identity is how that was at some sequence from told to seen.
type position struct {
	// told is the sequence up to which all changes were looked at.
	told uint64
	// seen is a sequence that no state which was looked at is newer than.
	seen uint64
}

// mark tells one run of a hub, or one query, from another.
type mark [8]byte

// digest returns the mark of the text of a query.
func digest(text string) (m mark) {
	sum := sha256.Sum256([]byte(text))
	copy(m[:], sum[:])
	return m
}

const (
	// cursorFormat is the first byte of a cursor; another layout gets another byte.
	cursorFormat = 1
	// maxCursor is longer than any cursor that encode makes.
	maxCursor = 128
)

// encode returns a position in a query as a cursor: one line of letters,
// digits, - and _. It is opaque to clients, not secret.
func (p position) encode(text, run mark) string {
	b := append([]byte{cursorFormat}, text[:]...)
	b = append(b, run[:]...)
	b = binary.AppendUvarint(b, p.told)
	b = binary.AppendUvarint(b, p.seen-p.told)
	return base64.RawURLEncoding.EncodeToString(b)
}

// decode reads a cursor that was made for a query.
func decode(cursor string, text mark) (p position, run mark, err error) {
	p, of, run, ok := parse(cursor)
	switch {
	case !ok:
		err = cursorError("The cursor is not one that this hub gave; send the last one back as it came, or leave it away to begin anew.")
	case of != text:
		err = cursorError("The cursor belongs to another query; send it with the query that gave it, or leave it away to begin anew.")
	}
	return p, run, err
}

func parse(cursor string) (p position, text, run mark, ok bool) {
	// The decoder would step over line ends.
	if len(cursor) > maxCursor || strings.ContainsAny(cursor, "\r\n") {
		return p, text, run, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) < 1+len(text)+len(run) || b[0] != cursorFormat {
		return p, text, run, false
	}
	b = b[1+copy(text[:], b[1:]):]
	b = b[copy(run[:], b):]
	var values [2]uint64
	for i := range values {
		v, n := binary.Uvarint(b)
		if n <= 0 || len(binary.AppendUvarint(nil, v)) != n {
			return p, text, run, false
		}
		values[i], b = v, b[n:]
	}
	p = position{told: values[0], seen: values[0] + values[1]}
	return p, text, run, len(b) == 0 && p.seen >= p.told
}

func cursorError(message string) error {
	return &tvilling.Error{Code: tvilling.InvalidArgument, Op: operation, Path: "cursor", Message: message}
}
