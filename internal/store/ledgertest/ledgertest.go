package ledgertest

import (
	"testing"

	"github.com/tvilling/tvilling/internal/security/ledger"
)

// Factory is how a test gets at one store and at its data.
type Factory struct {
	// Open opens the store. The first call finds it empty; later ones, made
	// after Close or Crash, find what a Persistent store kept.
	Open func() (ledger.Store, error)
	// Persistent says that records outlive Close.
	Persistent bool
	// Crash, if set, leaves a store as the end of its process would.
	Crash func(ledger.Store) error
}

// Run tests a store. setup returns the factory of a fresh store each time; it
// may register clean-ups with t, which run after the store was closed.
func Run(t *testing.T, setup func(t testing.TB) Factory) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, func(testing.TB) Factory)
	}{
		{"Fresh", testFresh},
		{"RoundTrip", testRoundTrip},
		{"LastPutCounts", testLastPutCounts},
		{"Newest", testNewest},
		{"AlertOrder", testAlertOrder},
		{"AlertAfter", testAlertAfter},
		{"AlertFilters", testAlertFilters},
		{"AlertPages", testAlertPages},
		{"AlertGroups", testAlertGroups},
		{"UnknownWords", testUnknownWords},
		{"Recommendations", testRecommendations},
		{"RecommendationGroups", testRecommendationGroups},
		{"Devices", testDevices},
		{"Forget", testForget},
		{"CursorsAndValues", testCursorsAndValues},
		{"Credentials", testCredentials},
		{"Feed", testFeed},
		{"Trim", testTrim},
		{"RefusedKeepsNothing", testRefusedKeepsNothing},
		{"ContextEnds", testContextEnds},
		{"Closed", testClosed},
		{"WholeBatches", testWholeBatches},
		{"Reopen", testReopen},
		{"Model", testModel},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, setup) })
	}
}

// open opens the store of a fresh factory and closes it when the test ends.
func open(t testing.TB, setup func(testing.TB) Factory) ledger.Store {
	t.Helper()
	s, err := setup(t).Open()
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}
