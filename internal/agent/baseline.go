//go:build linux

package agent

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/tvilling/tvilling/internal/agent/baseline"
	"github.com/tvilling/tvilling/internal/agent/collect"
	"github.com/tvilling/tvilling/internal/agent/settings"
	"github.com/tvilling/tvilling/internal/security/event"
)

// checks is the snapshot of the checks of the baseline that do not pass.
type checks struct {
	// directory is the one that custom checks may be in.
	directory string
	wait      func(context.Context) error
	warn      func(error)

	mu       sync.Mutex
	settings settings.Settings
	sight    collect.Sight
}

func newChecks(directory string, wait func(context.Context) error, warn func(error)) *checks {
	return &checks{directory: directory, wait: wait, warn: warn, sight: collect.Sight{Name: "baseline", Extent: collect.Full, Source: "files, /proc, /sys"}}
}

func (c *checks) use(s *settings.Settings) {
	c.mu.Lock()
	c.settings = *s
	c.mu.Unlock()
}

// sameChecks reports whether two settings ask for the same checks.
func sameChecks(a, b *settings.Settings) bool {
	return a.CustomChecks == b.CustomChecks && a.CustomPath == b.CustomPath && a.CustomHash == b.CustomHash &&
		slices.Equal(a.DisabledGroups, b.DisabledGroups) && slices.Equal(a.DisabledChecks, b.DisabledChecks)
}

// Kind returns [event.OSBaselineKind].
func (c *checks) Kind() event.Kind { return event.OSBaselineKind }

// Sight says whether the custom checks are made, too.
func (c *checks) Sight() collect.Sight {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sight
}

// Take makes the checks. If those of the twin's file cannot be made, the others
// are, and a failure to make them is an item of its own (asc §9.2).
func (c *checks) Take(ctx context.Context) ([]event.Item, error) {
	c.mu.Lock()
	s := c.settings
	c.mu.Unlock()
	root, err := os.OpenRoot("/")
	if err != nil {
		return nil, fmt.Errorf("baseline: %w", err)
	}
	defer root.Close()
	all, err := baseline.Builtin()
	if err != nil {
		return nil, fmt.Errorf("baseline: %w", err)
	}
	sight := collect.Sight{Name: "baseline", Extent: collect.Full, Source: "files, /proc, /sys"}
	var refused event.Item
	if s.CustomChecks {
		custom, err := baseline.LoadCustom(c.directory, s.CustomPath, s.CustomHash)
		if err != nil {
			c.warn(err)
			sight.Extent, sight.Why = collect.Partial, "The custom checks are not made: "+err.Error()
			sight.Remedy = "Put the file into " + c.directory + " and its path and SHA-256 into the twin."
			refused = &event.OSBaseline{Description: "The custom checks of the twin can be made", CceID: "TV-CUSTOM", Result: "Err", Error: err.Error(), Severity: "Warning"}
		}
		all = append(all, custom...)
	}
	c.mu.Lock()
	c.sight = sight
	c.mu.Unlock()
	report, err := baseline.Run(ctx, baseline.Options{Root: root, Checks: all, DisabledGroups: s.DisabledGroups, DisabledChecks: s.DisabledChecks, Wait: c.wait})
	if err != nil {
		return nil, fmt.Errorf("baseline: %w", err)
	}
	items := report.Items()
	if refused != nil {
		items = append(items, refused)
	}
	return items, nil
}
