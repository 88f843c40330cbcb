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

// position is where the next page of a result begins.
type position struct {
	// after is the last identity that was looked at.
	after tvilling.Identity
	// left is how many rows TOP still allows; 0 without TOP.
	left int
}

// continuationFormat is the first byte of a continuation; another layout gets
// another byte.
const continuationFormat = 1

// maxContinuation is longer than any continuation that [Query.encode] makes.
const maxContinuation = 512

// encode returns p as a continuation of q: one line of letters, digits, - and
// _. It is opaque to clients, not secret: it says nothing that the page before
// did not.
func (q *Query) encode(p position) string {
	b := append([]byte{continuationFormat}, q.digest[:]...)
	b = binary.AppendUvarint(b, uint64(p.left))
	b = append(b, p.after.Device...)
	b = append(b, '/') // no id holds a slash
	b = append(b, p.after.Module...)
	return base64.RawURLEncoding.EncodeToString(b)
}

// decode reads a continuation that encode made of the same query text. The
// empty one is the beginning.
func (q *Query) decode(continuation string) (position, error) {
	if continuation == "" {
		return position{left: q.top}, nil
	}
	p, from, ok := parseContinuation(continuation)
	if !ok {
		return position{}, continuationError("The continuation is not one that this hub gave; send x-ms-continuation back as it came, or leave it away to begin.")
	}
	if from != q.digest || q.count != nil || (p.left > 0) != (q.top > 0) || p.left > q.top {
		return position{}, continuationError("The continuation belongs to another query; send it with the query that gave it, or leave it away to begin.")
	}
	return p, nil
}

func parseContinuation(continuation string) (p position, from digest, ok bool) {
	// The decoder would step over line ends.
	if len(continuation) > maxContinuation || strings.ContainsAny(continuation, "\r\n") {
		return p, from, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(continuation)
	if err != nil || len(b) < 1+len(from) || b[0] != continuationFormat {
		return p, from, false
	}
	b = b[1+copy(from[:], b[1:]):]
	left, n := binary.Uvarint(b)
	if n <= 0 || left > maxTop || len(binary.AppendUvarint(nil, left)) != n {
		return p, from, false
	}
	device, module, found := bytes.Cut(b[n:], []byte("/"))
	p = position{
		after: tvilling.Identity{Device: tvilling.DeviceID(device), Module: tvilling.ModuleID(module)},
		left:  int(left),
	}
	return p, from, found && p.after.Check() == nil
}

func continuationError(message string) error {
	return &tvilling.Error{Code: tvilling.InvalidArgument, Op: operation, Message: message}
}
