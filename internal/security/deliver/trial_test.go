package deliver_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// TestTestOfAReceiver: a test goes the way of all entries and says what came of
// it; it moves no cursor, and one that is taken ends the wait after a failure.
func TestTestOfAReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := newHub(t), &sink{}
		r := h.runner(s)
		defer run(t, r)()
		if o, err := r.Test(t.Context(), "user:anna"); err != nil || !o.Taken || o.Error != "" {
			t.Fatalf("test of a good receiver: %+v, %v", o, err)
		}
		same(t, s, []uint64{0})

		s.set(func(ledger.Entry) error { return errors.New("out of order") })
		h.raise(1, ledger.High)
		synctest.Wait()
		o, err := r.Test(t.Context(), "user:anna")
		if err != nil || o.Taken || o.Error != "out of order" {
			t.Fatalf("test of a bad receiver: %+v, %v", o, err)
		}
		if c := r.Status().Cursor; c != 0 {
			t.Errorf("cursor = %d after failures, want 0", c)
		}

		s.set(nil)
		if o, err := r.Test(t.Context(), "user:anna"); err != nil || !o.Taken {
			t.Fatalf("test of a receiver that is well again: %+v, %v", o, err)
		}
		synctest.Wait()
		if v := r.Status(); v.Cursor != 1 || v.LastError != "" {
			t.Errorf("status = %+v, want what waited delivered at once", v)
		}
	})
}

// TestTestWaitsItsTurn: a delivery that takes long is not met by a test, which
// gives up with its context.
func TestTestWaitsItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := newHub(t), &sink{pause: time.Minute}
		r := h.runner(s)
		defer run(t, r)()
		h.raise(1, ledger.High)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.Test(ctx, "user:anna"); tvilling.CodeOf(err) != tvilling.Unavailable {
			t.Errorf("err = %v, want Unavailable", err)
		}
	})
}

// TestTestOfOneThatAcknowledgesNothing: what had not settled comes again when
// the connection of a test fails, and nothing settles because of a test.
func TestTestOfOneThatAcknowledgesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := newHub(t), &silent{}
		r := h.runner(s)
		defer run(t, r)()
		h.raise(2, ledger.High)
		synctest.Wait()
		if o, err := r.Test(t.Context(), "user:anna"); err != nil || !o.Taken {
			t.Fatalf("test: %+v, %v", o, err)
		}
		<-time.After(time.Hour)
		synctest.Wait()
		if c := r.Status().Cursor; c != 2 {
			t.Errorf("cursor = %d, want 2: all has settled", c)
		}
	})
}
