package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// meter takes what a server and the generator used between two moments, and
// what other programs did.
type meter struct {
	server func() []int // nil when it runs in the generator's process

	cpu, generator time.Duration
	rss            int64 // of the server, at the end; shared memory is counted once
	// others is the share of the machine's processors that other programs had.
	others float64

	began time.Time
	busy  time.Duration
}

func (p *process) meter() *meter {
	return &meter{server: func() []int { return family(p.cmd.Process.Pid) }}
}

func (m *meter) begin() {
	m.began, m.busy = time.Now(), machineBusy()
	m.cpu, m.generator = -m.used(), -used(os.Getpid())
}

func (m *meter) end() {
	m.cpu += m.used()
	m.generator += used(os.Getpid())
	others := machineBusy() - m.busy - m.cpu - m.generator
	m.others = max(others.Seconds()/time.Since(m.began).Seconds()/float64(runtime.NumCPU()), 0)
	if m.server == nil {
		return
	}
	for _, pid := range m.server() {
		m.rss += resident(pid)
	}
}

// used is the processor time of the server so far.
func (m *meter) used() (d time.Duration) {
	if m.server == nil {
		return 0
	}
	for _, pid := range m.server() {
		d += used(pid)
	}
	return d
}

// used is the processor time of a process so far, 0 if there is none.
func used(pid int) time.Duration {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	// The name in parentheses may hold spaces.
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	return ticks(f[11]) + ticks(f[12]) // utime, stime
}

// machineBusy is how long the machine's processors have worked so far, all
// together.
func machineBusy() (d time.Duration) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(b), "\n")
	f := strings.Fields(line)
	for _, i := range []int{1, 2, 3, 6, 7, 8} { // user, nice, system, irq, softirq, steal
		d += ticks(f[i])
	}
	return d
}

// ticks reads a processor time of /proc, whose unit, USER_HZ, is 10 ms everywhere.
func ticks(s string) time.Duration {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0 // the kernel writes numbers
	}
	return time.Duration(n) * 10 * time.Millisecond
}

// family is a process and its children.
func family(pid int) []int {
	list := []int{pid}
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid)) //nolint:errcheck // none, then
	for s := range strings.FieldsSeq(string(b)) {
		if child, err := strconv.Atoi(s); err == nil {
			list = append(list, child)
		}
	}
	return list
}

// resident is the memory of a process, what it shares divided among those who
// share it.
func resident(pid int) int64 {
	return procValue(pid, "smaps_rollup", "Pss:")
}

// peak is the most memory that a process has had.
func peak(pid int) int64 { return procValue(pid, "status", "VmHWM:") }

// procValue reads a line such as "Pss:  123 kB"; 0 if there is none.
func procValue(pid int, file, name string) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64) //nolint:errcheck // the kernel writes numbers
			return n << 10
		}
	}
	return 0
}

// loadAverage is how busy the machine was in the last minute.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(b))[0]
}

// model names the processor.
func model() string {
	b, _ := os.ReadFile("/proc/cpuinfo") //nolint:errcheck // unknown, then
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}
