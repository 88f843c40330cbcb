package query

import "time"

// AsTime returns the time that v is in a comparison with a time: what a Time
// is, and what a String says if it reads as one; false for every other value.
func (v Value) AsTime() (time.Time, bool) {
	v = v.withTime()
	return v.Time(), v.kind == Time || v.dated
}
