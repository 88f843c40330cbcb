package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/client"
)

// hubFlags say which hub a command talks to.
type hubFlags struct {
	data       string
	connection string
	ca         string
	address    string
	json       bool
}

const connectionVariable = "TVILLING_CONNECTION_STRING"

// add puts the flags on a command and all below it.
func (h *hubFlags) add(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVar(&h.data, "data", "tvilling-data", "data `directory` of a hub on this machine, where its connection string, CA and address are")
	f.StringVar(&h.connection, "connection-string", "", "connection `string` of a shared access policy (better given by "+connectionVariable+", which other users cannot see)")
	f.StringVar(&h.ca, "ca", "", "PEM `file` of the authority that signed the hub's certificate (default: that of --data, or the system's)")
	f.StringVar(&h.address, "address", "", "`host:port` to connect to, when it is not that of the connection string")
	f.BoolVar(&h.json, "json", false, "print JSON, one value a line")
	completesBy(cmd, "data", completeDirectories)
	completesBy(cmd, "ca", completeFiles)
}

// open returns a client of the hub that the flags name.
func (h *hubFlags) open() (*client.Client, error) {
	o := client.Options{ConnectionString: h.connection, CAFile: h.ca, Addr: h.address}
	if o.ConnectionString == "" {
		o.ConnectionString = os.Getenv(connectionVariable)
	}
	owner, err := h.owner()
	if o.ConnectionString == "" {
		if err != nil {
			return nil, err
		}
		o.ConnectionString = owner
	}
	if err == nil && hostOf(owner) == hostOf(o.ConnectionString) {
		// The hub is the one of the data directory, whoever connects.
		if err := h.find(&o); err != nil {
			return nil, err
		}
	}
	return client.New(o)
}

// hostOf is the hub of a connection string, "" when it cannot be read.
func hostOf(connection string) string {
	c, err := client.ParseConnection(connection)
	if err != nil {
		return ""
	}
	return c.HostName
}

// with is what runs a command that talks to the hub that the flags name.
func (h *hubFlags) with(f func(cmd *cobra.Command, c *client.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := h.open()
		if err != nil {
			return err
		}
		defer c.Close()
		return f(cmd, c, args)
	}
}

// owner is the connection string that a hub left in its data directory.
func (h *hubFlags) owner() (string, error) {
	path := filepath.Join(h.data, "owner.connection-string")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", usageError{fmt.Errorf("no hub in %s: start one there with\n  tvilling serve --data %s\nor say where it is by --data, --connection-string or %s", h.data, h.data, connectionVariable)}
	}
	if err != nil {
		return "", fmt.Errorf("read the connection string: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// find fills in what a hub left in its data directory: whom to trust, and
// where it listens.
func (h *hubFlags) find(o *client.Options) error {
	if o.CAFile == "" {
		if ca := filepath.Join(h.data, "ca.pem"); exists(ca) {
			o.CAFile = ca
		}
	}
	if o.Addr != "" {
		return nil
	}
	e, err := readEndpoints(h.data)
	if err != nil {
		return err
	}
	if len(e.HTTPS) > 0 {
		o.Addr = hostPort(e.HTTPS[0])
	}
	return nil
}

// readEndpoints reads where the hub of a data directory listens.
func readEndpoints(data string) (app.Endpoints, error) {
	var e app.Endpoints
	b, err := os.ReadFile(filepath.Join(data, "endpoints.json"))
	if err != nil {
		return e, fmt.Errorf("read where the hub listens: %w", err)
	}
	if err := json.Unmarshal(b, &e); err != nil {
		return e, fmt.Errorf("read where the hub listens: %w", err)
	}
	return e, nil
}

func hostPort(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return endpoint
	}
	return u.Host
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// parseIdentity reads "device" or "device/module".
func parseIdentity(s string) (tvilling.Identity, error) {
	d, m, found := strings.Cut(s, "/")
	id := tvilling.Identity{Device: tvilling.DeviceID(d), Module: tvilling.ModuleID(m)}
	if err := id.Check(); err != nil {
		return id, usageError{fmt.Errorf("%q: %s", s, tvilling.MessageOf(err))}
	}
	if found && m == "" {
		return id, usageError{fmt.Errorf("%q: the module's id is missing after the slash", s)}
	}
	return id, nil
}

// parseModule reads "device/module".
func parseModule(s string) (tvilling.Identity, error) {
	id, err := parseIdentity(s)
	if err == nil && !id.IsModule() {
		err = usageError{fmt.Errorf("%q: a module is named device/module", s)}
	}
	return id, err
}

// parseDevice reads "device".
func parseDevice(s string) (tvilling.DeviceID, error) {
	id, err := parseIdentity(s)
	if err == nil && id.IsModule() {
		err = usageError{fmt.Errorf("%q: this command wants a device, not a module", s)}
	}
	return id.Device, err
}

// cutPort splits "host:port"; a host without a port is itself.
func cutPort(s string) (host, port string, ok bool) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return s, "", false
	}
	return host, port, true
}
