//go:build linux

package agent

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/tvilling/tvilling/internal/agent/budget"
	"github.com/tvilling/tvilling/internal/agent/identity"
	"github.com/tvilling/tvilling/internal/agent/settings"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/schema"
)

// Once takes every snapshot of this device once and returns them as a security
// message. What could not be taken is told as errors beside it.
func Once(ctx context.Context, c identity.Config, version string) (body []byte, problems []error) {
	id := identity.NewGUID() // nothing is written here, so the message has an id of its own
	if _, err := os.Stat(filepath.Join(c.StateDirectory, "agent-id")); err == nil {
		if id, err = c.LoadAgentID(); err != nil {
			problems = append(problems, err)
		}
	}
	s := settings.Default(settings.ASC)
	in := &intake{settings: &s}
	collectors := newCollectors(in, &sender{}, budget.New(budget.Options{Embedded: true}), slog.New(slog.DiscardHandler), c.ChecksDirectory, nil)
	collectors.use(&s)
	m := event.Message{AgentVersion: version, AgentID: id}
	for _, source := range collectors.all {
		items, err := source.Take(ctx)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", source.Kind(), err))
			continue
		}
		m.Events = append(m.Events, *in.event(time.Now(), source.Kind(), event.Periodic, items...))
	}
	return schema.Append(nil, &m), problems
}
