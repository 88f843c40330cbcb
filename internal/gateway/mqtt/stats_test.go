package mqtt_test

import (
	"testing"

	"github.com/tvilling/tvilling/internal/gateway/mqtt"
)

func TestStatsEach(t *testing.T) {
	var s mqtt.Stats
	s.Stalls.Add(3)
	seen := make(map[string]int64)
	s.Each(func(name, reason string, value int64) {
		key := name + "/" + reason
		if _, ok := seen[key]; ok {
			t.Errorf("%s comes twice", key)
		}
		seen[key] = value
	})
	for key, want := range map[string]int64{"stalls/": 3, "refused/tls": 0, "refused/unavailable": 0, "ended/disconnect": 0, "ended/stopping": 0} {
		if got, ok := seen[key]; !ok || got != want {
			t.Errorf("%s = %d (there: %t), want %d", key, got, ok, want)
		}
	}
}
