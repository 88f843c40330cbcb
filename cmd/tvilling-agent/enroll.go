//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/tvilling/tvilling/internal/agent/identity"
)

func newEnroll() *command {
	var config, ca, module, state string
	var mqtt, https int
	var caGiven bool
	return &command{
		name: "enroll", short: "connect this device: fetch the key of its security module from the hub",
		long: `Make this the agent of a device. Reads a connection string from standard input:
of the device, with a token or a key (which is used once, to fetch the key of the
security module, and not kept), or of the module itself. Writes the configuration
file and, beside it, a file with the module's key that only root can read.
"tvilling device enroll-command" prints a line that does this.`,
		example: "  sudo tvilling-agent enroll < connection-string.txt",
		flags: func(f *flag.FlagSet) {
			f.StringVar(&config, "config", identity.DefaultPath, "`file` to write")
			f.Func("ca-file", "PEM `file` of the authority that signed the hub's certificate, \"\" for the system's", func(v string) error {
				ca, caGiven = v, true
				return nil
			})
			f.StringVar(&module, "module", "", "`id` of the module to connect as, if not azureiotsecurity")
			f.StringVar(&state, "state-directory", "", "`folder` for what the agent keeps")
			f.IntVar(&mqtt, "mqtt-port", 8883, "`port` of MQTT")
			f.IntVar(&https, "https-port", 443, "`port` of HTTPS")
		},
		run: func(ctx context.Context, s stdio, _ []string) error {
			line, err := bufio.NewReader(io.LimitReader(s.in, 16<<10)).ReadString('\n')
			if line = strings.TrimSpace(line); line == "" {
				if err != nil && !errors.Is(err, io.EOF) {
					return fmt.Errorf("read the connection string: %w", err)
				}
				return usageError{errors.New("give the connection string on standard input, so that it is in no list of processes")}
			}
			c, err := identity.Load(config)
			if err != nil {
				c = identity.Default() // there is none yet, or none that can be used
			}
			c.Path, c.ConnectionString = config, line
			c.MQTTPort, c.HTTPSPort = mqtt, https
			if caGiven {
				c.CAFile = ca
			}
			if module != "" {
				c.ModuleID = module
			}
			if state != "" {
				c.StateDirectory = state
			}
			if c, err = identity.Enroll(ctx, c); err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.out, "enrolled as %s of %s; the configuration is %s\n", c.ID().String(), c.HostName, config)
			return err
		},
	}
}
