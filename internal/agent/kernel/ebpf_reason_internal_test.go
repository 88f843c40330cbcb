//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// openWith opens a source in a thread that has only some capabilities.
func openWith(capabilities ...uint) (*Reason, error) {
	type result struct {
		reason *Reason
		err    error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		for _, c := range capabilities {
			data[c/32].Effective |= 1 << (c % 32)
			data[c/32].Permitted |= 1 << (c % 32)
		}
		if err := unix.Capset(&head, &data[0]); err != nil {
			done <- result{err: fmt.Errorf("set capabilities: %w", err)}
			return
		}
		src, reason, err := OpenEBPF(EBPFOptions{Processes: true, Connections: true})
		if src != nil {
			err = errors.Join(err, src.Close())
		}
		done <- result{reason, err}
	}()
	r := <-done
	return r.reason, r.err
}

func TestEBPFNeedsFewRights(t *testing.T) {
	t.Parallel()
	if effectiveCapabilities()>>unix.CAP_SYS_ADMIN&1 == 0 {
		t.Skip("it takes root to drop capabilities")
	}
	observe(t, EBPFOptions{Processes: true}) // skips where it cannot be had at all
	for _, tt := range []struct {
		have []uint
		want string
	}{
		{nil, "CAP_BPF"},
		{[]uint{unix.CAP_PERFMON, unix.CAP_NET_ADMIN}, "CAP_BPF"},
		{[]uint{unix.CAP_BPF}, "CAP_PERFMON"},
		{[]uint{unix.CAP_BPF, unix.CAP_PERFMON}, ""},
		{[]uint{unix.CAP_SYS_ADMIN}, ""},
	} {
		reason, err := openWith(tt.have...)
		switch {
		case err != nil:
			t.Errorf("%v: %v", tt.have, err)
		case tt.want == "" && reason != nil:
			t.Errorf("%v: %+v", tt.have, reason)
		case tt.want != "" && (reason == nil || !strings.Contains(reason.Why, tt.want) || reason.Remedy == "" || reason.Source != "ebpf"):
			t.Errorf("%v: %+v, want one of %s", tt.have, reason, tt.want)
		}
	}
}

// layoutForTest is this kernel's, and maps for programs.
func layoutForTest(t *testing.T) (fields, *ebpfSource, mapFDs) {
	t.Helper()
	both := EBPFOptions{Processes: true, Connections: true, RingBytes: 1 << 16}
	if reason := ebpfForbidden(); reason != nil {
		t.Skip(reason.Why)
	}
	layout, reason := kernelLayout(both)
	if reason != nil {
		t.Skip(reason.Why)
	}
	s := &ebpfSource{}
	m, err := s.makeMaps(both, layout)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), unix.Close(m.lost), unix.Close(m.scratch), unix.Close(m.pending)); err != nil {
			t.Error(err)
		}
	})
	return layout, s, m
}

// The verifier also accepts the programs as they are for other kernels.
func TestEBPFProgramsOfOtherKernels(t *testing.T) {
	t.Parallel()
	layout, _, m := layoutForTest(t)
	old := maps.Clone(layout)
	old["sock.sk_protocol"] = field{offset: 513, size: 1}
	delete(old, "sock_common.skc_v6_daddr")
	delete(old, "sock_common.skc_v6_rcv_saddr")
	for _, b := range []builder{
		{fields: layout, pointer: asm.Word}, // of 32 bits
		{fields: old, pointer: asm.DWord},   // before Linux 5.6, without IPv6
	} {
		for _, p := range tracepoints {
			b := b
			b.maps = m
			p.write(&b)
			code, err := b.finish()
			if err != nil {
				t.Fatal(err)
			}
			fd, log, err := loadProgram(code)
			if err != nil {
				t.Errorf("%s: %v\n%s", p.name, err, log)
				continue
			}
			if err := unix.Close(fd); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestEBPFGivesReasons(t *testing.T) {
	t.Parallel()
	layout, s, m := layoutForTest(t)
	for _, tt := range []struct {
		point tracepoint
		want  string
	}{
		{tracepoint{name: "no_such_thing", write: (*builder).fork}, "has no tracepoint no_such_thing"},
		{tracepoint{name: "sched_process_fork", write: func(b *builder) { b.emit(asm.Mov.Reg(asm.R2, asm.R9)) }}, "R9 !read_ok"},
	} {
		err := s.attach(tt.point, &builder{fields: layout, pointer: asm.DWord, maps: m})
		no, ok := errors.AsType[*unavailable](err)
		if !ok || !strings.Contains(no.reason.Why, tt.want) || no.reason.Remedy == "" {
			t.Errorf("%s: %v, want a reason with %q", tt.point.name, err, tt.want)
		}
	}
}

func TestUnusable(t *testing.T) {
	t.Parallel()
	found := fields{
		longSize: {size: 8}, "task_struct.pid": {0, 4}, "task_struct.mm": {8, 0}, "sock.sk_protocol": {16, 1},
		"sock_common.skc_dport": {18, 2}, "signal_struct.live": {20, 8},
	}
	need := []string{"task_struct.pid", "task_struct.mm", "sock.sk_protocol", "sock_common.skc_dport"}
	if got := unusable(found, need); got != nil {
		t.Errorf("%v are not usable", got)
	}
	need = append(need, "signal_struct.live", "task_struct.signal")
	if got, want := unusable(found, need), []string{"signal_struct.live", "task_struct.signal"}; !slices.Equal(got, want) {
		t.Errorf("%v are not usable, want %v", got, want)
	}
	if got, want := unusable(fields{}, nil), []string{longSize}; !slices.Equal(got, want) {
		t.Errorf("%v are not usable, want %v", got, want)
	}
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		unix.EPERM: true, unix.EACCES: true, unix.ENOSYS: true, unix.EINVAL: true, unix.ENOMEM: true,
		unix.EMFILE: false, unix.EBADF: false, unix.EFAULT: false,
	} {
		got := refusal("make a map", fmt.Errorf("more: %w", err))
		if _, ok := errors.AsType[*unavailable](got); ok != want || !ok && !errors.Is(got, err) {
			t.Errorf("%v is %#v", err, got)
		}
	}
}

func TestLastLine(t *testing.T) {
	t.Parallel()
	for log, want := range map[string]string{
		"": "",
		"0: R1=ctx() R10=fp0\n0: (bf) r2 = r9\nR9 !read_ok\nprocessed 1 insns (limit 1000000)\n": "R9 !read_ok",
		"unknown func bpf_x#999\nverification time 12 usec\nstack depth 0\nprocessed 3 insns":    "unknown func bpf_x#999",
	} {
		if got := lastLine(log); got != want {
			t.Errorf("%q ends with %q, want %q", log, got, want)
		}
	}
}
