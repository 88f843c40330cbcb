package alerts

import (
	"strings"

	"github.com/tvilling/tvilling/internal/security/alert"
)

// techniques are the names of MITRE ATT&CK for what the hub's detections find.
var techniques = map[string]string{
	"T1059": "Command and scripting interpreter", "T1059.004": "Unix shell",
	"T1070": "Indicator removal", "T1070.003": "Clear command history", "T1070.009": "Clear persistence",
	"T1071": "Application layer protocol", "T1078": "Valid accounts", "T1078.003": "Local accounts", "T1090": "Proxy",
	"T1098": "Account manipulation", "T1098.007": "Additional local or domain groups", "T1105": "Ingress tool transfer", "T1110": "Brute force",
	"T1136": "Create account", "T1136.001": "Local account", "T1204": "User execution", "T1204.002": "Malicious file",
	"T1496": "Resource hijacking", "T1496.001": "Compute hijacking", "T1505": "Server software component", "T1505.003": "Web shell",
	"T1531": "Account access removal", "T1562": "Impair defenses", "T1562.001": "Disable or modify tools",
	"T1562.004": "Disable or modify system firewall", "T1562.012": "Disable or modify Linux audit system", "T1572": "Protocol tunneling",
}

// technique is one of an adversary, with its name where it is known here.
type technique struct{ ID, Name, Link string }

func techniquesOf(list []alert.Technique) []technique {
	out := make([]technique, 0, len(list))
	for _, t := range list {
		name := techniques[t.ID]
		if parent, _, sub := strings.Cut(t.ID, "."); name == "" && sub {
			name = techniques[parent]
		}
		out = append(out, technique{ID: t.ID, Name: name, Link: t.Link})
	}
	return out
}
