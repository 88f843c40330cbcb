//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/tvilling/tvilling/internal/agent"
	"github.com/tvilling/tvilling/internal/agent/identity"
)

// localFlags say which configuration to run with.
type localFlags struct {
	config, state, socket, level string
	imported                     string
}

func (l *localFlags) add(f *flag.FlagSet) {
	f.StringVar(&l.config, "config", identity.DefaultPath, "`file` of the local configuration")
	f.StringVar(&l.imported, "import", "", "`file` or folder of an original agent's configuration to use instead")
	f.StringVar(&l.state, "state-directory", "", "`folder` for what the agent keeps, instead of the configuration's")
	f.StringVar(&l.socket, "status-socket", "", "`path` where the agent can be asked, instead of the configuration's")
	f.StringVar(&l.level, "log-level", "", "debug, info, warn or error, instead of the configuration's `level`")
}

func (l *localFlags) load() (identity.Config, error) {
	var c identity.Config
	var err error
	if l.imported != "" {
		c, err = identity.Import(l.imported)
	} else {
		c, err = identity.Load(l.config)
	}
	if err != nil {
		return c, err
	}
	if l.state != "" {
		c.StateDirectory = l.state
	}
	if l.socket != "" {
		c.StatusSocket = l.socket
	}
	if l.level != "" {
		c.LogLevel = l.level
	}
	return c, c.Check()
}

func newLogger(w io.Writer, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, usageError{fmt.Errorf("log-level must be debug, info, warn or error; it is %q", level)}
	}
	// Under systemd the journal has the time of each line.
	drop := os.Getenv("JOURNAL_STREAM") != ""
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: l, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if drop && len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})), nil
}

func newRun() *command {
	var l localFlags
	return &command{
		name: "run", short: "run the agent until it is told to stop",
		long: `Run the agent. It connects as the device's security module, does what the twin
asks for, and sends what it sees, until it is told to stop by SIGTERM or Ctrl-C.
SIGHUP makes it take all snapshots and send them now.`,
		example: "  sudo tvilling-agent run\n  sudo tvilling-agent run --config ./agent.toml --state-directory ./state --log-level debug",
		flags:   l.add,
		run: func(ctx context.Context, s stdio, _ []string) error {
			c, err := l.load()
			if err != nil {
				return err
			}
			log, err := newLogger(s.err, c.LogLevel)
			if err != nil {
				return err
			}
			a, err := agent.New(agent.Options{Config: c, Version: programVersion(), Logger: log})
			if err != nil {
				return err
			}
			hup := make(chan os.Signal, 1)
			signal.Notify(hup, syscall.SIGHUP)
			defer signal.Stop(hup)
			go func() {
				for {
					select {
					case <-ctx.Done():
						return
					case <-hup:
						a.SnapshotNow()
					}
				}
			}()
			return a.Run(ctx)
		},
	}
}
