package index

import (
	"slices"

	"github.com/tvilling/tvilling/internal/hub/query"
)

// comparison returns a test that compares a member with a constant, the member
// on the left; false if c is another one.
func comparison(c query.Condition) (op query.Op, v query.Value, ok bool) {
	cmp, is := c.(query.Comparison)
	if !is {
		return "", v, false
	}
	op = cmp.Op
	left, right := cmp.Left, cmp.Right
	if _, is := left.(query.Literal); is {
		left, right = right, left
		switch op {
		case query.Less:
			op = query.Greater
		case query.LessEqual:
			op = query.GreaterEqual
		case query.Greater:
			op = query.Less
		case query.GreaterEqual:
			op = query.LessEqual
		default: // it is the same from both sides
		}
	}
	if _, is := left.(*query.Member); !is {
		return "", v, false
	}
	literal, is := right.(query.Literal)
	return op, literal.V, is
}

// hashes says what is known of a string of which only the hash is.
type hashes struct {
	known bool
	// some are the hashes of the strings that the test asks for; a string with
	// another one is none of them, and other is the outcome for it.
	some  []uint32
	other outcome
}

func (h *hashes) outcome(code uint32) outcome {
	if slices.Contains(h.some, code) {
		return doubt
	}
	return h.other
}

// maxHashes bounds the strings of a list that are looked for by their hashes.
const maxHashes = 64

// hashes finds out what the test says of strings that are not known: an
// equality is decided by the hash, and a comparison with something that is no
// string comes out the same for every string.
func (l *leaf) hashes() hashes {
	var values []query.Value
	switch c := l.test.(type) {
	case query.Comparison:
		op, v, ok := comparison(c)
		if !ok || isText(v) && op != query.Equal && op != query.NotEqual {
			return hashes{}
		}
		values = []query.Value{v}
	case query.Membership:
		if _, ok := c.X.(*query.Member); !ok || len(c.Items) > maxHashes {
			return hashes{}
		}
		values = c.Items
	default:
		return hashes{}
	}
	h := hashes{known: true}
	stranger := ""
	for _, v := range values {
		if isText(v) {
			text := string(v.AppendText(nil))
			h.some = append(h.some, hashOf([]byte(text)).code())
			if len(text) >= len(stranger) {
				stranger = text + "x" // longer than each of them
			}
		}
	}
	if l.test.Test(only{query.StringValue(stranger)}) == l.want {
		h.other = hit
	}
	return h
}

func isText(v query.Value) bool { return v.Kind() == query.String || v.Kind() == query.Time }

// only is a row with one member.
type only struct{ v query.Value }

// Member returns the value.
func (o only) Member(*query.Member) query.Value { return o.v }
