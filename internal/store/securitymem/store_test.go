package securitymem_test

import (
	"testing"

	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/store/ledgertest"
	"github.com/tvilling/tvilling/internal/store/securitymem"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, func(testing.TB) ledgertest.Factory {
		return ledgertest.Factory{Open: func() (ledger.Store, error) { return securitymem.New(), nil }}
	})
}
