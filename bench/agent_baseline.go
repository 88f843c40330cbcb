package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/tvilling/tvilling/internal/agent/baseline"
)

// runAgentBaseline makes all checks on this machine, in the generator's process,
// and then takes one snapshot of everything with the agent's own command.
func runAgentBaseline(ctx context.Context, b *bench) (err error) {
	root, err := os.OpenRoot("/")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	checks, err := baseline.Builtin()
	if err != nil {
		return err
	}
	before, start := cpuOfSelf(), time.Now()
	report, err := baseline.Run(ctx, baseline.Options{Root: root, Checks: checks})
	if err != nil {
		return err
	}
	took, cpu := time.Since(start), cpuOfSelf()-before
	slowest := report.Results[0]
	made := 0
	for _, r := range report.Results {
		if r.Outcome != baseline.Skip {
			made++
		}
		if r.Took > slowest.Took {
			slowest = r
		}
	}
	b.figure(Figure{Metric: "checks", Value: float64(len(report.Results))})
	b.figure(Figure{Metric: "of them, made on this machine", Value: float64(made)})
	b.figure(Figure{Metric: "did not pass", Value: float64(len(report.Items()))})
	b.figure(Figure{Metric: "took", Value: took.Seconds(), Unit: "s", Reach: 1, Less: true})
	b.figure(Figure{Metric: "cpu", Value: ms(cpu), Unit: "ms", Less: true})
	b.figure(Figure{Metric: "cpu for each check made", Value: ms(cpu) / float64(max(made, 1)), Unit: "ms", Reach: 10, Less: true})
	b.figure(Figure{Metric: "slowest check, wall", Value: ms(slowest.Took), Unit: "ms", Less: true})
	b.report.event(b.case_, "slowest", slowest.Check.ID)
	return b.agentOnce(ctx)
}

// agentOnce measures tvilling-agent once, its start included.
func (b *bench) agentOnce(ctx context.Context) error {
	program, err := b.agentBinary(ctx, nativeArch)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, "once") //nolint:gosec // what was built
	start := time.Now()
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("tvilling-agent once: %w", err)
	}
	b.figure(Figure{Metric: "once: took", Value: time.Since(start).Seconds(), Unit: "s", Less: true})
	b.figure(Figure{Metric: "once: cpu", Value: ms(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()), Unit: "ms", Less: true})
	b.figure(Figure{Metric: "once: message", Value: float64(len(out)), Unit: "B", Less: true})
	return nil
}

// cpuOfSelf is the processor time of this process so far.
func cpuOfSelf() time.Duration {
	runtime.GC() // not in what is measured next
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0 // it fails for no process's own
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

var testsPerformed = regexp.MustCompile(`(?m)^\s*Tests performed\s*:\s*(\d+)`)

// runLynis audits this machine with Lynis.
func runLynis(ctx context.Context, b *bench) error {
	program, err := lookSystem("lynis")
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return skip("Lynis makes all of its tests as root only")
	}
	dir, err := os.MkdirTemp(b.dir, "lynis-*")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, "audit", "system", "--quick", "--no-colors", //nolint:gosec // from the system
		"--logfile", filepath.Join(dir, "lynis.log"), "--report-file", filepath.Join(dir, "report.dat"))
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	// Its exit status says what it found, too.
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		return err
	}
	took := time.Since(start)
	m := testsPerformed.FindSubmatch(out.Bytes())
	if m == nil {
		return fmt.Errorf("lynis did not say how many tests it made: %.300s", out.Bytes())
	}
	tests, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		return err
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	b.figure(Figure{Metric: "tests", Value: tests})
	b.figure(Figure{Metric: "took", Value: took.Seconds(), Unit: "s", Less: true})
	b.figure(Figure{Metric: "cpu", Value: ms(cpu), Unit: "ms", Less: true})
	b.figure(Figure{Metric: "cpu for each test", Value: ms(cpu) / max(tests, 1), Unit: "ms", Less: true})
	return nil
}
