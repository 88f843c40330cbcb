package memory_test

import (
	"testing"

	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/store/memory"
	"github.com/tvilling/tvilling/internal/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(testing.TB) storetest.Factory {
		return storetest.Factory{Open: func() (state.Store, error) { return memory.New(), nil }}
	})
}
