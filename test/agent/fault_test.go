//go:build linux

package agent_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/agent"
	"github.com/tvilling/tvilling/internal/agent/spool"
	"github.com/tvilling/tvilling/internal/client"
)

// ids returns how often each event of the device came to the hub.
func (w *world) ids() map[string]int {
	w.Helper()
	n := map[string]int{}
	for m, err := range w.owner.Messages(w.Context(), client.Security, client.StreamOptions{Device: deviceID, Module: w.module.Module}) {
		if err != nil {
			w.Fatal(err)
		}
		var body struct {
			Events []struct {
				ID string `json:"Id"`
			}
		}
		if err := json.Unmarshal(m.Body, &body); err != nil {
			w.Fatal(err)
		}
		for _, e := range body.Events {
			n[e.ID]++
		}
	}
	return n
}

// TestHubAway lets more wait than the cache holds. What is of low priority goes
// first, the oldest first, and is counted; what is of high priority is kept, and
// arrives once.
func TestHubAway(t *testing.T) {
	t.Parallel()
	w := start(t)
	const cache = 300_000
	w.desire(silent(`"eventPriorityLocalUsers":{"value":"High"}`, `"eventPriorityFirewallConfiguration":{"value":"Low"}`, `"eventPrioritySystemInformation":{"value":"Low"}`,
		`"maxLocalCacheSizeInBytes":{"value":`+strconv.Itoa(cache)+`}`, `"maxMessageSizeInBytes":{"value":65536}`))
	a := w.run(w.config())
	w.state("applied")
	queue := func(i int) agent.QueueStatus { return a.Status().Queues[i] }
	w.until("the first snapshots wait", func() bool { return queue(0).Events == 1 && queue(2).Events == 2 })
	a.SnapshotNow()
	const sentHigh, sentLow = 2, 4
	count := func(names ...string) func(int) func() bool {
		return func(n int) func() bool { return func() bool { return len(w.events(names...)) == n } }
	}
	highs, lows := count("LocalUsers"), count("FirewallConfiguration", "SystemInformation")
	w.until("what is of high priority is at the hub", highs(sentHigh))
	w.until("what is of low priority is at the hub", lows(sentLow))
	w.wire.cut()
	w.until("the connection is lost", func() bool { return !a.Status().Connected })
	high, low := 0, 0
	var taken []time.Time // when each of the low ones was, at the earliest
	for queue(2).Dropped < 40 {
		if high > 2000 {
			t.Fatalf("nothing is dropped: %+v", a.Status().Queues)
		}
		now := time.Now().Truncate(time.Millisecond)
		taken = append(taken, now, now)
		a.SnapshotNow()
		high, low = high+1, low+2
		w.until("the snapshots wait", func() bool {
			return queue(0).Events == high && uint64(queue(2).Events)+queue(2).Dropped == uint64(low)
		})
	}
	st := a.Status()
	if st.Queues[0].Dropped != 0 {
		t.Errorf("of high priority, %d are dropped", st.Queues[0].Dropped)
	}
	if n := st.Queues[0].Bytes + st.Queues[2].Bytes; n > cache {
		t.Errorf("%d bytes wait", n)
	}
	dropped := st.Queues[2].Dropped
	w.wire.join(w.hub.MQTT())
	a.SnapshotNow()
	high, low = high+1, low+2
	w.until("all is sent", func() bool { return queue(0).Events+queue(2).Events == 0 })
	oldestKept := taken[dropped]
	w.until("all of high priority arrives", highs(sentHigh+high))
	dropped = max(dropped, queue(2).Dropped)
	w.until("what is left of low priority arrives", lows(sentLow+low-int(dropped)))
	// The oldest were dropped: of those that waited, the first that arrives is of
	// when the first was dropped that had to make room.
	for i, e := range w.events("FirewallConfiguration", "SystemInformation") {
		if i >= sentLow && e.Stated.Before(oldestKept) {
			t.Errorf("an event of %v arrives; the oldest that was kept is of %v", e.Stated, oldestKept)
		}
	}
	for id, n := range w.ids() {
		if n != 1 {
			t.Errorf("%s came %d times", id, n)
		}
	}
	// The counts were kept for when somebody asks for them.
	w.desire(`{` + object + `:{"eventPriorityDroppedEventsStatistics":{"value":"High"}}}`)
	w.until("it is taken", func() bool { return w.reported().value("eventPriorityDroppedEventsStatistics") == "High" })
	a.SnapshotNow()
	low += 2 // the snapshots before this one
	w.sees("DroppedEventsStatistics", fmt.Sprintf(`"Queue":"Low","CollectedEvents":%d,"DroppedEvents":%d`, sentLow+low, dropped))
}

// TestKill9 kills the agent again and again. TVILLING_CRASH_RUNS says how often.
func TestKill9(t *testing.T) {
	t.Parallel()
	w := start(t)
	runs := 4
	if s := os.Getenv("TVILLING_CRASH_RUNS"); s != "" {
		var err error
		if runs, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	w.desire(silent(`"eventPriorityLocalUsers":{"value":"High"}`, `"eventPriorityFirewallConfiguration":{"value":"Low"}`, `"eventPrioritySystemInformation":{"value":"Low"}`))
	p := w.install(t, w.config())
	synced := map[string]bool{}
	for run := range runs {
		p.start(t)
		if st := p.connected(w); !strings.HasPrefix(st.Spool, "disk") {
			t.Fatalf("run %d: the spool is in %s", run, st.Spool)
		}
		if run%2 == 1 { // while it sends
			for range 5 {
				p.snapshot(t)
			}
			<-time.After(time.Duration(run%10) * 10 * time.Millisecond)
			p.kill()
			continue
		}
		w.wire.cut()
		w.until("the connection is lost", func() bool { return !p.status(t).Connected })
		waiting := func() int { st := p.status(t); return st.Queues[0].Events + st.Queues[2].Events }
		before, waits := waiting(), 0
		p.snapshot(t)
		w.until("something waits", func() bool { waits = waiting(); return waits >= before+3 })
		// What waits is put on the disk within a second.
		w.until("it is on the disk", func() bool { return len(onDisk(t, p.state)) >= waits })
		p.kill()
		for _, id := range onDisk(t, p.state) {
			synced[id] = true
		}
		w.wire.join(w.hub.MQTT())
	}
	p.start(t)
	p.connected(w)
	p.snapshot(t)
	w.until("nothing waits", func() bool {
		st := p.status(t)
		return st.Queues[0].Events+st.Queues[2].Events == 0 && st.Queues[0].Dropped+st.Queues[2].Dropped == 0
	})
	p.stop(t)
	got := w.ids()
	for id := range synced {
		if got[id] == 0 {
			t.Errorf("%s was on the disk, and is lost", id)
		}
	}
	seen := map[string]bool{}
	for _, e := range w.events() {
		if seen[e.ID] {
			t.Errorf("the hub has %s twice", e.ID)
		}
		seen[e.ID] = true
	}
	if len(synced) < runs/2*3 || len(seen) < len(synced) {
		t.Errorf("%d events were on the disk, %d are at the hub", len(synced), len(seen))
	}
	t.Logf("%d runs, %d events on the disk, %d at the hub", runs, len(synced), len(seen))
}

// onDisk returns the ids of the events that a copy of the agent's spool has.
func onDisk(t *testing.T, state string) (ids []string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "spool")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(state, "spool"))); err != nil {
		return nil // it was changed meanwhile
	}
	s, err := spool.Open(spool.Options{Dir: dir, MaxBytes: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for {
		b, err := s.Take(1<<18, 0, spool.High, spool.Medium, spool.Low)
		if err != nil {
			t.Fatal(err)
		}
		if b.Len() == 0 {
			return ids
		}
		for e := range b.Events() {
			var head struct {
				ID string `json:"Id"`
			}
			if err := json.Unmarshal(e, &head); err != nil {
				t.Fatalf("%v: %s", err, e)
			}
			ids = append(ids, head.ID)
		}
		if err := s.Done(b); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDisk runs the agent without a disk for its state: it goes on in memory, and
// says so.
func TestDisk(t *testing.T) { //nolint:paralleltest // its thread has mounts of its own
	alone(t)
	for name, flags := range map[string]uintptr{"full": 0, "read-only": syscall.MS_RDONLY} {
		t.Run(name, func(t *testing.T) { //nolint:paralleltest // its thread has mounts of its own
			alone(t)
			w := start(t)
			c := w.config()
			if err := os.Mkdir(c.StateDirectory, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mount("tvilling-test", c.StateDirectory, "tmpfs", flags, "size=64k"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := syscall.Unmount(c.StateDirectory, syscall.MNT_DETACH); err != nil {
					t.Error(err)
				}
			})
			if flags == 0 {
				if err := os.WriteFile(filepath.Join(c.StateDirectory, "full"), make([]byte, 1<<20), 0o600); err == nil {
					t.Fatal("the disk is not full")
				}
			}
			w.desire(silent(`"eventPriorityLocalUsers":{"value":"High"}`, `"eventPriorityDiagnostic":{"value":"High"}`))
			p := w.install(t, c)
			p.start(t)
			p.connected(w)
			p.snapshot(t)
			w.sees("LocalUsers", "root")
			w.until("the agent says that it has no disk", func() bool { return strings.HasPrefix(p.status(t).Spool, "memory: ") })
			if n := p.cpu(t); n > 10*time.Second {
				t.Errorf("it uses %v of CPU", n)
			}
		})
	}
}

// TestNoSys runs the agent where there is no /sys, as in some containers, and
// where there is not even /proc: it says what it cannot see.
func TestNoSys(t *testing.T) { //nolint:paralleltest // its thread has mounts of its own
	alone(t)
	if _, err := program(); err != nil { // before anything is hidden
		t.Fatal(err)
	}
	for _, hidden := range [][]string{{"/sys"}, {"/sys", "/proc"}} {
		for _, dir := range hidden {
			if err := syscall.Mount("tvilling-test", dir, "tmpfs", syscall.MS_RDONLY, ""); err != nil {
				t.Fatal(err)
			}
		}
		out, code := output(t, "once")
		if code != 0 {
			t.Errorf("without %v: once ends with %d", hidden, code)
		}
		for _, p := range breaches([]byte(out)) {
			t.Errorf("without %v: %s", hidden, p)
		}
		out, _ = output(t, "check", "--offline", "--json")
		var r agent.CheckReport
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("without %v: %v: %s", hidden, err, out)
		}
		limited := map[string]bool{}
		for _, s := range r.Sights {
			if s.Extent != "full" {
				limited[s.Name] = true
				if s.Why == "" {
					t.Errorf("without %v: %s is %s, and nothing says why", hidden, s.Name, s.Extent)
				}
			}
		}
		t.Logf("without %v, limited are %v", hidden, limited)
		if len(limited) == 0 {
			t.Errorf("without %v, all is said to be seen", hidden)
		}
		for _, dir := range hidden {
			if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
				t.Fatal(err)
			}
		}
	}
}
