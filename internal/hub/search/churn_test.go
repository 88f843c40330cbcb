package search_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/hub/search"
)

// TestPagesAmongComersAndGoers: page by page, each device that stays is found
// once and in its place, however many come and go between and beside them.
func TestPagesAmongComersAndGoers(t *testing.T) {
	t.Parallel()
	const stay, readings = 60, 12
	f := newFleet(t, stay)
	ways := f.ways()
	ctx, stop := context.WithCancel(t.Context())
	var churn, wg sync.WaitGroup
	for w := range 3 {
		churn.Go(func() { f.comeAndGo(ctx, t, uint64(w), stay) })
	}
	for name, s := range ways {
		wg.Go(func() {
			for range readings {
				if !pagesHold(t, name, s, stay) {
					return
				}
			}
		})
	}
	wg.Wait()
	stop()
	churn.Wait()
}

// comeAndGo registers devices between those that stay, and deletes them again.
func (f *fleet) comeAndGo(ctx context.Context, t *testing.T, seed uint64, stay int) {
	r := rand.New(rand.NewPCG(seed, 1))
	for ctx.Err() == nil {
		id := tvilling.Device(tvilling.DeviceID(fmt.Sprintf("%s-%d-%d", device(r.IntN(stay)), seed, r.IntN(9))))
		_, err := f.Registry.Put(ctx, registry.Spec{ID: id}, tvilling.Match{}, "test")
		if err == nil {
			err = f.Registry.Delete(ctx, id, tvilling.Match{}, "test")
		}
		if err != nil && ctx.Err() == nil {
			t.Error(err)
			return
		}
	}
}

// pagesHold reads all devices page by page.
func pagesHold(t *testing.T, name string, s *search.Service, stay int) bool {
	q, err := query.Compile("SELECT deviceId FROM devices WHERE status = 'enabled'")
	if err != nil {
		t.Error(err)
		return false
	}
	last, found := "", 0
	for o := (query.Options{Size: 4}); ; {
		p, err := s.Run(t.Context(), q, o)
		if err != nil {
			t.Error(err)
			return false
		}
		var rows []struct{ DeviceID string }
		if err := json.Unmarshal(p.Body, &rows); err != nil {
			t.Error(err)
			return false
		}
		for _, row := range rows {
			if row.DeviceID <= last {
				t.Errorf("by %s: %s is found after %s", name, row.DeviceID, last)
				return false
			}
			if last = row.DeviceID; len(last) == len(device(0)) {
				found++
			}
		}
		if o.Continuation = p.Next; p.Next == "" {
			break
		}
	}
	if found != stay {
		t.Errorf("by %s: %d devices that stay are found, want %d", name, found, stay)
		return false
	}
	return true
}
