//go:build linux

package collect_test

import (
	"context"
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

// newNetwork puts the test's thread into a network namespace of its own, for good:
// the thread ends with the test. It skips if that is not allowed.
func newNetwork(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a network namespace")
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("no network namespace here: %v", err)
	}
}

// runTool runs a program in the test's network namespace. It skips if the
// program is not there or the kernel does not take what it asks for: its input
// is known to be right.
func runTool(t *testing.T, input string, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("%s %s does not work here: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// firewallLine is an item in a line, as the files in testdata have them.
func firewallLine(it event.Item) string {
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

func firewallLines(items []event.Item) string {
	var b strings.Builder
	for _, it := range items {
		b.WriteString(firewallLine(it) + "\n")
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
			newNetwork(t)
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			// The first line of each part says which tool takes it.
			for part := range strings.SplitSeq(string(b), "#!") {
				command, input, _ := strings.Cut(part, "\n")
				if f := strings.Fields(command); len(f) > 0 {
					runTool(t, input, f[0], f[1:]...)
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
			readable(t, event.FirewallConfigurationKind, items)
			golden := strings.TrimSuffix(name, ".rules") + ".items"
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(golden, []byte(firewallLines(items)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), firewallLines(items)); d != "" {
				t.Error(d)
			}
			if os.Getenv("UPDATE") != "" && filepath.Base(name) == "legacy.rules" {
				for file, six := range map[string]bool{"legacy.ip.table": false, "legacy.ip6.table": true} {
					info, entries, err := collect.XTTable(six)
					if err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile("testdata/firewall/"+file, append(info, entries...), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

// TestFirewallUnread says what is missing when the rules may not be read.
func TestFirewallUnread(t *testing.T) {
	newNetwork(t)
	// Of this thread alone, which ends with the test.
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if err := unix.Capset(&hdr, &caps[0]); err != nil {
		t.Fatal(err)
	}
	f := collect.NewFirewall(os.DirFS("/"))
	if s := f.Sight(); s.Extent != collect.Nothing || !strings.Contains(s.Why, "CAP_NET_ADMIN") || s.Remedy == "" {
		t.Errorf("sight %+v", s)
	}
	if items, err := f.Take(t.Context()); err == nil {
		t.Errorf("got %d items and no error", len(items))
	}
}

// TestFirewallManyRules reads more rules and elements than are told.
func TestFirewallManyRules(t *testing.T) {
	newNetwork(t)
	var b strings.Builder
	b.WriteString("table ip t {\nset big { type ipv4_addr; elements = { ")
	for i := range 5000 {
		fmt.Fprintf(&b, "10.0.%d.%d,", i/250, i%250)
	}
	b.WriteString(" } }\nchain c {\n type filter hook input priority 0\n ip saddr @big accept\n")
	for i := range 3000 {
		fmt.Fprintf(&b, "tcp dport %d accept\n", i+1)
	}
	b.WriteString("drop\n}\nchain o {\n type filter hook output priority 0\n accept\n drop\n}\n}\n")
	runTool(t, b.String(), "nft", "-f", "-")
	items, err := collect.NewFirewall(os.DirFS("/")).Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	readable(t, event.FirewallConfigurationKind, items)
	first, n := items[0].(*event.FirewallConfiguration), len(items)
	if got := strings.Count(first.SourceAddress, ",") + 1; got != 256 {
		t.Errorf("%d elements are told", got)
	}
	if more, _ := first.Extra.Get("More"); more != "…and 4744 more of source address" {
		t.Errorf("of the others it says %q", more)
	}
	want := `ip t c 2000 Deny dir=In | Family: ip
ip t c 2001 Allow dir=In | Family: ip | Hook: input | Backend: nftables
ip t o 1 Deny dir=Out | Family: ip
ip t o 2 Allow dir=Out | Family: ip | Hook: output | Backend: nftables
 0 Other | More: 1003 more rules are not told
`
	if d := cmp.Diff(want, firewallLines(items[n-5:])); d != "" || n > collect.FirewallLimit+10 {
		t.Errorf("%d items, the last ones:\n%s", n, d)
	}
}

// TestFirewallChanges hears that rules change.
func TestFirewallChanges(t *testing.T) {
	newNetwork(t)
	ctx, cancel := context.WithCancel(t.Context())
	told, done := make(chan struct{}, 1), make(chan error, 1)
	ready := make(chan struct{})
	// The socket belongs to the namespace of the thread that opens it.
	ns, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	go func() {
		runtime.LockOSThread()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		close(ready)
		done <- collect.FirewallChanges(ctx, func() {
			select {
			case told <- struct{}{}:
			default:
			}
		})
	}()
	<-ready
	for i := 0; ; i++ { // until it listens
		runTool(t, fmt.Sprintf("add table ip t%d\n", i), "nft", "-f", "-")
		select {
		case <-told:
		case err := <-done:
			t.Fatalf("it ended: %v", err)
		case <-t.Context().Done():
			t.Fatal("it was never told")
		default:
			if i < 1000 {
				continue
			}
			t.Fatal("it was never told")
		}
		break
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// BenchmarkFirewall reads the rules of a device with ufw.
func BenchmarkFirewall(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Skip("needs root")
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		b.Skip(err)
	}
	rules, err := os.ReadFile("testdata/firewall/nft.rules")
	if err != nil {
		b.Fatal(err)
	}
	_, input, _ := strings.Cut(string(rules), "\n")
	cmd := exec.CommandContext(b.Context(), "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(input)
	if err := cmd.Run(); err != nil {
		b.Skip(err)
	}
	f := collect.NewFirewall(os.DirFS("/"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Take(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
