package query

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/tvilling/tvilling"
)

// digest tells one query text from another, so that a continuation is not used
// with a query that did not give it.
type digest [8]byte

// Position is where the next page of a result begins.
type Position struct {
	// After is the last identity that was looked at; of a query with ORDER BY
	// that of the last row, of one with groups none.
	After tvilling.Identity
	// Key is the place of the last row or group in the order of the query: what
	// [Query.AppendSortKey] gives. Nil without an order and without groups.
	Key []byte
	// Left is how many rows TOP still allows; 0 without TOP.
	Left int
}

// The first byte of a continuation says how it is laid out.
const (
	afterIdentity = 1 // left, identity
	afterKey      = 2 // left, length of the key, key, identity or nothing
)

// maxKey is the longest key of a position: texts of nothing but zero bytes, each
// of which takes two, with what begins and ends each of the most terms that
// there are, and the sum of a group. maxContinuation is longer than any
// continuation.
const (
	maxKey          = 2*keyRoom + 3*2*MaxKeys + 16
	maxContinuation = 4096
)

// encode returns p as a continuation of q: one line of letters, digits, - and
// _. It is opaque to clients, not secret: it says nothing that the page before
// did not.
func (q *Query) encode(p Position) string {
	layout := byte(afterIdentity)
	if q.keyed() {
		layout = afterKey
	}
	b := append([]byte{layout}, q.digest[:]...)
	b = binary.AppendUvarint(b, uint64(p.Left))
	if q.keyed() {
		b = binary.AppendUvarint(b, uint64(len(p.Key)))
		b = append(b, p.Key...)
	}
	if !q.grouped {
		b = append(b, p.After.Device...)
		b = append(b, '/') // no id holds a slash
		b = append(b, p.After.Module...)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// keyed reports whether positions have a key.
func (q *Query) keyed() bool { return q.grouped || q.order != nil }

// paged reports whether the result may have a second page.
func (q *Query) paged() bool { return q.collection != Jobs && (!q.grouped || q.keys != nil) }

// Position reads a continuation that a page of the same query text gave. The
// empty one is the beginning.
func (q *Query) Position(continuation string) (Position, error) {
	if continuation == "" {
		return Position{Left: q.top}, nil
	}
	p, from, ok := q.parseContinuation(continuation)
	switch {
	case !ok:
		return Position{}, continuationError("The continuation is not one that this hub gave; send x-ms-continuation back as it came, or leave it away to begin.")
	case from != q.digest || !q.paged() || (p.Left > 0) != (q.top > 0) || p.Left > q.top:
		return Position{}, continuationError("The continuation belongs to another query; send it with the query that gave it, or leave it away to begin.")
	}
	return p, nil
}

// parseContinuation reads a continuation of q, or the digest of one of another
// query.
func (q *Query) parseContinuation(continuation string) (p Position, from digest, ok bool) {
	// The decoder would step over line ends.
	if len(continuation) > maxContinuation || strings.ContainsAny(continuation, "\r\n") {
		return p, from, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(continuation)
	if err != nil || len(b) < 1+len(from) || b[0] != afterIdentity && b[0] != afterKey {
		return p, from, false
	}
	layout := b[0]
	b = b[1+copy(from[:], b[1:]):]
	if from != q.digest || (layout == afterKey) != q.keyed() {
		return p, digest{}, true
	}
	left, b, ok := cutUvarint(b, maxTop)
	if !ok {
		return p, from, false
	}
	p.Left = int(left)
	if layout == afterKey {
		n, rest, ok := cutUvarint(b, maxKey)
		if !ok || n > uint64(len(rest)) {
			return p, from, false
		}
		p.Key, b = rest[:n:n], rest[n:]
	}
	if q.grouped {
		return p, from, len(b) == 0
	}
	device, module, found := bytes.Cut(b, []byte("/"))
	p.After = tvilling.Identity{Device: tvilling.DeviceID(device), Module: tvilling.ModuleID(module)}
	return p, from, found && p.After.Check() == nil
}

// cutUvarint reads a number up to most, written in as few bytes as it can be.
func cutUvarint(b []byte, most uint64) (v uint64, rest []byte, ok bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 || v > most || len(binary.AppendUvarint(nil, v)) != n {
		return 0, nil, false
	}
	return v, b[n:], true
}

func continuationError(message string) error {
	return &tvilling.Error{Code: tvilling.InvalidArgument, Op: operation, Message: message}
}
