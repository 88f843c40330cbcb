package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tvilling/tvilling/internal/security/ledger"
)

const (
	// trendValue is the name under which the ledger keeps the hours.
	trendValue = "fleet-trend"
	// trendHours is how many are kept.
	trendHours = 30 * 24
)

// trend is what is kept of the hours that were.
type trend struct {
	// Since is when the hub first kept some.
	Since  time.Time `json:"since"`
	Points []Point   `json:"points"`
}

func readTrend(ctx context.Context, l *ledger.Ledger) (trend, error) {
	var t trend
	b, err := l.Store().Value(ctx, trendValue)
	if err != nil || b == nil {
		return t, err
	}
	if err := json.Unmarshal(b, &t); err != nil {
		return t, fmt.Errorf("read the fleet's hours: %w", err)
	}
	return t, nil
}

// with returns the trend with one point more; the oldest go. It shares nothing
// with t that is changed.
func (t trend) with(p Point) trend {
	out := trend{Since: t.Since}
	if out.Since.IsZero() {
		out.Since = p.Hour
	}
	oldest := p.Hour.Add(-trendHours * time.Hour)
	for _, old := range t.Points {
		if old.Hour.After(oldest) && old.Hour.Before(p.Hour) {
			out.Points = append(out.Points, old)
		}
	}
	out.Points = append(out.Points, p)
	return out
}

// has reports whether there is a point of an hour.
func (t trend) has(hour time.Time) bool {
	return slices.ContainsFunc(t.Points, func(p Point) bool { return p.Hour.Equal(hour) })
}

func (t trend) write(ctx context.Context, l *ledger.Ledger) error {
	b, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("write the fleet's hours: %w", err)
	}
	return l.Do(ctx, func(tx *ledger.Tx) error {
		tx.SetValue(trendValue, b)
		return nil
	})
}
