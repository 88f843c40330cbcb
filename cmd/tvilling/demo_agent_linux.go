package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/agent"
	"github.com/tvilling/tvilling/internal/agent/identity"
	"github.com/tvilling/tvilling/internal/app"
)

// thisMachine is the device that the demo's own agent watches.
const thisMachine = "this-machine"

// demoAgent runs the security agent for this machine, in this process, with
// what the user who runs the demo may see. What it returns stops it.
func demoAgent(ctx context.Context, f *fleet, data string, e app.Endpoints, log *slog.Logger, w io.Writer) (stop func(), err error) {
	m, err := f.enlistOne(ctx, thisMachine)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(hostPort(e.MQTT))
	if err != nil {
		return nil, fmt.Errorf("read where the hub listens: %w", err)
	}
	c := identity.Default()
	c.ConnectionString = "HostName=" + f.hub.HostName() + ";DeviceId=" + thisMachine + ";ModuleId=" + string(tvilling.SecurityModule) + ";SharedAccessKey=" + m.module
	c.GatewayHostName = "localhost"
	if c.MQTTPort, err = strconv.Atoi(port); err != nil {
		return nil, fmt.Errorf("read where the hub listens: %w", err)
	}
	c.CAFile = filepath.Join(data, "ca.pem")
	c.StateDirectory = filepath.Join(filepath.Dir(data), "agent")
	c.StatusSocket = ""
	a, err := agent.New(agent.Options{Config: c, Version: version(), Logger: log, Embedded: true})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := a.Run(ctx); err != nil {
			log.ErrorContext(ctx, "the agent of this machine has ended", "error", err)
		}
	})
	fmt.Fprintf(w, "%s is this computer: its security agent runs here, with what you may see.\n", thisMachine)
	for _, s := range a.Status().Sights {
		if s.Why != "" {
			fmt.Fprintf(w, "  %s: %s\n", s.Name, oneLine(s.Why))
		}
	}
	return func() { cancel(); wg.Wait() }, nil
}
