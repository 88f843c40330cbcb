//go:build linux

package agent

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestBucket asks a bucket at random times. What it promises is at most so many
// in a row and one more each refill; nobody waits longer than a refill; and whoever
// comes when there was no haste does not wait at all.
func TestBucket(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		burst := rapid.IntRange(1, 20).Draw(t, "burst")
		refill := time.Duration(rapid.IntRange(1, 1000).Draw(t, "refill")) * time.Millisecond
		var b bucket
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		var happens []time.Time // each once
		for range rapid.IntRange(1, 300).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(2*refill)).Draw(t, "gap")))
			d := b.wait(now, float64(burst), refill)
			if d < 0 || d > refill {
				t.Fatalf("one has to wait %v; a refill is %v", d, refill)
			}
			at := now.Add(d)
			n := len(happens)
			if n > 0 && at.Before(happens[n-1]) {
				t.Fatalf("one that comes later happens earlier")
			}
			if n == 0 || !at.Equal(happens[n-1]) || d == 0 {
				happens = append(happens, at)
			}
		}
		for i := range happens {
			for j := i + burst; j < len(happens); j++ {
				// A nanosecond for what is lost in rounding.
				if got := happens[j].Sub(happens[i]) + time.Duration(j); got < time.Duration(j-i-burst+1)*refill {
					t.Fatalf("%d happen in %v; burst %d, refill %v", j-i+1, got, burst, refill)
				}
			}
		}
	})
}

func TestBucketRests(t *testing.T) {
	t.Parallel()
	var b bucket
	now := time.Now()
	for range 3 {
		if d := b.wait(now, 3, time.Minute); d != 0 {
			t.Fatalf("one of the first three waits %v", d)
		}
	}
	if d := b.wait(now, 3, time.Minute); d != time.Minute {
		t.Fatalf("the fourth waits %v, want a minute", d)
	}
	if d := b.wait(now.Add(20*time.Second), 3, time.Minute); d != 40*time.Second {
		t.Fatalf("the fifth waits %v, want as long as the fourth does", d)
	}
	if d := b.wait(now.Add(time.Hour), 3, time.Minute); d != 0 {
		t.Fatalf("after an hour one waits %v", d)
	}
}
