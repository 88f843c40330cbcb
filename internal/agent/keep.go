//go:build linux

package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tvilling/tvilling/internal/agent/budget"
	"github.com/tvilling/tvilling/internal/agent/settings"
	"github.com/tvilling/tvilling/internal/agent/spool"
	"github.com/tvilling/tvilling/internal/durable"
)

// kept is what the agent remembers from one start to the next, besides its
// spool. Losing it costs little: it is kept now and then and at the end.
type kept struct {
	// Format is the version of the file.
	Format int        `json:"format"`
	Day    budget.Day `json:"day"`
	// Logins is how far logins were read.
	Logins []byte `json:"logins,omitempty"`
}

const (
	keptFormat = 1
	keptFile   = "state.json"
	maxKept    = 64 << 10
	keepEvery  = 10 * time.Minute
	// firstUse is after how long the twin is told first what is used; then it is
	// told with each round of snapshots.
	firstUse = time.Minute
)

// readKept reads what was kept; what cannot be read counts as nothing.
func readKept(dir string) kept {
	b, err := os.ReadFile(filepath.Join(dir, keptFile))
	var k kept
	if err != nil || len(b) > maxKept || json.Unmarshal(b, &k) != nil || k.Format != keptFormat {
		return kept{}
	}
	return k
}

// keepState writes what is to be remembered.
func (a *Agent) keepState() error {
	k := kept{Format: keptFormat, Day: a.budget.Today(), Logins: a.collectors.checkpoint()}
	// What was read up to there has to be on the disk first: it is not read again.
	if err := a.spool.Sync(); err != nil {
		return fmt.Errorf("keep the agent's state: %w", err)
	}
	b, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("keep the agent's state: %w", err)
	}
	return write(filepath.Join(a.opt.Config.StateDirectory, keptFile), b)
}

// sectionFile has the desired section that was applied last.
func (a *Agent) sectionFile() string {
	return filepath.Join(a.opt.Config.StateDirectory, "desired.json")
}

// write replaces a file of the state directory, readable by its owner only.
func write(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	return durable.WriteFile(path, b, 0o600)
}

// spread returns a random part of d.
func spread(d time.Duration) time.Duration { return rand.N(d) } //nolint:gosec // it only spreads load

func limitsOf(s *settings.Settings) budget.Limits {
	return budget.Limits{MemoryBytes: s.Extension.MemoryLimit, CPUPercent: s.Extension.CPULimit, BytesPerDay: s.Extension.MaxBytesPerDay}
}

// watchBudget looks at what is used, and sheds load if it is too much.
func (a *Agent) watchBudget(ctx context.Context) {
	sent, _ := a.link.Traffic()
	a.budget.Charge(int64(sent - a.charged))
	a.charged = sent
	if !a.noted && time.Since(a.started) > firstUse {
		a.noted = true
		a.noteUse()
	}
	level := a.budget.Check()
	over := level != budget.Normal || a.budget.Busy()
	a.in.shed(over)
	if over && !a.shedding {
		a.log.WarnContext(ctx, "the budget is used up; what is not urgent is left out and counted", "memory", level.String(), "cpu_busy", a.budget.Busy())
	}
	a.shedding = over
	if now := time.Now(); now.Sub(a.keptAt) >= keepEvery {
		a.keptAt = now
		if err := a.keepState(); err != nil {
			a.log.DebugContext(ctx, "the agent's state cannot be kept", "error", err)
		}
		a.budget.Release() // after a busy time, nothing else would
	}
}

// noteUse takes down what is used, for the reported properties.
func (a *Agent) noteUse() {
	u := a.budget.Use()
	a.mu.Lock()
	a.lastUse = u
	a.mu.Unlock()
	kick(a.reporter.wake)
}

// useReport is what the twin shows of what is used: whole numbers, which do not
// change for nothing.
func useReport(u *budget.Use) map[string]any {
	return map[string]any{
		"memoryInBytes":     number(u.RSSBytes),
		"peakMemoryInBytes": number(u.PeakRSSBytes),
		"cpuSeconds":        number(int64(u.CPUSeconds)),
		"bytesToday":        number(u.BytesToday),
		"waitedForCPU":      number(int64(u.Sheds.CPU)),
		"shortOfMemory":     number(int64(u.Sheds.Memory)),
		"daysOutOfBytes":    number(int64(u.Sheds.Bytes)),
	}
}

func number(n int64) json.RawMessage { return json.RawMessage(strconv.FormatInt(n, 10)) }

func quoted(s string) json.RawMessage {
	b, _ := json.Marshal(s) // fails on no string
	return b
}

// Status returns what the agent says of itself.
func (a *Agent) Status() Status {
	st := a.link.State()
	id := a.opt.Config.ID()
	s := Status{
		Version: a.opt.Version, AgentID: a.agentID, Identity: id.String(), Hub: a.opt.Config.HostName, Started: a.started,
		Connected: st.Connected, Since: st.Since, Sights: a.collectors.sights(), Use: a.budget.Use(), Enforcement: a.budget.Enforcement(),
		Lost: a.in.losses(),
	}
	if st.Err != nil && !st.Connected {
		s.Error = st.Err.Error()
	}
	a.mu.Lock()
	s.Configuration.State, s.Configuration.Version, s.Configuration.Applied = a.conf.state, a.conf.version, a.conf.applied
	s.Configuration.Problems = texts(a.conf.problems)
	limits := limitsOf(&a.conf.current)
	a.mu.Unlock()
	s.Budget = BudgetStatus(limits)
	mode, why := a.spool.Mode()
	s.Spool = string(mode)
	if why != "" {
		s.Spool += ": " + why
	}
	counts := a.spool.Counts()
	for c := range spool.Classes {
		q := QueueStatus{Priority: c.String(), Dropped: counts[c].Lost()}
		q.Events, q.Bytes = a.spool.Waiting(c)
		s.Queues = append(s.Queues, q)
	}
	return s
}
