package query_test

import (
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/hub/query"
)

func TestAsTime(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 500, time.UTC)
	for _, tt := range []struct {
		v    query.Value
		want time.Time
		ok   bool
	}{
		{query.TimeValue(noon), noon, true},
		{query.StringValue("2026-03-01T12:00:00.0000005Z"), noon, true},
		{query.StringValue("2026-03-01T14:00:00.0000005+02:00"), noon, true},
		{query.StringValue("2026-03-01"), noon.Truncate(24 * time.Hour), true},
		{query.StringValue("2026-03-01 12:00"), time.Time{}, false},
		{query.StringValue(""), time.Time{}, false},
		{query.NumberValue(5), time.Time{}, false},
		{query.Value{}, time.Time{}, false},
	} {
		got, ok := tt.v.AsTime()
		if ok != tt.ok || ok && !got.Equal(tt.want) {
			t.Errorf("AsTime of %s: %v, %t; want %v, %t", tt.v.AppendJSON(nil), got, ok, tt.want, tt.ok)
		}
	}
}
