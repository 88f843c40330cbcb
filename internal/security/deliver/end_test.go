package deliver_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling/internal/security/ledger"
)

// TestEndDuringDelivery: what had not settled when a delivery was cut short by
// the end of Run comes again, though the sink has nothing to finish then.
func TestEndDuringDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := newHub(t), &silent{}
		stop := run(t, h.runner(s))
		h.raise(3, ledger.High)
		synctest.Wait()
		s.mu.Lock()
		s.pause = time.Minute
		s.mu.Unlock()
		h.raise(1, ledger.High)
		synctest.Wait()
		stop()
		if c := h.cursor(); c != 0 {
			t.Errorf("cursor = %d, want 0: nothing had settled", c)
		}
	})
}
