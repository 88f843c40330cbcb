//go:build linux

package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/agent/budget"
	"github.com/tvilling/tvilling/internal/agent/collect"
	"github.com/tvilling/tvilling/internal/agent/identity"
	"github.com/tvilling/tvilling/internal/agent/kernel"
	"github.com/tvilling/tvilling/internal/agent/link"
	"github.com/tvilling/tvilling/internal/agent/settings"
)

// CheckReport says what the agent can do here.
type CheckReport struct {
	// OK says that it can do its work; Problem is what is in the way.
	OK      bool            `json:"ok"`
	Problem string          `json:"problem,omitempty"`
	Lines   []CheckLine     `json:"checks"`
	Sights  []collect.Sight `json:"collectors"`
}

// CheckLine is one thing that was looked at.
type CheckLine struct {
	What   string `json:"what"`
	OK     bool   `json:"ok"`
	Found  string `json:"found"`
	Remedy string `json:"remedy,omitempty"`
}

// checkTimeout bounds the try to reach the hub.
const checkTimeout = 20 * time.Second

// Check looks at this device as the agent would. configErr is why the local
// configuration could not be read, if it could not. offline leaves the hub out.
func Check(ctx context.Context, c identity.Config, configErr error, offline bool) CheckReport {
	r := CheckReport{OK: true}
	add := func(what string, err error, found, remedy string) {
		if err == nil {
			r.Lines = append(r.Lines, CheckLine{What: what, OK: true, Found: found})
			return
		}
		text := tvilling.MessageOf(err)
		if text == "" {
			text = err.Error()
		}
		r.Lines = append(r.Lines, CheckLine{What: what, Found: text, Remedy: remedy})
		if r.OK {
			r.OK, r.Problem = false, what+": "+text
		}
	}
	id := c.ID()
	add("configuration", configErr, fmt.Sprintf("%s of %s", id.String(), c.HostName), "")
	if configErr == nil {
		add("state", writable(c.StateDirectory), c.StateDirectory+" can be written to", "Without it, events that wait are lost when the device restarts. Make it, owned by the agent's user.")
		if !offline {
			add("hub", reach(ctx, c), "the hub lets the agent in as "+id.String(), "")
		}
	}
	b := budget.New(budget.Options{Embedded: true})
	s := settings.Default(settings.ASC)
	collectors := newCollectors(&intake{settings: &s}, &sender{}, b, slog.New(slog.DiscardHandler), c.ChecksDirectory, nil)
	collectors.use(&s)
	sources, err := kernel.Open(kernel.Options{Processes: true, Connections: true})
	collectors.see(&sources)
	add("kernel", err, "processes and connections can be watched", "")
	if err := sources.Close(); err != nil {
		add("kernel", err, "", "")
	}
	for _, source := range collectors.all {
		if source != collect.Snapshot(collectors.checks) {
			_, _ = source.Take(ctx) // what it cannot see, its sight says
		}
	}
	r.Sights = collectors.sights()
	return r
}

// writable reports whether files can be made in a folder.
func writable(dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		dir = filepath.Dir(dir) // the agent makes its folder at its start
	}
	f, err := os.CreateTemp(dir, ".check-*")
	if err != nil {
		return err
	}
	path := filepath.Clean(f.Name())
	if err := f.Close(); err != nil {
		return err
	}
	return os.Remove(path)
}

// reach reports whether the hub lets the agent in. A running agent is asked
// instead of being pushed aside: an identity has one connection.
func reach(ctx context.Context, c identity.Config) error {
	if st, err := AskStatus(ctx, c.StatusSocket); err == nil {
		if st.Connected {
			return nil
		}
		return tvilling.Errorf(tvilling.Unavailable, "The running agent is not connected: %s", st.Error)
	}
	source, err := identity.New(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	done := make(chan struct{}, 1)
	l := link.New(link.Options{
		Identity: source, Logger: slog.New(slog.DiscardHandler), ClientType: "tvilling-agent/check",
		OnTwin: func([]byte) {}, OnState: func() { kick(done) },
	})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { l.Run(ctx) })
	for {
		select {
		case <-done:
			if st := l.State(); st.Connected || st.Err != nil {
				return st.Err
			}
		case <-ctx.Done():
			if err := l.State().Err; err != nil {
				return err
			}
			return tvilling.Errorf(tvilling.Unavailable, "The hub %s did not answer in time; check the host name and the network.", c.HostName)
		}
	}
}
