package ledgertest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tvilling/tvilling/internal/security/ledger"
)

// wholeWidth is how many records of a kind a batch of testWholeBatches has.
const wholeWidth = 20

// wholeBatch returns a batch whose records all tell its number.
func wholeBatch(v int) *ledger.Batch {
	b := &ledger.Batch{Cursors: map[string]uint64{"c": uint64(v)}, Feed: []ledger.Entry{entryOf(uint64(v))}}
	for n := range wholeWidth {
		b.Alerts = append(b.Alerts, with(n, func(a *ledger.Alert) {
			a.Count, a.Status = int64(v), []ledger.Status{ledger.New, ledger.Resolved}[v%2]
		}))
		b.Recommendations = append(b.Recommendations, adviceOf(fmt.Sprint("d", n), "x", v))
	}
	return b
}

// testWholeBatches demands that a batch is seen whole, and once Commit has
// returned: readers that run beside it never see two of its records apart.
func testWholeBatches(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	commit(t, s, wholeBatch(1))
	var newest atomic.Int64
	newest.Store(1)
	var stop atomic.Bool
	var reading, writing sync.WaitGroup
	writing.Go(func() {
		for v := 2; !stop.Load(); v++ {
			if err := s.Commit(t.Context(), wholeBatch(v)); err != nil {
				t.Errorf("Commit: %v", err)
				return
			}
			newest.Store(int64(v))
		}
	})
	for _, read := range []func(*testing.T, ledger.Store, int64) error{readPages, readRuns, readGroups, readInTurn} {
		reading.Go(func() {
			for range 60 {
				if err := read(t, s, newest.Load()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	reading.Wait()
	stop.Store(true)
	writing.Wait()
}

// readPages reads a list that fits a page: all of it is of one batch, the one
// committed when it began or a later one.
func readPages(t *testing.T, s ledger.Store, least int64) error {
	t.Helper()
	first, n := int64(0), 0
	for a, err := range s.Alerts(t.Context(), ledger.AlertFilter{}, "") {
		if err != nil {
			return err
		}
		if n++; n == 1 {
			first = a.Count
		}
		if a.Count != first || first < least {
			return fmt.Errorf("alert %s is of batch %d, the first of batch %d, committed is %d", a.ID, a.Count, first, least)
		}
	}
	if n != wholeWidth {
		return fmt.Errorf("%d alerts, want %d", n, wholeWidth)
	}
	return nil
}

func readRuns(t *testing.T, s ledger.Store, least int64) error {
	t.Helper()
	n := uint64(0)
	for r, err := range s.Recommendations(t.Context(), ledger.RecommendationFilter{Type: "x"}, "", "") {
		if err != nil {
			return err
		}
		if n == 0 {
			n = r.Version
		}
		if r.Version != n || n < uint64(least) {
			return fmt.Errorf("recommendation of %s is of batch %d, the first of batch %d, committed is %d", r.Device, r.Version, n, least)
		}
	}
	return nil
}

func readGroups(t *testing.T, s ledger.Store, _ int64) error {
	t.Helper()
	g, err := s.AlertGroups(t.Context(), ledger.AlertFilter{}, []string{"status"})
	if err == nil && (len(g) != 1 || g[0].Count != wholeWidth) {
		err = fmt.Errorf("AlertGroups = %v", g)
	}
	return err
}

// readInTurn reads two records of a batch one after the other: the second is
// never older.
func readInTurn(t *testing.T, s ledger.Store, _ int64) error {
	t.Helper()
	a, err := s.Alert(t.Context(), alertOf(0).ID)
	if err != nil {
		return err
	}
	c, err := s.Cursor(t.Context(), "c")
	if err == nil && c < uint64(a.Count) {
		err = fmt.Errorf("the cursor is at %d after an alert of batch %d", c, a.Count)
	}
	return err
}
