package ui

import (
	"testing"
	"time"
)

func TestRelative(t *testing.T) {
	now := time.Date(2026, 11, 29, 0, 40, 0, 0, time.UTC)
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{now.Add(30 * time.Second), "now"},
		{now.Add(-59 * time.Second), "59 s ago"},
		{now.Add(-59 * time.Minute), "59 min ago"},
		{now.Add(-23 * time.Hour), "23 h ago"},
		{now.Add(-25 * time.Hour), "27 Nov 23:40"},
		{now.AddDate(-1, 0, 0), "29 Nov 2025"},
		{now.Add(12 * time.Hour), "29 Nov 12:40"},
		{now.AddDate(1, 1, 2), "31 Dec 2027"},
	} {
		if got := relative(c.at, now); got != c.want {
			t.Errorf("%s: %q, want %q", c.at.Format(time.RFC3339), got, c.want)
		}
	}
}
