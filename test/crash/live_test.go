package crash_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

const liveText = "SELECT deviceId, tags.n FROM devices WHERE tags.n > 4"

// console follows a live query over the kills of its hub.
type console struct {
	rows   map[string]string
	cursor string
	// told are the events since the last time that somebody looked.
	told   []string
	resets int
}

// follow reads until, with all told that there was, enough says so, ctx ends or
// the stream does.
func (v *console) follow(ctx context.Context, c *client.Client, enough func() bool) error {
	ready := false
	for e, err := range c.Live(ctx, liveText, v.cursor) {
		if err != nil {
			return err
		}
		id := string(e.DeviceID)
		switch e.Kind {
		case "entered", "changed":
			v.rows[id] = string(e.Row)
		case "left":
			delete(v.rows, id)
		case "reset":
			v.resets++
			clear(v.rows)
		}
		if e.DeviceID != "" {
			v.told = append(v.told, e.Kind+" "+id)
		}
		if e.Cursor != "" {
			v.cursor = e.Cursor
		}
		if ready = ready || e.Kind == "ready"; ready && enough() {
			return nil
		}
	}
	return nil
}

// found is what the query finds.
func found(t *testing.T, c *client.Client) map[string]string {
	t.Helper()
	rows := map[string]string{}
	for row, err := range c.Query(t.Context(), liveText, 0) {
		var twin struct{ DeviceID string }
		if err == nil {
			err = json.Unmarshal(row, &twin)
		}
		if err != nil {
			t.Fatal(err)
		}
		rows[twin.DeviceID] = string(row)
	}
	return rows
}

// agree follows until the rows are those that the query finds, which nobody
// changes meanwhile.
func (v *console) agree(t *testing.T, c *client.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	want := found(t, c)
	if err := v.follow(ctx, c, func() bool { return maps.Equal(v.rows, want) }); err != nil {
		t.Fatalf("%v\nfollowed %v\n   found %v", err, v.rows, want)
	}
}

// TestLiveQueryAcrossKills: whoever followed a live query when the hub was
// killed goes on from the cursor, and is told of exactly what happened since.
func TestLiveQueryAcrossKills(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	s := seed(t)
	t.Logf("seed %d", s)
	random := rand.New(rand.NewPCG(s, 0))
	p := &process{dir: dir, argv: []string{build(t), "serve", "--data", dir, "--mqtt", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0"}}
	c := historyClient(t, p)
	const devices = 60
	name := func(i int) string { return fmt.Sprintf("l%03d", i) }
	write := func(ctx context.Context, i, n int) error {
		tags := json.RawMessage(fmt.Sprintf(`{"n":%d}`, n))
		_, err := c.PatchTwin(ctx, tvilling.Device(tvilling.DeviceID(name(i))), client.TwinPatch{Tags: tags}, tvilling.Match{})
		return err
	}
	for i := range devices {
		if _, err := c.CreateDevice(t.Context(), client.Device{DeviceID: tvilling.DeviceID(name(i))}); err != nil {
			t.Fatal(err)
		}
		if err := write(t.Context(), i, i%10); err != nil {
			t.Fatal(err)
		}
	}
	v := &console{rows: map[string]string{}}
	v.agree(t, c)
	for range 3 {
		// Killed while it is told of changes.
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		var writers sync.WaitGroup
		for hand := range 4 {
			dice := rand.New(rand.NewPCG(s, random.Uint64()))
			writers.Go(func() {
				for write(ctx, hand+4*dice.IntN(devices/4), dice.IntN(10)) == nil {
				}
			})
		}
		left := 20 + random.IntN(400)
		if err := v.follow(ctx, c, func() bool { left--; return left == 0 }); err != nil {
			t.Fatal(err)
		}
		p.kill()
		cancel()
		writers.Wait()
		c = historyClient(t, p)
		v.agree(t, c)

		// Killed while nobody writes: then it is known what happens since.
		p.kill()
		c = historyClient(t, p)
		v.told = nil
		var want []string
		for _, i := range random.Perm(devices)[:12] {
			row, was := v.rows[name(i)]
			n := random.IntN(10)
			for range random.IntN(3) { // there and back again
				if err := write(t.Context(), i, random.IntN(10)); err != nil {
					t.Fatal(err)
				}
			}
			if err := write(t.Context(), i, n); err != nil {
				t.Fatal(err)
			}
			switch is := n > 4; {
			case is && !was:
				want = append(want, "entered "+name(i))
			case !is && was:
				want = append(want, "left "+name(i))
			case is && was && !strings.Contains(row, fmt.Sprintf(`"n":%d}`, n)):
				want = append(want, "changed "+name(i))
			}
		}
		v.agree(t, c)
		slices.Sort(v.told)
		slices.Sort(want)
		if !slices.Equal(v.told, want) {
			t.Errorf("told was\n%v, want\n%v", v.told, want)
		}
	}
	if v.resets != 0 {
		t.Errorf("all was told anew %d times", v.resets)
	}
}
