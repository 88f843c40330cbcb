package settings

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
	"github.com/tvilling/tvilling/internal/hub/health"
	"github.com/tvilling/tvilling/internal/security/onboard"
)

// state is the page of how the hub is.
type state struct {
	Nav   web.SettingsNav
	Facts health.Facts
	// Faults are what is wrong, each with the page that says more.
	Faults []fault
	May    bool

	Settings   onboard.Settings
	Adoption   onboard.Progress
	Desired    string
	Tags       string
	Wrong      error
	WrongField string
}

type fault struct {
	health.Fault

	Href string
}

func (a *area) health(c *web.Call) error { return a.hub(c, a.state(c), 0) }

func (a *area) hub(c *web.Call, s *state, status int) error {
	v := view("Settings", "health", s)
	v.Live, v.Status = ui.URL("live", "settings"), status
	return c.Page(v)
}

func (a *area) healthLive(c *web.Call) error {
	return a.stream(c, "health", "figures", func(context.Context) (any, error) { return a.state(c), nil })
}

func (a *area) state(c *web.Call) *state {
	s := &state{Nav: c.SettingsNav("hub"), May: c.May(account.Admin), Settings: a.Hub.Current(), Adoption: a.Hub.Progress()}
	var faults []health.Fault
	s.Facts, faults = a.Health()
	for _, f := range faults {
		s.Faults = append(s.Faults, fault{f, page(f.About)})
	}
	s.Desired, s.Tags = string(s.Settings.SecurityModule.Desired), string(s.Settings.SecurityModule.Tags)
	return s
}

// page is the address that says more about a fault; "" for none.
func page(about string) string {
	kind, _, _ := strings.Cut(about, ":")
	switch kind {
	case "disk", "storage":
		return ui.URL("settings", "storage")
	case "sink":
		return ui.URL("settings", "sinks")
	case "certificate":
		return ui.URL("settings", "certificates")
	case "detections":
		return ui.URL("settings", "detections")
	case "deadletters":
		return ui.URL("settings", "deadletters")
	default:
		return ""
	}
}

// Uptime is how long the hub has run.
func (s *state) Uptime() time.Duration { return s.Facts.Time.Sub(s.Facts.Started) }

// Old reports whether no figures have been taken yet.
func (s *state) Old() bool { return s.Facts.Time.IsZero() }

// refusal is a reason for which connections were turned away.
type refusal struct {
	Reason string
	N      int64
}

// Refusals are the connections that were turned away, by reason.
func (s *state) Refusals() (list []refusal) {
	for _, reason := range slices.Sorted(maps.Keys(s.Facts.Sessions.Refused)) {
		list = append(list, refusal{strings.ReplaceAll(reason, "_", " "), s.Facts.Sessions.Refused[reason]})
	}
	return list
}

// change sets what can be switched while the hub runs.
func (a *area) change(c *web.Call) error {
	next := a.Hub.Current()
	next.GuardSecurityTwin, next.HideModuleKeys = c.Form("guard") != "", c.Form("hide") != ""
	next.SecurityModule.Enabled = c.Form("module") != ""
	s := a.state(c)
	s.Settings, s.Desired, s.Tags = next, c.Raw("desired"), c.Raw("tags")
	for field, into := range map[string]*json.RawMessage{"desired": &next.SecurityModule.Desired, "tags": &next.SecurityModule.Tags} {
		text := strings.TrimSpace(c.Raw(field))
		if text == "" {
			*into = nil
			continue
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &object); err != nil {
			s.WrongField, s.Wrong = field, tvilling.Errorf(tvilling.InvalidArgument, "This is not a JSON object (%s).", err)
			return a.hub(c, s, http.StatusBadRequest)
		}
		*into = json.RawMessage(text)
	}
	if err := a.Hub.Change(c.Context(), next, c.Actor()); err != nil {
		if tvilling.CodeOf(err) == tvilling.Internal || tvilling.CodeOf(err) == tvilling.Unavailable {
			return err
		}
		s.WrongField, s.Wrong = "desired", err
		return a.hub(c, s, http.StatusBadRequest)
	}
	return c.Redirect(ui.URL("settings"), "The settings are changed and in force.")
}

// Problem is what is wrong with a field.
func (s *state) Problem(field string) any {
	if s.WrongField != field {
		return web.Problem(nil)
	}
	return web.Problem(s.Wrong)
}
