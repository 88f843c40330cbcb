package hub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

// A hub follows 64 queries at once, and another one when one of them ends.
func TestManyLiveQueries(t *testing.T) {
	t.Parallel()
	h, c, _ := start(t)
	const text = "SELECT deviceId, tags.n FROM devices"
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var readers sync.WaitGroup
	defer readers.Wait()
	ready := make(chan bool)
	open := func() (end context.CancelFunc) {
		own, end := context.WithCancel(ctx)
		readers.Go(func() {
			for e, err := range c.Live(own, text, "") {
				switch {
				case own.Err() != nil:
					return
				case err != nil:
					t.Errorf("a live query ended: %v", err)
					ready <- false
					return
				case e.Kind == "ready":
					ready <- true
				}
			}
		})
		if !<-ready {
			t.FailNow()
		}
		return end
	}
	var ends []context.CancelFunc
	for range 64 {
		ends = append(ends, open())
	}
	refused := func() (err error) {
		own, end := context.WithTimeout(ctx, patience)
		defer end()
		for _, err := range c.Live(own, text, "") {
			return err
		}
		return nil
	}
	wantCode(t, "the 65th", refused(), tvilling.Throttled)
	if n := metric(t, h, "tvilling_live_queries"); n != 64 {
		t.Errorf("%v live queries are counted, want 64", n)
	}
	ends[7]()
	eventually(t, "room for another", func() (bool, any) { err := refused(); return err == nil, err })
	if _, err := c.PatchTwin(t.Context(), device("d"), client.TwinPatch{Tags: json.RawMessage(`{"n":1}`)}, tvilling.Match{}); err != nil {
		t.Fatal(err)
	}
	stop()
	eventually(t, "all are let go", func() (bool, any) {
		n, rows := metric(t, h, "tvilling_live_queries"), metric(t, h, "tvilling_live_rows")
		return n == 0 && rows == 0, fmt.Sprint(n, rows)
	})
}

// A reader that takes its time holds nobody up, costs no memory, and has the
// right rows when it has read on.
func TestLiveQueryOfASlowReader(t *testing.T) {
	h, c, _ := start(t)
	const devices, rounds = 40, 60
	registerMany(t, c, devices)
	f := &follower{text: "SELECT * FROM devices WHERE tags.on = true AND STARTSWITH(deviceId, 'd0')", rows: map[string]string{}}
	before := heap()
	ctx, stop := context.WithCancel(t.Context())
	first, rest := make(chan bool), make(chan bool)
	var reader sync.WaitGroup
	reader.Go(func() {
		slow := true
		for e, err := range c.Live(ctx, f.text, "") {
			if err != nil {
				if ctx.Err() == nil {
					t.Errorf("the live query ended: %v", err)
				}
				return
			}
			if f.take(e); slow && e.Kind == "entered" {
				slow = false
				close(first)
				<-rest
			}
		}
	})
	write := func(i, n int) {
		tags := fmt.Sprintf(`{"on":%t,"n":%d,"pad":"%s"}`, (i+n)%3 > 0, n, strings.Repeat("x", 4000))
		id := tvilling.Device(tvilling.DeviceID(fmt.Sprintf("d%04d", i)))
		if _, err := c.PatchTwin(t.Context(), id, client.TwinPatch{Tags: json.RawMessage(tags)}, tvilling.Match{}); err != nil {
			t.Error(err)
		}
	}
	write(1, 0)
	<-first
	var writers sync.WaitGroup
	for hand := range 8 {
		writers.Go(func() {
			for n := range rounds {
				for i := hand; i < devices; i += 8 {
					write(i, n)
				}
			}
		})
	}
	writers.Wait()
	wantFlat(t, before)
	if n := metric(t, h, "tvilling_live_queries"); n != 1 {
		t.Errorf("%v live queries, want the one of the slow reader", n)
	}
	close(rest)
	f.agree(t, c)
	stop()
	reader.Wait()
}

// A stream ends soon after its policy has lost the key or the permission that
// opened it.
func TestLiveQueryAfterItsPolicyChanged(t *testing.T) {
	t.Parallel()
	h, c, _ := start(t)
	for name, lose := range map[string]func(name string) error{
		"key": func(name string) error {
			_, err := c.RegeneratePolicyKey(t.Context(), name, "primary")
			return err
		},
		"permission": func(name string) error {
			_, err := c.PutPolicy(t.Context(), client.Policy{Name: name, Permissions: []string{"RegistryRead"}})
			return err
		},
		"policy": func(name string) error { return c.DeletePolicy(t.Context(), name) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := c.PutPolicy(t.Context(), client.Policy{Name: name, Permissions: []string{"ServiceConnect"}})
			if err != nil {
				t.Fatal(err)
			}
			reader := h.ClientAs(p.ConnectionString(hostName))
			lost := false
			for e, err := range reader.Live(within(t), "SELECT * FROM devices", "") {
				switch {
				case err != nil && !lost:
					t.Fatalf("before: %v", err)
				case err != nil:
					wantCode(t, "the end of the stream", err, tvilling.Unauthorized)
				case e.Kind == "ready":
					lost = true
					if err := lose(name); err != nil {
						t.Fatal(err)
					}
				}
			}
			if !lost {
				t.Error("the stream never was ready")
			}
		})
	}
}
