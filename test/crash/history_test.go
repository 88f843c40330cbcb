package crash_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

// written is an acknowledged version of a twin.
type written struct {
	id            tvilling.Identity
	version       int64
	tags, desired any
}

// TestHistoryAfterKill: every acknowledged version of a twin can be read as it
// was after the hub was killed, however many were written in one batch, and no
// version is missing between them.
func TestHistoryAfterKill(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	p := &process{dir: dir, argv: []string{self}, env: []string{childEnv + "=" + dir}}
	c := historyClient(t, p)
	ids := []tvilling.Identity{tvilling.Device("h1"), {Device: "h1", Module: tvilling.SecurityModule}, tvilling.Device("h2")}
	for _, d := range []tvilling.DeviceID{"h1", "h2"} {
		if _, err := c.CreateDevice(t.Context(), client.Device{DeviceID: d}); err != nil {
			t.Fatal(err)
		}
	}
	const enough = 300
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		acked []written
		done  atomic.Bool
	)
	for i := range 12 {
		id := ids[i%len(ids)]
		wg.Go(func() {
			for n := 0; !done.Load(); n++ {
				body := json.RawMessage(fmt.Sprintf(`{"by":%d,"n":%d,"k%d":{"x":%d},"k%d":null}`, i, n, n%7, n, (n+3)%7))
				write := c.PatchTwin
				if n%5 == 4 {
					write = c.ReplaceTwin
				}
				v, err := write(t.Context(), id, client.TwinPatch{Tags: body, Desired: body}, tvilling.Match{})
				if err != nil {
					if !done.Load() {
						t.Errorf("write %s: %v", id, err)
					}
					return
				}
				mu.Lock()
				acked = append(acked, written{id, v.Version, bare(t, v.Tags), bare(t, v.Properties.Desired)})
				if len(acked) == enough {
					done.Store(true)
					p.kill()
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(acked) < enough || t.Failed() {
		t.Fatalf("%d writes were acknowledged", len(acked))
	}
	c = historyClient(t, p)
	for _, w := range acked {
		was, err := c.TwinAt(t.Context(), w.id, client.TwinPoint{Version: w.version})
		if err != nil {
			t.Fatalf("%s at version %d: %v", w.id, w.version, err)
		}
		if d := cmp.Diff([]any{w.tags, w.desired}, []any{bare(t, was.Tags), bare(t, was.Properties.Desired)}); d != "" {
			t.Fatalf("%s at version %d (-acknowledged +kept):\n%s", w.id, w.version, d)
		}
	}
	for _, id := range ids {
		verifyVersions(t, c, id)
	}
}

// verifyVersions looks for gaps in the history of a twin.
func verifyVersions(t *testing.T, c *client.Client, id tvilling.Identity) {
	t.Helper()
	next := int64(0)
	for page, err := range c.History(t.Context(), id, client.HistoryQuery{Limit: 50, Parts: []string{"tags", "desired", "identity"}}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.Versions {
			if v.Partial || v.Together || next != 0 && v.Version != next-1 {
				t.Fatalf("%s: version %d after %d: %s", id, v.Version, next, v.Raw)
			}
			next = v.Version
		}
		if page.Next == 0 && (!page.Complete || next != 2) {
			t.Fatalf("the history of %s ends at version %d, complete: %t", id, next, page.Complete)
		}
	}
}

func historyClient(t *testing.T, p *process) *client.Client {
	t.Helper()
	e := p.start(t)
	owner, err := os.ReadFile(filepath.Join(p.dir, "owner.connection-string"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(client.Options{ConnectionString: string(owner), CAFile: filepath.Join(p.dir, "ca.pem"), Addr: e.https})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// bare is a section without what the hub adds to it.
func bare(t *testing.T, raw json.RawMessage) any {
	m := map[string]any{}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Error(err)
		}
	}
	delete(m, "$metadata")
	delete(m, "$version")
	return m
}
