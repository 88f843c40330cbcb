package fleet

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tvilling/tvilling/internal/security/ledger"
)

const (
	// chartDays is how far back alerts are counted.
	chartDays = 30
	// recountEvery is how often days are counted again: what was raised in them
	// changes only in severity, and when it is dropped by age. The last two hours
	// are counted every time.
	recountEvery = time.Minute
	// countTime is how long the counting of days may take in one reading; days
	// that find no time are counted in the next ones.
	countTime = 300 * time.Millisecond

	day = 24 * time.Hour
)

// raised are the alerts by the hour in which they were raised.
type raised struct {
	hours map[time.Time]Hour
	// counted is when each day was counted as a whole.
	counted map[time.Time]time.Time
}

// read counts the hours that may have changed, as far as there is time.
func (r *raised) read(ctx context.Context, s ledger.Store, now time.Time) error {
	if r.hours == nil {
		r.hours, r.counted = make(map[time.Time]Hour), make(map[time.Time]time.Time)
	}
	oldest := r.forget(now)
	begin := time.Now()
	if err := r.count(ctx, s, now.Truncate(time.Hour).Add(-time.Hour), time.Time{}); err != nil {
		return err
	}
	for _, d := range r.due(oldest, now) {
		if err := r.count(ctx, s, d, d.Add(day)); err != nil {
			return err
		}
		r.counted[d] = now
		if time.Since(begin) > countTime {
			break
		}
	}
	return nil
}

// forget drops days that are too old, and returns the oldest one that is not.
func (r *raised) forget(now time.Time) time.Time {
	oldest := now.Truncate(day).Add(-(chartDays - 1) * day)
	for h := range r.hours {
		if h.Before(oldest) {
			delete(r.hours, h)
		}
	}
	for d := range r.counted {
		if d.Before(oldest) {
			delete(r.counted, d)
		}
	}
	return oldest
}

// due are the days to be counted, those first that were not counted for the
// longest time, and the newest of these first.
func (r *raised) due(oldest, now time.Time) (list []time.Time) {
	for d := now.Truncate(day); !d.Before(oldest); d = d.Add(-day) {
		if now.Sub(r.counted[d]) >= recountEvery {
			list = append(list, d)
		}
	}
	slices.SortStableFunc(list, func(a, b time.Time) int { return r.counted[a].Compare(r.counted[b]) })
	return list
}

// count replaces the hours of a span of time; to is not in it, and zero is the
// end of time.
func (r *raised) count(ctx context.Context, s ledger.Store, from, to time.Time) error {
	groups, err := s.AlertGroups(ctx, ledger.AlertFilter{RaisedFrom: from, RaisedTo: to}, []string{"raisedHour", "severity"})
	if err != nil {
		return err
	}
	for h := range r.hours {
		if !h.Before(from) && (to.IsZero() || h.Before(to)) {
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

// since is from when on all days are counted.
func (r *raised) since(now time.Time) time.Time {
	d := now.Truncate(day)
	for !r.counted[d].IsZero() {
		d = d.Add(-day)
	}
	return d.Add(day)
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
