package identity

import (
	"fmt"
	"strings"

	"github.com/tvilling/tvilling"
)

// wrong is a member that cannot be as it is.
type wrong struct{ key, text string }

// Check reports what is wrong with c, all at once. It reads no file.
func (c *Config) Check() error {
	all := c.wrong()
	if len(all) == 0 {
		return nil
	}
	lines := make([]string, len(all))
	for i, w := range all {
		lines[i] = w.key + ": " + w.text
	}
	return problem(tvilling.InvalidArgument, "Local Configuration", "Cant Parse Configuration", c.Path, strings.Join(lines, "\n"), nil)
}

func (c *Config) wrong() (all []wrong) {
	add := func(key, format string, args ...any) { all = append(all, wrong{key, fmt.Sprintf(format, args...)}) }
	for _, h := range []struct{ key, name string }{{"host-name", c.HostName}, {"gateway-host-name", c.GatewayHostName}} {
		if h.name != "" && !isHostName(h.name) {
			add(h.key, "%q is not a host name; ports go to mqtt-port and https-port", h.name)
		}
	}
	if c.DeviceID != "" {
		if err := tvilling.CheckID(c.DeviceID); err != nil {
			add("device-id", "%s", tvilling.MessageOf(err))
		}
	}
	if err := tvilling.CheckID(c.ModuleID); err != nil {
		add("module-id", "%s", tvilling.MessageOf(err))
	}
	if c.MQTTPort < 1 || c.MQTTPort > 65535 {
		add("mqtt-port", "%d is not a port", c.MQTTPort)
	}
	if c.HTTPSPort < 1 || c.HTTPSPort > 65535 {
		add("https-port", "%d is not a port", c.HTTPSPort)
	}
	if c.AgentID != "" && !isGUID(c.AgentID) {
		add("agent-id", "%q is not a GUID", c.AgentID)
	}
	if c.StateDirectory == "" {
		add("state-directory", "the agent needs a folder of its own")
	}
	switch c.LogLevel {
	case "debug", "info", "warn", "error":
	default:
		add("log-level", "%q is not debug, info, warn or error", c.LogLevel)
	}
	return append(all, c.wrongProof()...)
}

// wrongProof is what is wrong with the ways to prove who the agent is.
func (c *Config) wrongProof() (all []wrong) {
	if (c.ModuleCertificateFile == "") != (c.ModulePrivateKeyFile == "") {
		all = append(all, wrong{"module-certificate-file", "it goes with module-private-key-file"})
	}
	if (c.DeviceCertificateFile == "") != (c.DevicePrivateKeyFile == "") {
		all = append(all, wrong{"device-certificate-file", "it goes with device-private-key-file"})
	}
	if c.SystemRoots && c.CAFile == "" {
		all = append(all, wrong{"system-roots", "it goes with ca-file; without that, the system's authorities are trusted anyway"})
	}
	if ways := c.proofs(); len(ways) > 1 {
		all = append(all, wrong{ways[1], "the agent proves who it is in one way, and there is " + ways[0] + " already"})
	}
	return all
}

// proofs are the keys of the ways to prove who the agent is that are given.
func (c *Config) proofs() (keys []string) {
	for _, p := range []struct{ key, value string }{
		{"connection-string", c.ConnectionString},
		{"connection-string-file", c.ConnectionStringFile},
		{"module-key-file", c.ModuleKeyFile},
		{"device-key-file", c.DeviceKeyFile},
		{"sas-token-file", c.SASTokenFile},
	} {
		if p.value != "" {
			keys = append(keys, p.key)
		}
	}
	// A connection string with x509=true needs the files of a certificate.
	connection := c.ConnectionString != "" || c.ConnectionStringFile != ""
	if c.ModuleCertificateFile != "" && !connection {
		keys = append(keys, "module-certificate-file")
	}
	if c.DeviceCertificateFile != "" && !connection {
		keys = append(keys, "device-certificate-file")
	}
	return keys
}

// isHostName reports whether s may be the name or address of a host, without a
// port. It says what is safe to write into a request, not what DNS allows.
func isHostName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '.', r == '_':
		default:
			return false
		}
	}
	return true
}

// isGUID reports whether s is a GUID such as 01234567-89ab-cdef-0123-456789abcdef.
func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, r := range []byte(s) {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if r != '-' {
				return false
			}
		case r >= '0' && r <= '9', r >= 'a' && r <= 'f', r >= 'A' && r <= 'F':
		default:
			return false
		}
	}
	return true
}
