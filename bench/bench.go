package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/tvilling/tvilling/bench/load"
)

// errSkip is what a case returns that cannot run here; the text around it is why.
var errSkip = errors.New("skipped")

func skip(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), errSkip)
}

// bench is one run: where things are, and what was measured so far.
type bench struct {
	scale   scale
	dir     string // of the run, below the one asked for
	hub     string // binary
	profile string
	report  report

	loaded bool   // the data directory has been filled
	fleet  string // where the fleet's data directory is kept, "" for nowhere
	// backlogged is set once every device has sent a security message.
	backlogged *backlogged
	case_      string
}

func newBench(s scale, dir, hub, profile string) (_ *bench, err error) {
	b := &bench{scale: s, hub: hub, profile: profile}
	if b.dir, err = os.MkdirTemp(dir, "tvilling-bench-*"); err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	// Peers run as users of their own and have to get to their directories.
	if err := os.Chmod(b.dir, 0o711); err != nil { //nolint:gosec // a directory needs its x bit
		return nil, errors.Join(err, b.close())
	}
	if b.hub == "" {
		b.hub = filepath.Join(b.dir, "tvilling")
		build := exec.Command("go", "build", "-trimpath", "-o", b.hub, "./cmd/tvilling") //nolint:noctx // ended by the terminal's interrupt
		// The module above this one is the hub's.
		build.Dir = ".."
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return nil, errors.Join(fmt.Errorf("build the hub: %w (run bench in its directory, or give -hub)", err), b.close())
		}
	}
	if b.profile != "" {
		if err := os.MkdirAll(b.profile, 0o755); err != nil { //nolint:gosec // profiles are no secret
			return nil, errors.Join(err, b.close())
		}
	}
	return b, nil
}

func (b *bench) close() error { return os.RemoveAll(b.dir) }

// runAll runs the cases that match. One that fails does not keep the others
// from running.
func (b *bench) runAll(ctx context.Context, match *regexp.Regexp) error {
	b.report.event("run", "machine", fmt.Sprintf("%d cpus, %s, %s", runtime.NumCPU(), runtime.Version(), model()))
	var errs []error
	ran := false
	for _, c := range cases() {
		if !match.MatchString(c.name) {
			continue
		}
		ran = true
		b.case_ = c.name
		b.report.event(c.name, "load_before", loadAverage())
		start := time.Now()
		err := c.run(ctx, b)
		switch {
		case errors.Is(err, errSkip):
			b.report.event(c.name, "skipped", strings.TrimSuffix(err.Error(), ": "+errSkip.Error()))
		case err != nil:
			b.report.event(c.name, "failed", err.Error())
			errs = append(errs, fmt.Errorf("%s: %w", c.name, err))
		default:
			b.report.event(c.name, "took", time.Since(start).Round(100*time.Millisecond).String())
		}
		if ctx.Err() != nil {
			break
		}
	}
	if !ran {
		return errors.New("no case matches; see -list")
	}
	b.ratios()
	b.report.table(os.Stdout)
	return errors.Join(errs...)
}

// ratios compares the hub with what ran beside it.
func (b *bench) ratios() {
	for _, c := range []struct{ hub, peer, metric string }{
		{"patch/hub", "patch/floor", "throughput"},
		{"patch/hub", "patch/postgresql", "throughput"},
		{"patch/hub", "patch/postgresql", "throughput, batched"},
		{"patch/hub", "patch/nats", "throughput"},
		{"patch/hub-again", "patch/postgresql", "throughput"},
		{"patch/hub-again", "patch/nats", "throughput"},
		{"patch-one/hub", "patch/postgresql", "throughput, one client"},
		{"patch-one/hub", "patch/nats", "throughput, one client"},
		{"get/hub", "get/floor", "throughput"},
		{"telemetry/hub", "telemetry/floor", "throughput"},
		{"telemetry/hub", "telemetry/mosquitto", "throughput"},
		{"idle/hub", "idle/mosquitto", "rss each"},
	} {
		metric, _, _ := strings.Cut(c.metric, ",")
		mine, ok := b.report.value(c.hub, metric)
		theirs, also := b.report.value(c.peer, c.metric)
		if ok && also && theirs > 0 {
			b.report.add(Figure{Case: c.hub, Metric: metric + " ÷ that of " + c.peer + strings.TrimPrefix(c.metric, metric), Value: mine / theirs, Unit: "×"})
		}
	}
}

func (b *bench) figure(f Figure) {
	f.Case = b.case_
	b.report.add(f)
}

// measured reports a run: what it reached, what it cost the server and the
// generator, and what others took meanwhile. suffix tells the runs of one case
// apart.
func (b *bench) measured(r *load.Result, m *meter, suffix string, goal, p99 Figure) {
	goal.Metric, goal.Value, goal.Unit = "throughput"+suffix, r.Rate(), "/s"
	b.figure(goal)
	b.figure(Figure{Metric: "p50" + suffix, Value: ms(r.Quantile(0.5)), Unit: "ms", Less: true})
	p99.Metric, p99.Value, p99.Unit, p99.Less = "p99"+suffix, ms(r.Quantile(0.99)), "ms", true
	b.figure(p99)
	b.figure(Figure{Metric: "max" + suffix, Value: ms(r.Max()), Unit: "ms", Less: true})
	n := float64(max(r.Count(), 1))
	generator := "server and generator cpu"
	if m.server != nil {
		b.figure(Figure{Metric: "server cpu" + suffix, Value: us(m.cpu) / n, Unit: "µs/op", Less: true})
		b.figure(Figure{Metric: "server rss" + suffix, Value: mib(m.rss), Unit: "MiB", Less: true})
		generator = "generator cpu"
	}
	b.figure(Figure{Metric: generator + suffix, Value: us(m.generator) / n, Unit: "µs/op", Less: true})
	b.figure(Figure{Metric: "processors busy for others" + suffix, Value: 100 * m.others, Unit: "%", Less: true})
}

// trust returns a client's TLS configuration for a server that holds a
// certificate of the authority in a data directory.
func trust(data string) (*tls.Config, error) {
	pem, err := os.ReadFile(filepath.Join(data, "ca.pem"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("ca.pem holds no certificate")
	}
	return &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS13}, nil
}
