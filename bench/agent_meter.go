package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// nativeArch is the architecture of this machine.
const nativeArch = runtime.GOARCH

// What the agent is built for, in percent of a core and in MB (10⁶ bytes).
const (
	agentRSS, agentRSSStretch       = 14, 9
	agentRSSCap, agentRSSCapStretch = 20, 12
)

func mb(n int64) float64 { return float64(n) / 1e6 }

// worked is the processor time of a process's threads so far, to the
// nanosecond: that of its stat file comes in hundredths of a second, of which an
// idle agent uses a few in a minute. Threads of Go's runtime do not end.
func worked(pid int) (d time.Duration) {
	tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/schedstat") //nolint:errcheck // the pattern is well formed
	for _, t := range tasks {
		b, err := os.ReadFile(t)
		if err != nil {
			continue // gone
		}
		n, _ := strconv.ParseInt(strings.Fields(string(b))[0], 10, 64) //nolint:errcheck // the kernel writes numbers
		d += time.Duration(n)
	}
	return d
}

// forks is how many processes and threads the machine has started so far.
func forks() int64 {
	b, _ := os.ReadFile("/proc/stat") //nolint:errcheck // then it is 0
	for line := range strings.Lines(string(b)) {
		if n, ok := strings.CutPrefix(line, "processes "); ok {
			v, _ := strconv.ParseInt(strings.TrimSpace(n), 10, 64) //nolint:errcheck // the kernel writes numbers
			return v
		}
	}
	return 0
}

// watchMemory samples the resident memory of a process once a second, until
// what it returns is called, which tells the middle of the samples and the
// largest.
func watchMemory(ctx context.Context, pid int) func() (median, largest int64) {
	ctx, cancel := context.WithCancel(ctx)
	var samples []int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			samples = append(samples, procValue(pid, "status", "VmRSS:"))
			if sleep(ctx, time.Second) != nil {
				return
			}
		}
	})
	return func() (int64, int64) {
		cancel()
		wg.Wait()
		return middle(samples)
	}
}

// agentMeter measures an agent between two moments.
type agentMeter struct {
	pid           int
	began         time.Time
	cpu, busy     time.Duration
	generator     time.Duration
	forks         int64
	memory        func() (int64, int64)
	took          time.Duration
	percent       float64 // of one core
	others        float64 // of the machine, 0 to 1, that neither agent nor generator had
	started       int64   // by the whole machine
	median, large int64
}

func newAgentMeter(ctx context.Context, pid int) *agentMeter {
	return &agentMeter{
		pid: pid, began: time.Now(), cpu: worked(pid), busy: machineBusy(), generator: used(os.Getpid()), forks: forks(), memory: watchMemory(ctx, pid),
	}
}

func (m *agentMeter) end() {
	m.took = time.Since(m.began)
	m.cpu = worked(m.pid) - m.cpu
	m.percent = 100 * m.cpu.Seconds() / m.took.Seconds()
	rest := machineBusy() - m.busy - m.cpu - (used(os.Getpid()) - m.generator)
	m.others = max(rest.Seconds()/m.took.Seconds()/float64(runtime.NumCPU()), 0)
	m.started = forks() - m.forks
	m.median, m.large = m.memory()
}

// middle returns the median and the largest of samples.
func middle(samples []int64) (median, largest int64) {
	if len(samples) == 0 {
		return 0, 0
	}
	slices.Sort(samples)
	return samples[len(samples)/2], samples[len(samples)-1]
}
