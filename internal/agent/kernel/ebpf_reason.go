//go:build linux

package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// unavailable is a Reason on its way up as an error.
type unavailable struct{ reason Reason }

func (u *unavailable) Error() string { return u.reason.Why }

func reasonf(remedy, why string, args ...any) error {
	return &unavailable{Reason{Source: "ebpf", Why: fmt.Sprintf(why, args...), Remedy: remedy}}
}

// refusal is what a call of bpf(2) that the kernel refused means; of errors
// that are no refusals, the error itself.
func refusal(what string, err error) error {
	switch {
	case errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES):
		return reasonf("Allow bpf(2) to the agent, in its container's seccomp profile and the system's security policy.", "The system forbids to %s for eBPF.", what)
	case errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP):
		return reasonf("Use Linux 5.8 or newer with CONFIG_BPF_SYSCALL and CONFIG_BPF_EVENTS.", "The kernel cannot %s for eBPF: %v.", what, err)
	case errors.Is(err, unix.ENOMEM):
		return reasonf("Give the agent more memory.", "There is no memory to %s for eBPF.", what)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// ebpfForbidden says what of the system, rather than of the kernel's build,
// forbids the programs.
func ebpfForbidden() *Reason {
	caps := effectiveCapabilities()
	may := func(c uint) bool { return caps>>c&1 != 0 }
	switch {
	case !may(unix.CAP_SYS_ADMIN) && !may(unix.CAP_BPF):
		return &Reason{"ebpf", "The agent has not the capability CAP_BPF.", "Run it as root, or with CAP_BPF and CAP_PERFMON."}
	case !may(unix.CAP_SYS_ADMIN) && !may(unix.CAP_PERFMON):
		return &Reason{"ebpf", "The agent has not the capability CAP_PERFMON.", "Run it as root, or with CAP_BPF and CAP_PERFMON."}
	case ownPIDNamespace():
		return &Reason{"ebpf", "The agent runs in a PID namespace of its own, where processes have other numbers than in the kernel.", "Run its container with the host's PID namespace (--pid=host)."}
	case lockedDown():
		return &Reason{"ebpf", "Kernel lockdown is in confidentiality mode, so that programs may not read the kernel's memory.", "Start the kernel with lockdown=integrity or without lockdown."}
	}
	return nil
}

// effectiveCapabilities is the set of this thread, none if it cannot be had.
func effectiveCapabilities() uint64 {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		return 0
	}
	return uint64(data[1].Effective)<<32 | uint64(data[0].Effective)
}

// initialPIDNamespace is PROC_PID_INIT_INO of include/linux/proc_ns.h.
const initialPIDNamespace = "pid:[4026531836]"

func ownPIDNamespace() bool {
	name, err := os.Readlink("/proc/self/ns/pid")
	return err == nil && name != initialPIDNamespace
}

func lockedDown() bool {
	p, err := os.ReadFile("/sys/kernel/security/lockdown")
	return err == nil && bytes.Contains(p, []byte("[confidentiality]"))
}

// btfPath is the kernel's description of its own types.
const btfPath = "/sys/kernel/btf/vmlinux"

// kernelLayout finds the structures of this kernel that the options need.
func kernelLayout(o EBPFOptions) (fields, *Reason) {
	const remedy = "Use Linux 5.8 or newer, built with CONFIG_DEBUG_INFO_BTF."
	f, err := os.Open(btfPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Reason{"ebpf", "The kernel has no description of its types (" + btfPath + ").", remedy}
	}
	if err != nil {
		return nil, &Reason{"ebpf", "The kernel's description of its types cannot be read: " + err.Error() + ".", "Let the agent read " + btfPath + "."}
	}
	defer f.Close()
	need := []string{}
	if o.Processes {
		need = append(need, taskFields...)
	}
	if o.Connections {
		need = append(need, socketFields...)
	}
	found, err := readBTF(f, slices.Concat(need, optionalFields))
	if err != nil {
		return nil, &Reason{"ebpf", "The kernel's description of its types is not understood: " + err.Error() + ".", remedy}
	}
	if missing := unusable(found, need); len(missing) > 0 {
		return nil, &Reason{"ebpf", "The kernel's structures have no " + strings.Join(missing, ", ") + " as expected.", "Use another kernel, and report this."}
	}
	return found, nil
}

// unusable are the members that are missing, or not of the size that the
// programs read.
func unusable(found fields, need []string) []string {
	var missing []string
	for _, name := range need {
		f, ok := found[name]
		switch size := f.size; name {
		case "task_struct.pid", "task_struct.tgid", "task_struct.flags", "task_struct.exit_code",
			"signal_struct.live", "signal_struct.flags", "signal_struct.group_exit_code",
			"sock_common.skc_daddr", "sock_common.skc_rcv_saddr":
			ok = ok && size == 4
		case "sock_common.skc_family", "sock_common.skc_dport", "inet_sock.inet_sport":
			ok = ok && size == 2
		case "sock.sk_protocol":
			ok = ok && (size == 1 || size == 2)
		}
		if !ok {
			missing = append(missing, name)
		}
	}
	if size := found[longSize].size; size != 4 && size != 8 {
		missing = append(missing, longSize)
	}
	return missing
}
