package hub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
)

// follower keeps the result of a live query, as a console does.
type follower struct {
	text string

	mu     sync.Mutex
	rows   map[string]string
	cursor string
	resets int
	events int
}

// follow reads until ctx or the stream ends.
func (f *follower) follow(ctx context.Context, c *client.Client) error {
	f.mu.Lock()
	cursor := f.cursor
	if cursor == "" {
		f.rows = make(map[string]string)
	}
	f.mu.Unlock()
	for e, err := range c.Live(ctx, f.text, cursor) {
		if err != nil {
			return err
		}
		f.take(e)
	}
	return nil
}

func (f *follower) take(e *client.LiveEvent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events++
	id := tvilling.Identity{Device: e.DeviceID, Module: e.ModuleID}.String()
	switch e.Kind {
	case "entered", "changed":
		f.rows[id] = string(e.Row)
	case "left":
		delete(f.rows, id)
	case "reset":
		f.resets++
		f.cursor = ""
		clear(f.rows)
	}
	if e.Cursor != "" {
		f.cursor = e.Cursor
	}
}

func (f *follower) state() (rows map[string]string, resets int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.rows), f.resets
}

// found is what the query finds.
func (f *follower) found(t *testing.T, c *client.Client) map[string]string {
	t.Helper()
	rows := make(map[string]string)
	for row, err := range c.Query(t.Context(), f.text, 0) {
		if err != nil {
			t.Fatal(err)
		}
		var id struct {
			DeviceID tvilling.DeviceID
			ModuleID tvilling.ModuleID
		}
		if err := json.Unmarshal(row, &id); err != nil {
			t.Fatal(err)
		}
		rows[tvilling.Identity{Device: id.DeviceID, Module: id.ModuleID}.String()] = string(row)
	}
	return rows
}

// agree waits until the follower has what the query finds.
func (f *follower) agree(t *testing.T, c *client.Client) {
	t.Helper()
	var rows, want map[string]string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) { //nolint:forbidigo // a condition with a deadline
		want = f.found(t, c)
		if rows, _ = f.state(); maps.Equal(rows, want) {
			return
		}
	}
	t.Errorf("%s:\nfollowed %v\n   found %v", f.text, rows, want)
}

// TestLiveQueriesOverRestarts: while services write and devices come and go, and
// connections are lost and the hub is started anew, whoever follows a query has
// what it finds in the end; a query that does not look at connections never has
// to begin anew.
func TestLiveQueriesOverRestarts(t *testing.T) {
	t.Parallel()
	h, c, _ := start(t)
	const devices = 12
	name := func(i int) tvilling.Identity { return device(fmt.Sprint("live-", i)) }
	for i := range devices {
		h.Register(c, name(i).Device)
	}
	plain := &follower{text: "SELECT deviceId, tags.site, properties.desired.n FROM devices WHERE tags.site = 'a' OR properties.desired.n > 5"}
	online := &follower{text: "SELECT deviceId, connectionState FROM devices WHERE connectionState = 'Connected'"}
	security := &follower{text: "SELECT deviceId, moduleId, security.state FROM devices.modules WHERE IS_DEFINED(security.state)"}
	all := []*follower{plain, online, security}
	dice := rand.New(rand.NewPCG(1, 2))
	for round := range 3 {
		if round > 0 {
			h.Restart()
			c = h.Client()
		}
		// They are cut off now and then, in the midst of it.
		ctx, stop := context.WithCancel(t.Context())
		var followers sync.WaitGroup
		for _, f := range all {
			followers.Go(func() {
				for ctx.Err() == nil {
					cut, cancel := context.WithTimeout(ctx, 150*time.Millisecond)
					if err := f.follow(cut, c); cut.Err() == nil {
						t.Errorf("%s: %v", f.text, err)
					}
					cancel()
				}
			})
		}
		for range 40 {
			churn(t, h, c, name(dice.IntN(devices)), dice)
		}
		for _, f := range all {
			f.agree(t, c)
		}
		stop()
		followers.Wait()
		// What happens while nobody follows is told as well.
		for range 12 {
			churn(t, h, c, name(dice.IntN(devices)), dice)
		}
	}
	if _, resets := plain.state(); resets != 0 {
		t.Errorf("%d resets of what does not look at connections", resets)
	}
	if _, resets := online.state(); resets == 0 {
		t.Error("no reset of who is connected in 2 starts")
	}
}

// churn does something to a device.
func churn(t *testing.T, h *apptest.Hub, c *client.Client, id tvilling.Identity, dice *rand.Rand) {
	t.Helper()
	switch dice.IntN(5) {
	case 0:
		if err := c.Delete(t.Context(), id, client.Any()); err != nil {
			t.Fatal(err)
		}
		h.Register(c, id.Device)
	case 1:
		w := connect(t, h, id, keyOf(t, c, id))
		if dice.IntN(2) == 0 {
			w.bye()
		}
	case 2:
		patchDesired(t, c, id, `{"n":`+itoa(dice.IntN(10))+`}`)
	default:
		tags := json.RawMessage(`{"site":"` + string("ab"[dice.IntN(2)]) + `"}`)
		if _, err := c.PatchTwin(t.Context(), id, client.TwinPatch{Tags: tags}, tvilling.Match{}); err != nil {
			t.Fatal(err)
		}
	}
}
