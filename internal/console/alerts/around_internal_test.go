package alerts

import (
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/security/wording"
)

func TestFoldKeepsAlertsApart(t *testing.T) {
	t.Parallel()
	say := func(s string) wording.Sentence { return wording.Sentence{{Text: s}} }
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	got := fold([]moment{
		{Time: at(1), Words: say("login")},
		{Time: at(2), Severity: "low"},
		{Time: at(3), Words: say("login")},
		{Time: at(4), Here: true},
		{Time: at(5), Words: say("port")},
		{Time: at(6), Severity: "low"},
		{Time: at(7), Words: say("login")},
	})
	want := []struct{ second, times int64 }{{1, 3}, {2, 0}, {4, 0}, {5, 1}, {6, 0}}
	if len(got) != len(want) {
		t.Fatalf("%d moments, want %d", len(got), len(want))
	}
	for i, w := range want {
		if got[i].Time.Unix() != w.second || got[i].Times != w.times {
			t.Errorf("moment %d: at %d, %d times; want at %d, %d times", i, got[i].Time.Unix(), got[i].Times, w.second, w.times)
		}
	}
}
