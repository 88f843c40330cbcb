package detection

import (
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// LocalLoginFailed finds refused logins at the device itself.
func LocalLoginFailed() detect.Stateful {
	return &localLogin{result: failed, info: &detect.Info{
		ID: "local-login-failed", Type: "IoT_FailedLocalLogin", Title: "Failed local login", Severity: ledger.Medium,
		Description: "Somebody tried to log in at the device itself, at its console, screen or over its own loopback address, and was refused. Changes of user (su, sudo), scheduled jobs and screen locks do not count.",
		Version:     "1", Source: detect.Builtin,
		Remediation: []string{
			"Find out who was at the device at that time.",
			"If nobody should have been, check the device's place, its console ports and its case for tampering.",
			"Switch off console logins that nobody needs.",
		},
		Techniques: []string{"T1110", "T1078.003"}, Tactics: []string{"Credential Access", "Initial Access"},
		FalsePositives: []string{"Maintenance staff mistyping a password."},
	}}
}
