//go:build linux

package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling/internal/agent/identity"
	"github.com/tvilling/tvilling/internal/agent/settings"
)

// newAgent makes an agent that is not run, with a state directory.
func newAgent(t *testing.T, dir string) *Agent {
	t.Helper()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("c2VjcmV0"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := identity.Default()
	c.HostName, c.DeviceID, c.ModuleKeyFile, c.StateDirectory = "localhost", "d1", key, dir
	a, err := New(Options{Config: c, Version: "1.0", Logger: quiet(t), Embedded: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.spool.Close() }) // fails where there is no disk for what it has
	return a
}

// TestStart: what an agent begins with, by what the hub says and what is known.
func TestStart(t *testing.T) {
	t.Parallel()
	const section = `{` + object + `:{"snapshotFrequency":{"value":"PT1H"}},"$version":4}`
	const refused = `{` + object + `:{"snapshotFrequency":{"value":7}},"$version":5}`
	for name, tt := range map[string]struct {
		twin, kept string
		state      settings.State
		snapshot   time.Duration
		version    int64
		after      time.Duration
	}{
		"the twin":                       {twin: section, state: settings.StateApplied, snapshot: time.Hour, version: 4},
		"the twin, although one is kept": {twin: `{"$version":6}`, kept: section, state: settings.StateApplied, snapshot: 13 * time.Hour, version: 6},
		"a refused one":                  {twin: refused, kept: section, state: settings.StateDefaults, snapshot: 13 * time.Hour, version: 5},
		"what is kept":                   {kept: section, state: settings.StateApplied, snapshot: time.Hour, version: 4, after: twinTimeout},
		"nothing":                        {state: settings.StateDefaults, snapshot: 13 * time.Hour, after: twinTimeout},
		"what is kept is damaged":        {kept: section[:20], state: settings.StateDefaults, snapshot: 13 * time.Hour, after: twinTimeout},
		"what is kept is empty":          {kept: "\n", state: settings.StateDefaults, snapshot: 13 * time.Hour, after: twinTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				if tt.kept != "" {
					if err := os.WriteFile(filepath.Join(dir, "desired.json"), []byte(tt.kept), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				a := newAgent(t, dir)
				begun := time.Now()
				if tt.twin != "" {
					a.twin([]byte(tt.twin))
				}
				a.waitForTwin(t.Context())
				if d := time.Since(begun); d != tt.after {
					t.Errorf("it begins after %v, want %v", d, tt.after)
				}
				st := a.Status()
				if st.Configuration.State != tt.state || st.Configuration.Version != tt.version || a.settings().Snapshot != tt.snapshot {
					t.Errorf("got %+v, %v", st.Configuration, a.settings().Snapshot)
				}
				b, err := os.ReadFile(filepath.Join(dir, "desired.json"))
				if tt.state == settings.StateApplied {
					want := tt.twin
					if want == "" {
						want = tt.kept
					}
					if err != nil || string(b) != want {
						t.Errorf("kept is %s, %v", b, err)
					}
				} else if string(b) != tt.kept {
					t.Errorf("kept is %s, %v", b, err)
				}
			})
		})
	}
}

// TestNewestTwinWins: of sections that come faster than they are taken, the last
// one counts.
func TestNewestTwinWins(t *testing.T) {
	t.Parallel()
	a := newAgent(t, t.TempDir())
	for _, s := range []string{"1", "2", "3"} {
		a.twin([]byte(s))
	}
	if got := string(<-a.twins); got != "3" || len(a.twins) != 0 {
		t.Errorf("got %s, and %d more", got, len(a.twins))
	}
}

// TestStateIsUnusable: without a disk the agent is made all the same, waits in
// memory and says so.
func TestStateIsUnusable(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a := newAgent(t, filepath.Join(file, "state"))
	if a.agentID == "" {
		t.Error("it has no id")
	}
	a.configure(t.Context(), []byte(`{"$version":1}`))
	a.in.Observe(time.Now(), login("root"))
	st := a.Status()
	if !strings.HasPrefix(st.Spool, "memory: ") || st.Configuration.State != settings.StateApplied {
		t.Errorf("got %q, %+v", st.Spool, st.Configuration)
	}
	if st.Queues[0].Events != 1 {
		t.Errorf("the queues are %+v", st.Queues)
	}
	if err := a.keepState(); err == nil {
		t.Error("the state is kept in a file")
	}
}
