package load_test

import (
	"sync"
	"testing"
	"time"

	"github.com/tvilling/tvilling/bench/load"
)

func TestPace(t *testing.T) {
	conns := dial(t, 10)
	for range 2 { // the connections can serve another one
		var mu sync.Mutex
		due, sent := map[int]time.Time{}, map[int]int{}
		res, err := load.RunPace(t.Context(), load.Pace{
			Conns: conns, Count: 205, Every: 100 * time.Microsecond, Patience: time.Minute,
			Due: func(i int, at time.Time) { mu.Lock(); defer mu.Unlock(); due[i] = at },
			Message: func(i int) (topic, payload []byte) {
				mu.Lock()
				defer mu.Unlock()
				sent[i]++
				return []byte("devices/d/messages/events/"), []byte("hello")
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(sent) != 205 || len(due) != 205 || res.Acks.Count() != 205 || res.Late.Count() != 205 || res.Answered < res.Took {
			t.Errorf("%d sent, %d due, %d acknowledged, sent in %v, acknowledged in %v", len(sent), len(due), res.Acks.Count(), res.Took, res.Answered)
		}
		for i, n := range sent {
			if want := due[0].Add(time.Duration(i) * 100 * time.Microsecond); n != 1 || !due[i].Equal(want) {
				t.Errorf("message %d was sent %d times, due %v, want %v", i, n, due[i], want)
			}
		}
	}
}

func TestPaceIsRefused(t *testing.T) {
	conns := dial(t, 1)
	for _, n := range []int{0, 65536} {
		if _, err := load.RunPace(t.Context(), load.Pace{Conns: conns, Count: n}); err == nil {
			t.Errorf("%d messages over one connection were taken", n)
		}
	}
}
