package detection

import (
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// LocalLoginSucceeded finds logins at the device itself. The type is spelled
// as the original spells it.
func LocalLoginSucceeded() detect.Stateful {
	return &localLogin{result: succeeded, info: &detect.Info{
		ID: "local-login-succeeded", Type: "IoT_SucessfulLocalLogin", Title: "Successful local login", Severity: ledger.High,
		Description: "Somebody logged in at the device itself, at its console, screen or over its own loopback address. On a device in the field that means access to its place. Changes of user (su, sudo), scheduled jobs and screen locks do not count.",
		Version:     "1", Source: detect.Builtin,
		Remediation: []string{
			"Confirm with the user named that the login was theirs and was planned.",
			"If not, treat the device as compromised: take it off the network, change its credentials, check it for tampering.",
			"Switch off console logins that nobody needs.",
		},
		Techniques: []string{"T1078.003"}, Tactics: []string{"Initial Access", "Persistence"},
		FalsePositives: []string{"Planned maintenance at the device.", "A kiosk that logs its user in by itself at each start."},
	}}
}
