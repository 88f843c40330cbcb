//go:build linux

package install_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/packaging"
)

// exposure is the most that systemd-analyze may say of the unit, times ten; 0
// is a service that can do nothing, 100 one that can do everything.
const exposure = "35"

// directive returns the value of a line of the unit.
func directive(t *testing.T, name string) string {
	t.Helper()
	for l := range strings.Lines(packaging.AgentUnit) {
		if v, ok := strings.CutPrefix(l, name+"="); ok {
			return strings.TrimSpace(v)
		}
	}
	t.Fatalf("the unit has no %s", name)
	return ""
}

// TestUnit: systemd knows every line of the unit, and how exposed it is.
func TestUnit(t *testing.T) {
	t.Parallel()
	need(t, "systemd-analyze")
	// Verifying asks for the program, which is not installed here.
	unit := write(t, t.TempDir(), "tvilling-agent.service", []byte(strings.ReplaceAll(packaging.AgentUnit, "/usr/bin/tvilling-agent", "/bin/true")))
	out := output(t, "systemd-analyze", "verify", "--man=no", unit)
	// Systemd 254 knows these, and earlier ones ignore them: then the agent is
	// started again after 10 seconds each time.
	newer := regexp.MustCompile(`Unknown key.*'Restart(Steps|MaxDelaySec)'`)
	for l := range strings.Lines(out) {
		if strings.Contains(l, "tvilling-agent.service") && !newer.MatchString(l) {
			t.Errorf("systemd says: %s", l)
		}
	}
	path := write(t, t.TempDir(), "tvilling-agent.service", []byte(packaging.AgentUnit))
	cmd := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--no-pager", "--offline=yes", path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("this systemd-analyze cannot look at a file: %v: %s", err, out)
	}
	args := []string{"security", "--no-pager", "--offline=yes", "--threshold=" + exposure, path}
	if out, err := exec.CommandContext(t.Context(), "systemd-analyze", args...).CombinedOutput(); err != nil {
		t.Errorf("the unit is more exposed than it was: %v\n%s", err, out)
	}
}

// TestCapabilities: with the capabilities of the unit the agent sees what root
// sees, and without one of them less.
func TestCapabilities(t *testing.T) {
	t.Parallel()
	need(t, "setpriv")
	s := newSystem(t) // skips who may not
	write(t, s.shared, "agent.toml", nil)
	agent := program(t, "tvilling-agent")
	check := func(capabilities []string) string {
		t.Helper()
		var bounding strings.Builder
		bounding.WriteString("-all")
		for _, c := range capabilities {
			bounding.WriteString(",+" + strings.ToLower(strings.TrimPrefix(c, "CAP_")))
		}
		cmd := exec.CommandContext(t.Context(), "setpriv", "--bounding-set="+bounding.String(), "--inh-caps=-all", "--no-new-privs", agent,
			"check", "--offline", "--json", "--config", filepath.Join(s.shared, "agent.toml"))
		out, err := cmd.Output() // fails: there is no configuration
		if len(out) == 0 {
			t.Fatalf("with %v: %v", capabilities, err)
		}
		return collectors(t, out)
	}
	whole, err := exec.CommandContext(t.Context(), agent, "check", "--offline", "--json", "--config", filepath.Join(s.shared, "agent.toml")).Output()
	if len(whole) == 0 {
		t.Fatal(err)
	}
	root, all := collectors(t, whole), strings.Fields(directive(t, "CapabilityBoundingSet"))
	// Whether the kernel audits is told to who may also change it: where it does,
	// root knows one source of logins more.
	logins := regexp.MustCompile(`\{"name":"logins"[^}]*\}`)
	same := func(a, b string) bool {
		if strings.Contains(logins.FindString(b), "audit") {
			a, b = logins.ReplaceAllString(a, ""), logins.ReplaceAllString(b, "")
		}
		return a == b
	}
	if got := check(all); !same(got, root) {
		t.Errorf("with the unit's capabilities the agent sees\n%s\nand root sees\n%s", got, root)
	}
	if !strings.Contains(root, "ebpf") || !strings.Contains(root, "nftables") {
		t.Skipf("this kernel does not need what is taken away: %s", root)
	}
	for _, without := range []string{"CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"} {
		i := slices.Index(all, without)
		if i < 0 {
			t.Fatalf("the unit has no %s", without)
		}
		if got := check(slices.Delete(slices.Clone(all), i, i+1)); got == root || !strings.Contains(got, without) {
			t.Errorf("without %s the agent sees\n%s", without, got)
		}
	}
}

// collectors is what a report says of the collectors.
func collectors(t *testing.T, report []byte) string {
	t.Helper()
	var r struct {
		Collectors json.RawMessage `json:"collectors"`
	}
	if err := json.Unmarshal(report, &r); err != nil || len(r.Collectors) < 100 {
		t.Fatalf("%v: %s", err, report)
	}
	return string(r.Collectors)
}
