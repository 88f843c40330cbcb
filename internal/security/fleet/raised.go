package fleet

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tvilling/tvilling/internal/security/ledger"
)

const (
	// chartHours is how far back alerts are counted.
	chartHours = 30 * 24
	// recountEvery is how often hours that are over are counted again: what was
	// raised in them changes only in severity, and when it is dropped by age.
	recountEvery = time.Minute
)

// raised are the alerts by the hour in which they were raised.
type raised struct {
	hours map[time.Time]Hour
	// whole is when all hours were counted.
	whole time.Time
}

// read counts the hours that may have changed.
func (r *raised) read(ctx context.Context, s ledger.Store, now time.Time) error {
	hour := now.Truncate(time.Hour)
	oldest := hour.Add(-(chartHours - 1) * time.Hour)
	from := hour.Add(-time.Hour)
	all := r.hours == nil || now.Sub(r.whole) >= recountEvery
	if all {
		from = oldest
	}
	groups, err := s.AlertGroups(ctx, ledger.AlertFilter{RaisedFrom: from}, []string{"raisedHour", "severity"})
	if err != nil {
		return err
	}
	if all {
		r.hours, r.whole = make(map[time.Time]Hour), now
	}
	for h := range r.hours {
		if h.Before(oldest) || !h.Before(from) {
			delete(r.hours, h)
		}
	}
	for _, g := range groups {
		at, err := time.Parse(time.RFC3339, g.Values[0])
		if err != nil {
			return fmt.Errorf("read the hour of alerts: %w", err)
		}
		h := r.hours[at]
		h.Hour = at
		switch g.Values[1] {
		case "high":
			h.High += g.Count
		case "medium":
			h.Medium += g.Count
		case "low":
			h.Low += g.Count
		default:
			h.Informational += g.Count
		}
		r.hours[at] = h
	}
	return nil
}

// list returns the hours that have some, the oldest first.
func (r *raised) list() []Hour {
	list := make([]Hour, 0, len(r.hours))
	for _, h := range r.hours {
		list = append(list, h)
	}
	slices.SortFunc(list, func(a, b Hour) int { return a.Hour.Compare(b.Hour) })
	return list
}
