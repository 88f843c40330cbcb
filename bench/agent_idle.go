package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// runAgentSize builds the agent as it is shipped.
func runAgentSize(ctx context.Context, b *bench) error {
	for _, arch := range []string{"amd64", "arm64", "armv7"} {
		path, err := b.agentBinary(ctx, arch)
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		b.figure(Figure{Metric: arch, Value: mb(info.Size()), Unit: "MB", Reach: 12, Stretch: 8, Less: true})
	}
	return nil
}

// runAgentIdle watches an agent with its defaults after its first snapshots.
// Whatever else the machine starts is seen by it, too.
func runAgentIdle(ctx context.Context, b *bench) (err error) {
	r, err := b.startAgent(ctx, agentOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := errors.Join(r.settled(ctx), r.still(ctx, 5*time.Second)); err != nil {
		return err
	}
	pid := r.agent.cmd.Process.Pid
	woken := switches(pid)
	m := newAgentMeter(ctx, pid)
	quiet, err := watchQuiet(ctx, pid, b.scale.AgentIdle)
	if err != nil {
		return err
	}
	m.end()
	woken = switches(pid) - woken
	b.figure(Figure{Metric: "watched for", Value: m.took.Seconds(), Unit: "s"})
	b.figure(Figure{Metric: "cpu", Value: m.percent, Unit: "% of a core", Reach: 0.1, Less: true})
	if quiet.seconds > 0 {
		b.figure(Figure{Metric: "cpu in seconds in which nothing was started", Value: 100 * quiet.cpu.Seconds() / quiet.took.Seconds(), Unit: "% of a core", Less: true})
		b.figure(Figure{Metric: "wake-ups in those", Value: float64(quiet.woken) / quiet.took.Seconds(), Unit: "/s", Less: true})
	}
	b.figure(Figure{Metric: "seconds in which nothing was started", Value: float64(quiet.seconds), Unit: "s"})
	b.figure(Figure{Metric: "wake-ups of its threads", Value: float64(woken) / m.took.Seconds(), Unit: "/s", Less: true})
	b.figure(Figure{Metric: "rss", Value: mb(m.median), Unit: "MB", Reach: agentRSS, Stretch: agentRSSStretch, Less: true})
	b.figure(Figure{Metric: "of that, its own", Value: mb(procValue(pid, "status", "RssAnon:")), Unit: "MB", Less: true})
	b.figure(Figure{Metric: "peak rss", Value: mb(peak(pid)), Unit: "MB", Reach: agentRSSCap, Stretch: agentRSSCapStretch, Less: true})
	b.machine(m)
	return nil
}

// quietTime is the sum of the seconds in which the machine has started no
// process and no thread, so that there was nothing to see.
type quietTime struct {
	seconds   int
	took, cpu time.Duration
	woken     int64
}

// watchQuiet watches a process for a while, second by second.
func watchQuiet(ctx context.Context, pid int, during time.Duration) (q quietTime, err error) {
	for end := time.Now().Add(during); time.Now().Before(end); {
		began, started, cpu, woken := time.Now(), forks(), worked(pid), switches(pid)
		if err := sleep(ctx, time.Second); err != nil {
			return q, err
		}
		if forks() != started {
			continue
		}
		q.seconds++
		q.took += time.Since(began)
		q.cpu += worked(pid) - cpu
		q.woken += switches(pid) - woken
	}
	return q, nil
}

// switches is how often the threads of a process have gone to sleep so far.
func switches(pid int) (n int64) {
	tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/status") //nolint:errcheck // the pattern is well formed
	for _, t := range tasks {
		text, err := os.ReadFile(t)
		if err != nil {
			continue // gone
		}
		for line := range strings.Lines(string(text)) {
			if v, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
				k, _ := strconv.ParseInt(strings.TrimSpace(v), 10, 64) //nolint:errcheck // the kernel writes numbers
				n += k
			}
		}
	}
	return n
}
