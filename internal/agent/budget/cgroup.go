package budget

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

const (
	// period is that of cpu.max in microseconds, the longest that is allowed: so
	// that short bursts go through as long as the share holds over a second.
	period = 1_000_000
	// leastQuota is the least that cpu.max takes, in microseconds.
	leastQuota = 1000
)

// enforce tells the kernel of the limits, when this process is alone in a
// control group (cgroup v2) whose limits it may write, as systemd gives one with
// Delegate=yes. It returns who enforces what, for people.
// https://docs.kernel.org/admin-guide/cgroup-v2.html
func enforce(root string, l Limits) string {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return "the agent itself: " + err.Error()
	}
	defer dir.Close()
	group, err := ownCgroup(dir)
	if err != nil {
		return "the agent itself: " + err.Error()
	}
	controllers, err := readIn(dir, path.Join(group, "cgroup.controllers"))
	if err != nil {
		return "the agent itself: the controllers of its control group cannot be read: " + reason(err)
	}
	has := strings.Fields(string(controllers))
	var done, missing []string
	note := func(what string, err error) {
		if err != nil {
			missing = append(missing, what+": "+reason(err))
			return
		}
		done = append(done, what)
	}
	no := errors.New("the control group has not that controller")
	if slices.Contains(has, "memory") {
		note("memory", limitMemory(dir, group, l.MemoryBytes))
	} else {
		note("memory", no)
	}
	if slices.Contains(has, "cpu") {
		note("cpu", limitCPU(dir, group, l.CPUPercent))
	} else {
		note("cpu", no)
	}
	switch {
	case len(done) == 0:
		return "the agent itself: " + strings.Join(missing, "; ")
	case len(missing) == 0:
		return "cgroup: " + strings.Join(done, ", ")
	}
	return "cgroup: " + strings.Join(done, ", ") + "; the agent itself: " + strings.Join(missing, "; ")
}

// limitMemory makes the kernel take pages back from the limit on, and end the
// agent a quarter above it.
func limitMemory(dir *os.Root, group string, limit int64) error {
	high, most := "max", "max"
	if limit > 0 {
		high, most = strconv.FormatInt(limit, 10), strconv.FormatInt(limit+limit/4, 10)
	}
	return errors.Join(write(dir, path.Join(group, "memory.high"), high), write(dir, path.Join(group, "memory.max"), most))
}

func limitCPU(dir *os.Root, group string, percent float64) error {
	quota := "max"
	if percent > 0 {
		quota = strconv.FormatInt(max(leastQuota, int64(percent/100*period)), 10)
	}
	return write(dir, path.Join(group, "cpu.max"), quota+" "+strconv.Itoa(period))
}

// ownCgroup is the folder of the control group that this process, and no other,
// is in; its error says why there is none. The limits of a group of several
// would be others' limits, too.
func ownCgroup(dir *os.Root) (string, error) {
	mounts, err := readIn(dir, "proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("the mounts cannot be read: %s", reason(err))
	}
	mounted, at, ok := parseMounts(mounts)
	if !ok {
		return "", errors.New("no cgroup v2 is mounted")
	}
	groups, err := readIn(dir, "proc/self/cgroup")
	if err != nil {
		return "", fmt.Errorf("its control group cannot be read: %s", reason(err))
	}
	group, ok := parseCgroup(groups)
	if !ok {
		return "", errors.New("it is in no control group of cgroup v2")
	}
	rel, ok := below(mounted, group)
	switch {
	case !ok:
		return "", errors.New("its control group is not below the one that is mounted")
	case group == "/":
		return "", errors.New("it is in the root control group, which has no limits")
	}
	at = path.Join(strings.TrimPrefix(at, "/"), rel)
	members, err := readIn(dir, path.Join(at, "cgroup.procs"))
	if err != nil {
		return "", fmt.Errorf("the processes of its control group cannot be read: %s", reason(err))
	}
	if n := bytes.Count(members, []byte("\n")); n != 1 {
		return "", fmt.Errorf("its control group has %d processes, so that limits would be for others, too", n)
	}
	return at, nil
}

// parseCgroup finds the path of cgroup v2 in /proc/PID/cgroup (cgroups(7)).
func parseCgroup(p []byte) (string, bool) {
	for line := range bytes.Lines(p) {
		if rest, ok := bytes.CutPrefix(line, []byte("0::/")); ok {
			return "/" + strings.TrimSuffix(string(rest), "\n"), true
		}
	}
	return "", false
}

// parseMounts finds the first mount of cgroup v2 in /proc/PID/mountinfo: the
// part of the hierarchy that is mounted, and where (proc_pid_mountinfo(5)).
func parseMounts(p []byte) (mounted, at string, ok bool) {
	for line := range bytes.Lines(p) {
		words := bytes.Fields(line)
		i := slices.IndexFunc(words, func(w []byte) bool { return len(w) == 1 && w[0] == '-' })
		if i < 6 || i+1 >= len(words) || string(words[i+1]) != "cgroup2" {
			continue
		}
		mounted, at = string(words[3]), string(words[4])
		if !strings.HasPrefix(mounted, "/") || !strings.HasPrefix(at, "/") || strings.Contains(at, `\`) {
			continue // blanks in the path are not worth the unquoting
		}
		return mounted, at, true
	}
	return "", "", false
}

// below is the path of group relative to the mounted part of the hierarchy.
func below(mounted, group string) (string, bool) {
	if slices.Contains(strings.Split(group, "/"), "..") {
		return "", false
	}
	if mounted == "/" {
		return group, true
	}
	rest, ok := strings.CutPrefix(group, mounted)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	return rest, true
}

func readIn(dir *os.Root, name string) ([]byte, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the file
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, fileLimit))
}

// write writes an existing file: the kernel has the files of a group, and one
// that is not there must not be made.
func write(dir *os.Root, name, value string) error {
	f, err := dir.OpenFile(name, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err //nolint:wrapcheck // it names the file
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// reason is an error in short, for a line of status.
func reason(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Base(e.Path) + ": " + e.Err.Error()
	}
	return err.Error()
}
