package schema

import (
	"strings"
	"time"
)

// parseTime reads a time stamp in the forms that agents write (asc §3.3): RFC
// 3339; a blank instead of the T; no seconds; no zone, which means UTC here;
// the invariant culture of .NET (MM/dd/yyyy HH:mm:ss). offset reports whether
// a zone other than Z was given.
func parseTime(s string) (t time.Time, offset, ok bool) {
	s = strings.TrimSpace(s)
	var year, month, day int
	switch {
	case len(s) >= 16 && s[4] == '-' && s[7] == '-' && (s[10] == 'T' || s[10] == 't' || s[10] == ' '):
		year, month, day = digitsOf(s[0:4]), digitsOf(s[5:7]), digitsOf(s[8:10])
	case len(s) >= 16 && s[2] == '/' && s[5] == '/' && s[10] == ' ':
		month, day, year = digitsOf(s[0:2]), digitsOf(s[3:5]), digitsOf(s[6:10])
	default:
		return t, false, false
	}
	hour, minute := digitsOf(s[11:13]), digitsOf(s[14:16])
	if s[13] != ':' || year < 1 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		hour < 0 || hour > 23 || minute < 0 || minute > 59 {
		return t, false, false
	}
	second, nano, rest, ok := seconds(s[16:])
	if !ok {
		return t, false, false
	}
	east, offset, ok := zone(strings.TrimLeft(rest, " "))
	if !ok {
		return t, false, false
	}
	t = time.Date(year, time.Month(month), day, hour, minute, second, nano, time.UTC)
	t = t.Add(-east)
	return t, offset, t.Year() >= 1 && t.Year() <= 9999
}

// seconds reads ":SS" and a fraction, both of which may be missing. A leap
// second counts as the second after it.
func seconds(s string) (second, nano int, rest string, ok bool) {
	if s == "" || s[0] != ':' {
		return 0, 0, s, true
	}
	if len(s) < 3 {
		return 0, 0, "", false
	}
	second = digitsOf(s[1:3])
	if second < 0 || second > 60 {
		return 0, 0, "", false
	}
	s = s[3:]
	if len(s) < 2 || (s[0] != '.' && s[0] != ',') {
		return second, 0, s, true
	}
	n := 0
	scale := 100_000_000
	for n+1 < len(s) && s[n+1]-'0' <= 9 {
		nano += int(s[n+1]-'0') * scale
		scale /= 10
		n++
	}
	return second, nano, s[n+1:], n > 0
}

// zone reads "", "Z", "+HH", "+HHMM" or "+HH:MM".
func zone(s string) (east time.Duration, given, ok bool) {
	if s == "" || s == "Z" || s == "z" {
		return 0, false, true
	}
	if s[0] != '+' && s[0] != '-' {
		return 0, false, false
	}
	hour, minute := -1, 0
	switch {
	case len(s) == 3:
		hour = digitsOf(s[1:3])
	case len(s) == 5:
		hour, minute = digitsOf(s[1:3]), digitsOf(s[3:5])
	case len(s) == 6 && s[3] == ':':
		hour, minute = digitsOf(s[1:3]), digitsOf(s[4:6])
	}
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 {
		return 0, false, false
	}
	east = time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
	if s[0] == '-' {
		east = -east
	}
	return east, true, true
}

// digitsOf returns the number that s, all digits, stands for; -1 if it is not.
func digitsOf(s string) int {
	n := 0
	for i := range len(s) {
		c := s[i] - '0'
		if c > 9 {
			return -1
		}
		n = n*10 + int(c)
	}
	return n
}

func daysIn(year, month int) int {
	switch time.Month(month) {
	case time.February:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case time.April, time.June, time.September, time.November:
		return 30
	default:
		return 31
	}
}

// when decides when an event happened: what the device says if that is
// plausible, else when the hub received it.
func when(stated, received time.Time) time.Time {
	if stated.IsZero() || stated.After(received.Add(MaxAhead)) || stated.Before(received.Add(-MaxBehind)) {
		return received
	}
	return stated
}
