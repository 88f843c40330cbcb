package eventdb

import (
	"bytes"
	"encoding/binary"
	"time"
)

// A local time says little that the UTC time beside it does not: an offset,
// and how it is written. It is kept as those where that gives back the very
// text, which appendLocal makes sure of.
//
//	local = difference:varint separator:u8 digits:u8 rest:text
//
// difference is in seconds; digits is how many digits the fraction has.

const localLength = len("2026-11-24T10:00:00")

// appendLocal appends the short form of a local time that was sent beside a
// UTC time. It reports false, and appends nothing, if there is none.
func appendLocal(dst []byte, local string, utc time.Time) ([]byte, bool) {
	wall, ok := wallClock(local)
	if !ok {
		return dst, false
	}
	rest := local[localLength:]
	digits := 0
	if len(rest) > 1 && rest[0] == '.' {
		for digits < 9 && digits+1 < len(rest) && '0' <= rest[digits+1] && rest[digits+1] <= '9' {
			digits++
		}
		if digits > 0 {
			rest = rest[digits+1:]
		}
	}
	short := binary.AppendVarint(dst, wall-utc.Unix())
	short = append(short, local[10], byte(digits))
	short = appendText(short, rest)
	var text [64]byte
	r := reader{b: short[len(dst):]}
	if back := readLocal(&r, text[:0], utc); r.bad || string(back) != local {
		return dst, false
	}
	return short, true
}

// readLocal appends the text of a local time that appendLocal wrote.
func readLocal(r *reader, dst []byte, utc time.Time) []byte {
	difference := r.varint()
	separator, digits := r.byte(), r.byte()
	rest := r.text()
	if r.bad || digits > 9 {
		r.fail()
		return dst
	}
	start := len(dst)
	dst = time.Unix(utc.Unix()+difference, 0).UTC().AppendFormat(dst, "2006-01-02T15:04:05")
	if len(dst) != start+localLength { // a year of more than four digits
		return append(dst, rest...)
	}
	dst[start+10] = separator
	if digits > 0 {
		dst = append(dst, '.')
		dst = append(dst, nineDigits(utc.Nanosecond())[:digits]...)
	}
	return append(dst, rest...)
}

func nineDigits(n int) []byte {
	d := bytes.Repeat([]byte{'0'}, 9)
	for i := 8; n > 0; i-- {
		d[i] += byte(n % 10)
		n /= 10
	}
	return d
}

// wallClock returns the seconds since 1970 of the date and time that a text
// begins with, taken as UTC.
func wallClock(s string) (sec int64, ok bool) {
	if len(s) < localLength || s[4] != '-' || s[7] != '-' || s[13] != ':' || s[16] != ':' {
		return 0, false
	}
	var n [6]int
	for i, p := range [...][2]int{{0, 4}, {5, 7}, {8, 10}, {11, 13}, {14, 16}, {17, 19}} {
		for _, c := range []byte(s[p[0]:p[1]]) {
			if c < '0' || c > '9' {
				return 0, false
			}
			n[i] = n[i]*10 + int(c-'0')
		}
	}
	return time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC).Unix(), true
}
