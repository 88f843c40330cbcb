package search_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/hub/search"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// TestReadYourWrites: whoever got an answer to a change finds what was answered,
// by every way of answering, while many others write.
func TestReadYourWrites(t *testing.T) {
	t.Parallel()
	const writers, rounds = 6, 6
	f := newFleet(t, 40)
	ways := f.ways()
	ctx, stop := context.WithCancel(t.Context())
	var noise, wg sync.WaitGroup
	for i := range 4 {
		noise.Go(func() { f.disturb(ctx, t, tvilling.Device(device(i))) })
	}
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				f.liveOnce(t, ways, w, i)
			}
		})
	}
	wg.Wait()
	stop()
	noise.Wait()
}

// disturb changes a twin until ctx ends.
func (f *fleet) disturb(ctx context.Context, t *testing.T, id tvilling.Identity) {
	for i := 0; ctx.Err() == nil; i++ {
		p, err := doc.Parse(fmt.Appendf(nil, `{"n":%d,"noise%d":true}`, i%100, i%50), doc.Tags)
		if err == nil {
			_, err = f.Twins.Patch(ctx, id, twin.Update{Tags: p}, tvilling.Match{}, "test")
		}
		if err != nil && ctx.Err() == nil {
			t.Error(err)
			return
		}
	}
}

// liveOnce lets a device come, change, connect, disconnect and go, and asks for
// it after each step.
func (f *fleet) liveOnce(t *testing.T, ways map[string]*search.Service, w, i int) {
	id := tvilling.Device(tvilling.DeviceID(fmt.Sprintf("w%d", w)))
	expect := func(step string, where string, want string) {
		for name, s := range ways {
			q, err := query.Compile(fmt.Sprintf("SELECT COUNT() AS n FROM devices WHERE tags.owner = 'w%d' AND %s", w, where))
			if err != nil {
				t.Error(err)
				return
			}
			page, err := s.Run(t.Context(), q, query.Options{})
			if err != nil || string(page.Body) != want {
				t.Errorf("%s, after %s in round %d: got %v, %v; want %s", name, step, i, page, err, want)
			}
		}
	}
	const one, none = `[{"n":1}]`, `[{"n":0}]`
	if _, err := f.Registry.Put(t.Context(), registry.Spec{ID: id}, tvilling.Match{}, "test"); err != nil {
		t.Error(err)
		return
	}
	for v := range 3 {
		p, err := doc.Parse(fmt.Appendf(nil, `{"owner":"w%d","v":%d}`, w, v), doc.Tags)
		if err == nil {
			_, err = f.Twins.Patch(t.Context(), id, twin.Update{Tags: p}, tvilling.Match{}, "test")
		}
		if err != nil {
			t.Error(err)
			return
		}
		expect("a change of tags", fmt.Sprintf("tags.v = %d", v), one)
	}
	s, _, _ := f.Connect(t, id, true)
	expect("CONNACK", "connectionState = 'Connected'", one)
	if i%2 == 0 {
		// The other connection takes over; nothing may tell of a gap.
		again, _, _ := f.Connect(t, id, true)
		expect("a takeover", "connectionState = 'Connected'", one)
		s.Done(nil)
		expect("the end of what was taken over", "connectionState = 'Connected'", one)
		s = again
	}
	s.Done(nil)
	expect("the end of the connection", "connectionState = 'Connected'", none)
	if err := f.Registry.Delete(t.Context(), id, tvilling.Match{}, "test"); err != nil {
		t.Error(err)
	}
	expect("the deletion", "tags.v >= 0", none)
}
