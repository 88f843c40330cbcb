package event

import "strconv"

// text returns a text field. Items do not tell an empty text from one that was
// not sent: both count as not sent.
func text(s string) (Value, bool) { return Value{Text: s}, s != "" }

// number returns a number that every item of its kind has.
func number(n int64) (Value, bool) {
	return Value{Text: strconv.FormatInt(n, 10), Number: n, IsNumber: true}, true
}

// size returns a number that is 0 where it was not sent.
func size(n int64) (Value, bool) {
	if n == 0 {
		return Value{}, false
	}
	return number(n)
}

// boolean returns "true" or "false".
func boolean(b bool) (Value, bool) { return Value{Text: strconv.FormatBool(b)}, true }

// port returns a port: a number, too, where the text is one port and not a
// range, a list or "*".
func port(s string) (Value, bool) {
	if s == "" {
		return Value{}, false
	}
	v := Value{Text: s}
	if n, err := strconv.ParseUint(s, 10, 16); err == nil {
		v.Number, v.IsNumber = int64(n), true
	}
	return v, true
}

// HitCount is the member of ExtraDetails that tells how many events an
// aggregated item stands for (asc §3.7).
const HitCount = "HitCount"

// MaxHits bounds what one item can count for, whatever its HitCount says.
const MaxHits = 1_000_000_000

// Hits returns how many events the item stands for: the HitCount of its
// ExtraDetails, at most [MaxHits]; 1 if there is none or it is not a positive
// whole number.
func Hits(it Item) int64 {
	s, ok := it.Details().Get(HitCount)
	if !ok {
		return 1
	}
	n, err := strconv.ParseUint(s, 10, 64)
	switch {
	case err != nil && isDigits(s):
		return MaxHits // too large for 64 bits
	case err != nil, n == 0:
		return 1
	default:
		return int64(min(n, MaxHits))
	}
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
