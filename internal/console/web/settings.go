package web

import "github.com/tvilling/tvilling/internal/hub/account"

// SettingsNav is what the template "settingsnav" takes: the pages of the
// settings, with the one that is open.
type SettingsNav struct {
	// Current is "hub", "storage", "certificates", "detections", "sinks",
	// "deadletters", "users", "policies" or "audit".
	Current string
	// Admin says that the reader may see what only an admin may.
	Admin bool
}

// SettingsNav returns the pages of the settings for whoever asks.
func (c *Call) SettingsNav(current string) SettingsNav {
	return SettingsNav{Current: current, Admin: c.May(account.Admin)}
}
