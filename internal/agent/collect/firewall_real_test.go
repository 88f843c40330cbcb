//go:build linux

package collect_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/tvilling/tvilling/internal/agent/collect"
	"github.com/tvilling/tvilling/internal/security/event"
)

// network puts the test's thread into a network namespace of its own, for good:
// the thread ends with the test. It skips if that is not allowed.
func network(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a network namespace")
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("no network namespace here: %v", err)
	}
}

// tool runs a program in the test's network namespace.
func tool(t *testing.T, input string, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// line is an item in a line, as the files in testdata have them.
func line(it event.Item) string {
	f := it.(*event.FirewallConfiguration)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d %s", f.ChainName, f.Priority, f.Action)
	for _, p := range [][2]string{
		{"dir", f.Direction}, {"from", f.SourceAddress}, {"sport", f.SourcePort}, {"to", f.DestinationAddress}, {"dport", f.DestinationPort}, {"proto", f.Protocol},
	} {
		if p[1] != "" {
			fmt.Fprintf(&b, " %s=%s", p[0], p[1])
		}
	}
	if !f.Enabled {
		b.WriteString(" off")
	}
	for _, d := range f.Extra {
		fmt.Fprintf(&b, " | %s: %s", d.Name, d.Value)
	}
	return b.String()
}

func lines(items []event.Item) string {
	var b strings.Builder
	for _, it := range items {
		b.WriteString(line(it) + "\n")
	}
	return b.String()
}

// TestFirewallReal makes rules with the tools that people use and compares
// what the kernel then has with what was meant: testdata/firewall has the input
// of each tool and, in a file beside it, the items.
func TestFirewallReal(t *testing.T) {
	inputs, err := filepath.Glob("testdata/firewall/*.rules")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no rules: %v", err)
	}
	for _, name := range inputs {
		t.Run(filepath.Base(name), func(t *testing.T) {
			network(t)
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			// The first line of each part says which tool takes it.
			for part := range strings.SplitSeq(string(b), "#!") {
				command, input, _ := strings.Cut(part, "\n")
				if f := strings.Fields(command); len(f) > 0 {
					tool(t, input, f[0], f[1:]...)
				}
			}
			f := collect.NewFirewall(os.DirFS("/"))
			if s := f.Sight(); s.Extent != collect.Full {
				t.Errorf("sight %+v", s)
			}
			items, err := f.Take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(name, ".rules") + ".items"
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(golden, []byte(lines(items)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), lines(items)); d != "" {
				t.Error(d)
			}
		})
	}
}
