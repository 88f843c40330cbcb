package baseline

import (
	"bytes"
	"path"
	"strconv"
	"strings"
)

// process is one that runs.
type process struct {
	pid int
	// program is the path of its file. Kernel threads have none, and are left
	// out; of others' processes it is "" for those without the right to see it.
	program string
	// applet is BusyBox's, from the first argument.
	applet string
	// comm is the kernel's name of a process without program, of 15 bytes at most.
	comm string
}

// processList is what runs.
type processList struct {
	all []process
	// units are the last parts of control groups: systemd's names of services.
	units map[string]struct{}
	err   error
}

const maxProcesses = 1 << 15

// processList reads /proc, once in a run.
func (r *run) processList() *processList {
	if r.processes != nil {
		return r.processes
	}
	l := &processList{units: map[string]struct{}{}}
	r.processes = l
	names, err := r.tree.list("/proc")
	if err != nil {
		l.err = err
		return l
	}
	for _, n := range names {
		pid, err := strconv.Atoi(n)
		if err != nil {
			continue
		}
		if len(l.all) >= maxProcesses {
			break
		}
		dir := path.Join("/proc", n)
		exe, err := r.tree.readlink(dir + "/exe")
		if gone(err) {
			continue
		}
		p := process{pid: pid, program: strings.TrimSuffix(exe, " (deleted)")}
		if err != nil {
			comm, _, err := r.tree.read(dir + "/comm")
			if err != nil {
				continue // it is gone
			}
			p.comm = strings.TrimSpace(string(comm))
		} else if strings.HasPrefix(path.Base(p.program), "busybox") {
			p.applet = path.Base(firstArg(r.commandLine(pid)))
		}
		l.all = append(l.all, p)
		r.addUnits(l, dir)
	}
	return l
}

// addUnits notes the services that a process belongs to.
func (r *run) addUnits(l *processList, dir string) {
	data, _, err := r.tree.read(dir + "/cgroup")
	if err != nil {
		return // it is gone, or there are no control groups
	}
	for _, line := range lines(data, "") {
		for part := range strings.SplitSeq(line, "/") {
			if strings.HasSuffix(part, ".service") {
				l.units[part] = struct{}{}
			}
		}
	}
}

// commandLine returns the arguments of a process, each ended by a NUL.
func (r *run) commandLine(pid int) []byte {
	data, _, err := r.tree.read(path.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return nil // it is gone
	}
	return data
}

// firstArg returns the first argument; of "busybox telnetd" the second.
func firstArg(args []byte) string {
	first, rest, _ := bytes.Cut(args, []byte{0})
	if strings.HasPrefix(path.Base(string(first)), "busybox") && len(rest) > 0 {
		first, _, _ = bytes.Cut(rest, []byte{0})
	}
	return strings.TrimPrefix(string(first), "-")
}

// is says whether a process runs a program of a name.
func (p *process) is(pattern string) bool {
	if p.program == "" {
		const most = 15
		return match(pattern, p.comm) || len(pattern) > most && pattern[:most] == p.comm
	}
	return match(pattern, path.Base(p.program)) || p.applet != "" && match(pattern, p.applet)
}

func (t *ProcessTest) eval(r *run) outcome {
	l := r.processList()
	if l.err != nil {
		return unreadable(l.err)
	}
	for _, n := range t.Names {
		for i := range l.all {
			p := &l.all[i]
			if !p.is(n) {
				continue
			}
			if t.args != nil {
				args := bytes.ReplaceAll(bytes.TrimRight(r.commandLine(p.pid), "\x00"), []byte{0}, []byte{' '})
				if !t.args.Match(args) {
					continue
				}
			}
			// Arguments may hold secrets, so that they are not told.
			return when(*t.Running, "%s runs (process %d)", n, p.pid)
		}
	}
	return when(!*t.Running, "%s does not run", strings.Join(t.Names, " or "))
}
