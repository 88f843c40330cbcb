package budget_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/agent/budget"
)

const (
	unified = "24 1 0:22 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
	hybrid  = "24 1 0:22 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n25 1 0:23 / /sys/fs/cgroup/unified rw shared:9 master:1 - cgroup2 cgroup2 rw\n"
)

func service() map[string]string {
	const at = "sys/fs/cgroup/system.slice/tvilling-agent.service/"
	return map[string]string{
		"proc/self/mountinfo":     unified,
		"proc/self/cgroup":        "0::/system.slice/tvilling-agent.service\n",
		at + "cgroup.procs":       "1234\n",
		at + "cgroup.controllers": "cpu memory pids\n",
		at + "memory.high":        "max\n",
		at + "memory.max":         "max\n",
		at + "cpu.max":            "max 100000\n",
	}
}

func TestCgroup(t *testing.T) {
	t.Parallel()
	const at = "sys/fs/cgroup/system.slice/tvilling-agent.service/"
	for _, tt := range []struct {
		name, want string
		change     map[string]string // "-" removes the file
		limits     [3]string         // memory.high, memory.max, cpu.max
	}{
		{"a service with Delegate=yes", "cgroup: memory, cpu", nil, [3]string{"20000000", "25000000", "50000 1000000"}},
		{
			"no memory controller", "cgroup: cpu; the agent itself: memory: the control group has not that controller",
			map[string]string{at + "cgroup.controllers": "cpu\n"},
			[3]string{"max\n", "max\n", "50000 1000000"},
		},
		{
			"no controllers", "the agent itself: memory: the control group has not that controller; cpu: the control group has not that controller",
			map[string]string{at + "cgroup.controllers": "\n"},
			[3]string{"max\n", "max\n", "max 100000\n"},
		},
		{
			"others in the group", "the agent itself: its control group has 2 processes, so that limits would be for others, too",
			map[string]string{at + "cgroup.procs": "1234\n1235\n"},
			[3]string{"max\n", "max\n", "max 100000\n"},
		},
		{
			"the root group", "the agent itself: it is in the root control group, which has no limits",
			map[string]string{"proc/self/cgroup": "4:memory:/x\n0::/\n"},
			[3]string{"max\n", "max\n", "max 100000\n"},
		},
		{
			"a file that is missing", "cgroup: memory; the agent itself: cpu: cpu.max: no such file or directory",
			map[string]string{at + "cpu.max": "-"},
			[3]string{"20000000", "25000000", ""},
		},
		{
			"only cgroup v1", "the agent itself: no cgroup v2 is mounted",
			map[string]string{"proc/self/mountinfo": "24 1 0:22 / /sys/fs/cgroup rw - cgroup cgroup rw\n"},
			[3]string{"max\n", "max\n", "max 100000\n"},
		},
		{
			"outside the namespace", "the agent itself: its control group is not below the one that is mounted",
			map[string]string{"proc/self/cgroup": "0::/../other\n"},
			[3]string{"max\n", "max\n", "max 100000\n"},
		},
		{
			"no proc", "the agent itself: the mounts cannot be read: mountinfo: no such file or directory",
			map[string]string{"proc/self/mountinfo": "-"},
			[3]string{"max\n", "max\n", "max 100000\n"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files := service()
			maps.Copy(files, tt.change)
			maps.DeleteFunc(files, func(_, content string) bool { return content == "-" })
			root := fixture(t, files)
			b := budget.New(budget.Options{Root: root, CPU: (&worker{}).cpu})
			if got := b.Enforcement(); got != tt.want && !strings.HasPrefix(tt.want, "cgroup") {
				t.Errorf("enforced by %q, want %q", got, tt.want)
			}
			for _, name := range []string{"memory.high", "memory.max", "cpu.max"} { // as they were
				if files[at+name] != "" {
					put(t, root, at+name, files[at+name])
				}
			}
			b.Set(budget.Limits{CPUPercent: 5, MemoryBytes: 20_000_000})
			if got := b.Enforcement(); got != tt.want {
				t.Errorf("enforced by %q, want %q", got, tt.want)
			}
			for i, name := range []string{"memory.high", "memory.max", "cpu.max"} {
				got, err := os.ReadFile(filepath.Join(root, at+name))
				if string(got) != tt.limits[i] {
					t.Errorf("%s is %q (%v), want %q", name, got, err, tt.limits[i])
				}
			}
		})
	}
}

func TestCgroupLimitsAreTakenBack(t *testing.T) {
	t.Parallel()
	const at = "sys/fs/cgroup/system.slice/tvilling-agent.service/"
	root := fixture(t, service())
	b := budget.New(budget.Options{Root: root, Limits: budget.Limits{CPUPercent: 0.05}})
	read := func(name string) string {
		p, err := os.ReadFile(filepath.Join(root, at+name))
		if err != nil {
			t.Fatal(err)
		}
		return string(p)
	}
	if got := read("cpu.max"); got != "1000 1000000" { // the least that the kernel takes
		t.Errorf("cpu.max is %q", got)
	}
	b.Set(budget.Limits{})
	if got := read("cpu.max") + " " + read("memory.high") + " " + read("memory.max"); got != "max 1000000 max max" {
		t.Errorf("the limits are %q", got)
	}
}

func TestParseMounts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file, mounted, at string
		ok                bool
	}{
		{unified, "/", "/sys/fs/cgroup", true},
		{hybrid, "/", "/sys/fs/cgroup/unified", true},
		{strings.Replace(unified, " / /sys", " /docker/abc /sys", 1), "/docker/abc", "/sys/fs/cgroup", true},
		{strings.Replace(unified, "/sys/fs", `/a\040b`, 1), "", "", false},
		{"24 1 0:22 / /sys/fs/cgroup - cgroup2\n", "", "", false},
		{"cgroup2\n - cgroup2", "", "", false},
		{"", "", "", false},
	} {
		mounted, at, ok := budget.ParseMounts([]byte(tt.file))
		if ok != tt.ok || ok && (mounted != tt.mounted || at != tt.at) {
			t.Errorf("%q: %q, %q, %v", tt.file, mounted, at, ok)
		}
	}
}

func TestBelow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		mounted, group, want string
		ok                   bool
	}{
		{"/", "/a/b", "/a/b", true},
		{"/a", "/a/b", "/b", true},
		{"/a", "/a", "", true},
		{"/a", "/ab", "", false},
		{"/", "/../b", "", false},
		{"/", "/b/..", "", false},
	} {
		if got, ok := budget.Below(tt.mounted, tt.group); got != tt.want && ok || ok != tt.ok {
			t.Errorf("%s below %s: %q, %v", tt.group, tt.mounted, got, ok)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{unified, hybrid, "0::/a\n", "1 2 3 4 5 6 7\n", "VmHWM:\t  12 kB\n", "VmHWM: 99999999999999999999 kB"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if r, s, err := budget.ParseStatm(p, 4096); err == nil && (r < 0 || s < 0) {
			t.Errorf("statm: %d, %d", r, s)
		}
		if n := budget.ParsePeak(p); n < 0 {
			t.Errorf("VmHWM: %d", n)
		}
		mounted, at, ok := budget.ParseMounts(p)
		if ok && (mounted[0] != '/' || at[0] != '/') {
			t.Errorf("mounts: %q, %q", mounted, at)
		}
		if group, ok := budget.ParseCgroup(p); ok {
			if rel, ok := budget.Below("/", group); ok && strings.HasPrefix(filepath.Join("/cgroup", rel), "/..") {
				t.Errorf("the group %q leaves the folder", group)
			}
		}
	})
}
