package configurations

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/hub/configuration"
)

// standing is how far a configuration has come, with its figures.
type standing struct {
	configuration.Configuration
	configuration.Progress

	Metrics configuration.Metrics
	// Unknown says why there are no figures; "" if there are.
	Unknown string
	Notices []configuration.Notice
	// Etag is that of the definition.
	Etag tvilling.ETag
	// Agent says that all it sets is the security agent's configuration.
	Agent bool
	// Values are what it sets, in order.
	Values []value
}

// figuresTime is how long a page waits for what is counted; what takes longer
// is counted nevertheless, and comes a moment later.
const figuresTime = 40 * time.Millisecond

func (a *area) standing(ctx context.Context, c configuration.Configuration) (*standing, error) {
	p, err := a.Service.Progress(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	s := &standing{Configuration: c, Progress: p, Etag: c.ETag(), Values: values(c.Content), Agent: isAgent(&c)}
	s.Metrics, err = a.Service.Metrics(ctx, c.ID)
	switch {
	case err == nil:
	case ctx.Err() != nil || tvilling.CodeOf(err) == tvilling.Unavailable:
		s.Unknown = "being counted"
	default:
		s.Unknown = tvilling.MessageOf(err)
	}
	return s, nil
}

// ID is the id of the configuration, which both its parts have.
func (s *standing) ID() string { return s.Configuration.ID }

// Changed is when the state last changed, or the definition was made.
func (s *standing) Changed() time.Time {
	if s.Progress.Updated.IsZero() || s.Progress.Updated.Year() <= 1 {
		return s.Configuration.Updated
	}
	return s.Progress.Updated
}

// Modules says that it is for the twins of modules.
func (s *standing) Modules() bool { return s.Configuration.Kind() == configuration.Modules }

// KindText says whose twins it writes.
func (s *standing) KindText() string {
	switch {
	case s.Agent:
		return "Security agents"
	case s.Modules():
		return "Modules"
	default:
		return "Devices"
	}
}

// Noun is what it is written to.
func (s *standing) Noun() string {
	if s.Modules() {
		return "module twin"
	}
	return "device twin"
}

// Pending is how many targeted twins do not have it yet.
func (s *standing) Pending() int64 { return max(0, s.Metrics.Targeted-s.Metrics.Applied) }

// StateText is the state in words.
func (s *standing) StateText() string { return stateWords[s.Progress.State].word }

// StateIcon is the glyph of the state.
func (s *standing) StateIcon() string { return stateWords[s.Progress.State].icon }

// StateClass is the colour of the state: what stopped by itself is the only
// thing that asks for somebody.
func (s *standing) StateClass() string { return stateWords[s.Progress.State].class }

// stateWords are the states of configurations, in the order of how much they
// ask for somebody.
var stateWords = map[configuration.State]struct {
	word, icon, class string
	rank              int
}{
	configuration.Halted:      {"Halted", "atrisk", "atrisk", 0},
	configuration.RollingBack: {"Rolling back", "atrisk", "atrisk", 1},
	configuration.RolledBack:  {"Rolled back", "atrisk", "atrisk", 2},
	configuration.Applying:    {"Applying", "on", "plain", 3},
	configuration.Waiting:     {"Waiting", "off", "plain", 4},
	configuration.Paused:      {"Paused", "none", "plain", 5},
	configuration.Applied:     {"Applied", "healthy", "healthy", 6},
}

// Rank is how much the state asks for somebody, the least number the most.
func (s *standing) Rank() int {
	rank := stateWords[s.Progress.State].rank
	if s.Progress.Blocked > 0 || s.Progress.Damped > 0 {
		rank = min(rank, 2)
	}
	return rank
}

// Settled says that it goes no further by itself.
func (s *standing) Settled() bool {
	switch s.Progress.State {
	case configuration.Applied, configuration.Paused, configuration.Halted, configuration.RolledBack:
		return true
	default:
		return false
	}
}

// found is the address of the list of twins that a condition finds.
func (s *standing) found(condition string) string {
	if s.Modules() {
		return ui.URL("query", url.Values{"q": {"SELECT deviceId, moduleId FROM devices.modules WHERE " + condition}})
	}
	if condition == "*" {
		return ui.URL("devices")
	}
	return ui.URL("devices", url.Values{"q": {condition}})
}

// TargetHref lists the twins that the target condition finds.
func (s *standing) TargetHref() string { return s.found(s.Where()) }

// AppliedHref lists those that have it, PendingHref those that do not yet.
func (s *standing) AppliedHref() string { return s.found(s.mark() + " = 'Applied'") }

// PendingHref lists the targeted twins that do not have it.
func (s *standing) PendingHref() string {
	not := "NOT (" + s.mark() + " = 'Applied')"
	if w := s.Where(); w != "*" {
		return s.found("(" + w + ") AND " + not)
	}
	return s.found(not)
}

// UnhealthyHref lists the twins that have it and are unhealthy.
func (s *standing) UnhealthyHref() string {
	if s.Configuration.Rollout == nil || s.Configuration.Rollout.Unhealthy == "" {
		return ""
	}
	condition := conditionOf(s.Configuration.Rollout.Unhealthy)
	return s.found(s.mark() + " = 'Applied' AND (" + condition + ")")
}

func (s *standing) mark() string { return "configurations.[[" + s.ID() + "]].status" }

// Where is the target condition without what says that it is for modules.
func (s *standing) Where() string {
	condition := conditionOf(s.Configuration.Target)
	return condition
}

// modulesPrefix begins the conditions that are for modules.
const modulesPrefix = "from devices.modules where"

// conditionOf is a target condition without what says that it is for modules.
func conditionOf(target string) string {
	target = strings.TrimSpace(target)
	fields := strings.Fields(target)
	if len(fields) < 3 || !strings.EqualFold(strings.Join(fields[:3], " "), modulesPrefix) {
		return target
	}
	for _, word := range fields[:3] {
		target = strings.TrimSpace(target[len(word):])
	}
	return target
}
