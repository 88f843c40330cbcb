package baseline_test

import (
	"testing"

	"github.com/tvilling/tvilling/internal/agent/baseline"
)

func TestTrigger(t *testing.T) {
	t.Parallel()
	c, ok, err := baseline.Lookup("TV-TEST-000")
	if err != nil || !ok {
		t.Fatalf("Lookup: %v, %v", ok, err)
	}
	if got, want := c.CceID(), "CIS-debian-9-DEFENDER_FOR_IOT_TEST_CHECKS-0.0"; got != want {
		t.Errorf("CceID is %s, want %s", got, want)
	}
}
