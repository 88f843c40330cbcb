package main

import (
	"testing"
	"time"
)

func TestMoment(t *testing.T) {
	local := func(s string) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04:05", s, time.Local)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for text, want := range map[string]time.Time{
		"2026-01-31":                local("2026-01-31 00:00:00"),
		"2026-01-31 14:30":          local("2026-01-31 14:30:00"),
		"2026-01-31T14:30":          local("2026-01-31 14:30:00"),
		"2026-01-31 14:30:05":       local("2026-01-31 14:30:05"),
		"2026-01-31T14:30:05Z":      time.Date(2026, 1, 31, 14, 30, 5, 0, time.UTC),
		"2026-01-31T14:30:05+02:00": time.Date(2026, 1, 31, 12, 30, 5, 0, time.UTC),
		"":                          {}, "yesterday": {}, "31.1.2026": {}, "2026-02-31": {}, "14:30": {},
	} {
		var m moment
		if err := m.Set(text); (err == nil) != !want.IsZero() || !m.Equal(want) {
			t.Errorf("%q: got %s, %v, want %s", text, m.Time, err, want)
		}
	}
}

func TestSpan(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "30m": 30 * time.Minute, "12h": 12 * time.Hour, "1h30m": 90 * time.Minute, "7d": 168 * time.Hour, "2w": 336 * time.Hour,
		"": 0, "0s": 0, "-1h": 0, "7": 0, "d": 0, "-7d": 0, "1.5d": 0, "99999999d": 0, "7 d": 0,
	} {
		var s span
		if err := s.Set(text); (err == nil) != (want != 0) || time.Duration(s) != want {
			t.Errorf("%q: got %s, %v, want %s", text, time.Duration(s), err, want)
		}
	}
}
