//go:build linux

package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/tvilling/tvilling/internal/agent/settings"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
	"github.com/tvilling/tvilling/internal/security/event"
)

// configuration is what is in force and how it came about.
type configuration struct {
	dialect  settings.Dialect
	current  settings.Settings
	state    settings.State
	problems []settings.Problem
	// section is what was desired last, told the one of which problems were
	// told last.
	section, told []byte
	version       int64
	applied       time.Time
}

// take reads a desired section, nil if the hub gave none, and reports whether
// other settings are in force now.
func (c *configuration) take(section []byte, now time.Time) (changed bool) {
	s, problems, ok := settings.Read(c.dialect, section)
	c.section, c.problems = section, problems
	c.version = versionOf(section)
	switch {
	case section == nil:
		c.current, c.state = s, settings.StateDefaults
	case ok:
		c.current, c.state, c.applied = s, settings.StateApplied, now
	case c.state == settings.StateApplied || c.state == settings.StateRefused:
		c.state = settings.StateRefused
	default:
		c.state = settings.StateDefaults
	}
	return ok
}

// versionOf returns $version of a section, 0 if it has none.
func versionOf(section []byte) int64 {
	var v struct {
		Version int64 `json:"$version"`
	}
	if json.Unmarshal(section, &v) != nil {
		return 0
	}
	return v.Version
}

// complaint returns what an event ConfigurationError is to say of the section
// taken last, nothing if it was said already (asc §2.5).
func (c *configuration) complaint() []event.Item {
	if bytes.Equal(c.told, c.section) {
		return nil
	}
	c.told = c.section
	var used []byte
	var items []event.Item
	for _, p := range c.problems {
		kind := p.Kind
		switch kind {
		case agentconfig.OutOfRange:
			kind = agentconfig.TypeMismatch // the schema has no other word for a value that cannot be taken
		case agentconfig.UnknownProperty, agentconfig.NotPortable:
			continue // reported in the twin; nothing is wrong for this agent
		case agentconfig.TypeMismatch, agentconfig.NotOptimal, agentconfig.Conflict:
		}
		if used == nil {
			used = settings.Patch(nil, c.current.Reported())
		}
		name := p.Property
		if name == "" {
			name = "RemoteConfiguration"
		}
		it := &event.ConfigurationError{ConfigurationName: name, ErrorType: string(kind), Message: p.Message}
		if len(items) == 0 {
			it.UsedConfiguration = string(used) // once is enough: it is the same for all
		} else {
			it.UsedConfiguration = "{}"
		}
		if items = append(items, it); len(items) == maxComplaints {
			break
		}
	}
	return items
}

// maxComplaints bounds the items of one ConfigurationError.
const maxComplaints = 20

// reporter keeps the reported properties equal to what the agent is, with the
// smallest patches.
type reporter struct {
	report    func(ctx context.Context, patch []byte) error
	connected func() bool
	build     func() map[string]any
	failed    func(error)
	wake      chan struct{}
	// was is what the twin has, nil if that is not known.
	was map[string]any
	// anew says that what the twin has is no longer known.
	anew func() bool
}

// Reports follow each other no faster than that; while changes go on the gap
// doubles up to the longest.
const (
	firstReportGap   = 500 * time.Millisecond
	longestReportGap = time.Minute
	reportTimeout    = 30 * time.Second
)

// run reports until ctx ends.
func (r *reporter) run(ctx context.Context) {
	gap := firstReportGap
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		}
		if !r.connected() {
			continue // a connection wakes
		}
		if r.anew() {
			r.was = nil
		}
		now := r.build()
		patch := settings.Patch(r.was, now)
		if patch == nil {
			gap = firstReportGap
			continue
		}
		call, cancel := context.WithTimeout(ctx, reportTimeout)
		err := r.report(call, patch)
		cancel()
		if err != nil && ctx.Err() == nil {
			r.failed(err)
			r.was = nil  // perhaps the hub has the patch all the same
			kick(r.wake) // again after the gap
		}
		if err == nil {
			r.was = now
		}
		if !pause(ctx, gap) {
			return
		}
		if gap = min(2*gap, longestReportGap); len(r.wake) == 0 {
			gap = firstReportGap
		}
	}
}

// pause waits, and reports whether ctx did not end meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// kindsOf returns the kinds that are collected of some.
func kindsOf(s *settings.Settings, kinds ...event.Kind) bool {
	return slices.ContainsFunc(kinds, s.Collected)
}
