package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// runStartsAuditd is the load of started programs under auditd with a rule for
// each start, as Debian ships it: its configuration but for where the log is,
// and its backlog of 8192. All is put back in the end.
func runStartsAuditd(ctx context.Context, b *bench) (err error) {
	daemon, err := lookSystem("auditd")
	if err != nil {
		return err
	}
	control, err := lookSystem("auditctl")
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return skip("auditd runs as root only")
	}
	before, err := auditStatus(ctx, control)
	if err != nil {
		return skip("the kernel does not audit here: %v", err)
	}
	if before["enabled"] != 0 || before["pid"] != 0 {
		return skip("this machine uses its audit system, which is left alone")
	}
	dir, err := os.MkdirTemp(b.dir, "auditd-*")
	if err != nil {
		return err
	}
	log := filepath.Join(dir, "audit.log")
	if err := auditdConfig(dir, log); err != nil {
		return err
	}
	p, err := startProcess(dir, exec.Command(daemon, "-n", "-c", dir)) //nolint:gosec,noctx // from the system; stopped by a signal
	if err != nil {
		return err
	}
	p.discard()
	defer func() {
		err = errors.Join(err, audit(ctx, control, "-D"), audit(ctx, control, "-e", "0"), audit(ctx, control, "-b", strconv.FormatInt(before["backlog_limit"], 10)), p.stop(syscall.SIGTERM))
	}()
	if err := auditReady(ctx, control, int64(p.cmd.Process.Pid)); err != nil {
		return err
	}
	for _, rule := range [][]string{{"-b", "8192"}, {"-a", "always,exit", "-F", "arch=b64", "-S", "execve,execveat", "-k", "bench"}} {
		if err := audit(ctx, control, rule...); err != nil {
			return err
		}
	}
	s, err := b.newStarter("auditd", startsRate, b.scale.AgentStarts)
	if err != nil {
		return err
	}
	kernel := kernelThread("kauditd")
	if kernel == 0 {
		return errors.New("there is no kernel thread kauditd")
	}
	thread := worked(kernel)
	m := newAgentMeter(ctx, p.cmd.Process.Pid)
	if err := s.run(ctx); err != nil {
		return fmt.Errorf("start programs: %w", err)
	}
	m.end()
	thread = worked(kernel) - thread
	if err := sleep(ctx, 2*time.Second); err != nil { // its log comes after
		return err
	}
	after, err := auditStatus(ctx, control)
	if err != nil {
		return err
	}
	records, err := recordsOf(log, s.marker)
	if err != nil {
		return err
	}
	return b.auditReport(s, m, thread, records, after["lost"]-before["lost"], log)
}

func (b *bench) auditReport(s *starter, m *agentMeter, thread time.Duration, records int, lost int64, log string) error {
	info, err := os.Stat(log)
	if err != nil {
		return err
	}
	n := float64(s.count())
	b.figure(Figure{Metric: "started", Value: n / m.took.Seconds(), Unit: "/s"})
	b.figure(Figure{Metric: "starts in its log", Value: float64(records)})
	b.figure(Figure{Metric: "lost, by the kernel's count", Value: float64(lost), Less: true})
	b.figure(Figure{Metric: "auditd cpu", Value: m.percent, Unit: "% of a core", Less: true})
	b.figure(Figure{Metric: "auditd and kauditd cpu", Value: m.percent + 100*thread.Seconds()/m.took.Seconds(), Unit: "% of a core", Less: true})
	b.figure(Figure{Metric: "auditd and kauditd cpu for each start", Value: us(m.cpu+thread) / n, Unit: "µs", Less: true})
	b.figure(Figure{Metric: "auditd rss", Value: mb(m.median), Unit: "MB", Less: true})
	b.figure(Figure{Metric: "log for each start", Value: float64(info.Size()) / n, Unit: "B", Less: true})
	b.machine(m)
	return nil
}

// auditdConfig writes Debian's configuration with the log in another place, and
// without plugins.
func auditdConfig(dir, log string) error {
	text, err := os.ReadFile("/etc/audit/auditd.conf")
	if err != nil {
		return skip("auditd has no configuration: %v", err)
	}
	plugins := filepath.Join(dir, "plugins.d")
	if err := os.Mkdir(plugins, 0o750); err != nil {
		return err
	}
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		switch name, _, _ := strings.Cut(line, "="); strings.TrimSpace(name) {
		case "log_file":
			line = "log_file = " + log + "\n"
		case "plugin_dir":
			line = "plugin_dir = " + plugins + "\n"
		case "max_log_file":
			line = "max_log_file = 1000\n" // all of it is counted
		}
		out.WriteString(line)
	}
	return os.WriteFile(filepath.Join(dir, "auditd.conf"), []byte(out.String()), 0o600)
}

// audit runs auditctl.
func audit(ctx context.Context, control string, args ...string) error {
	if out, err := exec.CommandContext(context.WithoutCancel(ctx), control, args...).CombinedOutput(); err != nil { //nolint:gosec // fixed words
		return fmt.Errorf("auditctl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// auditStatus reads the numbers of auditctl -s.
func auditStatus(ctx context.Context, control string) (map[string]int64, error) {
	out, err := exec.CommandContext(ctx, control, "-s").CombinedOutput() //nolint:gosec // from the system
	if err != nil {
		return nil, fmt.Errorf("auditctl -s: %w: %s", err, out)
	}
	st := make(map[string]int64)
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 2 {
			if n, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				st[f[0]] = n
			}
		}
	}
	return st, nil
}

// auditReady waits until the kernel gives its records to a daemon.
func auditReady(ctx context.Context, control string, pid int64) error {
	for range 100 {
		st, err := auditStatus(ctx, control)
		if err != nil {
			return err
		}
		if st["pid"] == pid && st["enabled"] == 1 {
			return nil
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return errors.New("auditd was not ready after ten seconds; see its log")
}

// kernelThread finds a thread of the kernel, 0 if there is none of that name.
func kernelThread(name string) int {
	list, _ := os.ReadDir("/proc") //nolint:errcheck // none, then
	for _, e := range list {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if b, err := os.ReadFile("/proc/" + e.Name() + "/comm"); err == nil && strings.TrimSpace(string(b)) == name {
			return pid
		}
	}
	return 0
}

// lookSystem finds a program of the system, which may not be in a user's path.
func lookSystem(name string) (string, error) {
	for _, dir := range []string{"/usr/sbin/", "/usr/bin/", "/sbin/"} {
		if _, err := os.Stat(dir + name); err == nil {
			return dir + name, nil
		}
	}
	return "", skip("%s is not installed", name)
}

// recordsOf counts the starts that a log in the form of auditd's has.
func recordsOf(path, marker string) (n int, err error) {
	files, err := filepath.Glob(path + "*") // it may have been rotated
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(string(b)) {
			if strings.HasPrefix(line, "type=EXECVE ") && strings.Contains(line, marker) {
				n++
			}
		}
	}
	return n, nil
}
