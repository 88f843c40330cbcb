package identity

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling"
)

// Enroll makes this device's agent that of a connection string of the device or
// of its module: with the device's token or key it fetches the module's key from
// the hub, and keeps only that. The device's secret is kept nowhere, so if the
// module's key is replaced, the device is to be enrolled anew.
//
// c is what the configuration is to be besides: [Default], or what [Load] has
// returned for a device that is enrolled already, with what flags say. Its
// ConnectionString is the one to enrol with; c.Path is the configuration file
// that is written ([DefaultPath] if it is empty), without the comments of a
// former one. The connection string of the module is put beside it, in
// connection-string, which only the agent's user can read. Each of the two files
// is written wholly or not at all, and durably, and after the hub has agreed.
func Enroll(ctx context.Context, c Config) (Config, error) {
	n, err := parseConnection(c.ConnectionString)
	if err != nil {
		return Config{}, err
	}
	if n.x509 {
		return Config{}, problem(tvilling.InvalidArgument, "Local Configuration", "Missing Configuration", "connection string",
			"A certificate is not enrolled: it stays where it is. Name it in "+DefaultPath+" with device-certificate-file and device-private-key-file.", nil)
	}
	if n.module != "" && n.token != "" {
		return Config{}, problem(tvilling.InvalidArgument, "Local Configuration", "Missing Configuration", "connection string",
			"A token of the module ends, and nothing could renew it. Enrol with a token or key of the device, or with the module's key.", nil)
	}
	if c.Path == "" {
		c.Path = DefaultPath
	}
	c.ConnectionStringFile, c.ModuleKeyFile, c.DeviceKeyFile, c.SASTokenFile = "", "", "", ""
	c.ModuleCertificateFile, c.ModulePrivateKeyFile, c.DeviceCertificateFile, c.DevicePrivateKeyFile = "", "", "", ""
	c.take(n)
	if err := c.Check(); err != nil {
		return Config{}, err
	}
	p, err := c.prove()
	if err != nil {
		return Config{}, err
	}
	key := p.key
	if p.ofDevice {
		p.file = "connection string"
		if key, err = c.fetchKey(ctx, p); err != nil {
			return Config{}, err
		}
	}
	c.ConnectionString = ""
	c.ConnectionStringFile = filepath.Join(filepath.Dir(c.Path), "connection-string")
	text := "HostName=" + c.HostName + ";DeviceId=" + c.DeviceID + ";ModuleId=" + c.ModuleID + ";SharedAccessKey=" + key
	if err := keepSecret(c.ConnectionStringFile, text); err != nil {
		return Config{}, err
	}
	if err := writeFile(c.Path, c.appendTOML(nil), 0o644); err != nil {
		return Config{}, problem(tvilling.Unavailable, "Local Configuration", "Other", c.Path, "The configuration cannot be written. Enrolling needs the rights to: try it with sudo.", err)
	}
	return c, nil
}

// keepSecret puts a secret into a file that only the agent's user can read.
func keepSecret(path, secret string) error {
	if err := writeFile(path, []byte(secret+"\n"), 0o600); err != nil {
		return problem(tvilling.Unavailable, "Authentication", "Other", path, "The secret cannot be kept. That needs the rights to: try it with sudo.", err)
	}
	return nil
}

// appendTOML appends the configuration file of c: what is not as in [Default],
// and no connection string.
func (c *Config) appendTOML(dst []byte) []byte {
	d := Default()
	text := func(key, v, usual string) {
		if v != usual {
			dst = appendString(append(append(dst, key...), " = "...), v)
			dst = append(dst, '\n')
		}
	}
	number := func(key string, v, usual int) {
		if v != usual {
			dst = strconv.AppendInt(append(append(dst, key...), " = "...), int64(v), 10)
			dst = append(dst, '\n')
		}
	}
	text("connection-string-file", c.ConnectionStringFile, "")
	if c.ConnectionStringFile == "" {
		text("host-name", c.HostName, "")
		text("device-id", c.DeviceID, "")
		text("module-id", c.ModuleID, d.ModuleID)
	}
	text("module-key-file", c.ModuleKeyFile, "")
	text("module-certificate-file", c.ModuleCertificateFile, "")
	text("module-private-key-file", c.ModulePrivateKeyFile, "")
	text("device-key-file", c.DeviceKeyFile, "")
	text("device-certificate-file", c.DeviceCertificateFile, "")
	text("device-private-key-file", c.DevicePrivateKeyFile, "")
	text("sas-token-file", c.SASTokenFile, "")
	text("ca-file", c.CAFile, "")
	if c.SystemRoots {
		dst = append(dst, "system-roots = true\n"...)
	}
	text("gateway-host-name", c.GatewayHostName, "")
	number("mqtt-port", c.MQTTPort, d.MQTTPort)
	number("https-port", c.HTTPSPort, d.HTTPSPort)
	if c.KeepAlive != 0 {
		text("keep-alive", c.KeepAlive.String(), "")
	}
	text("agent-id", c.AgentID, "")
	text("state-directory", c.StateDirectory, d.StateDirectory)
	text("checks-directory", c.ChecksDirectory, "")
	text("status-socket", c.StatusSocket, d.StatusSocket)
	text("log-level", c.LogLevel, d.LogLevel)
	return dst
}

// appendString appends a basic string of TOML.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range strings.ToValidUTF8(s, "\ufffd") {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < ' ' || r == 0x7f:
			const hex = "0123456789abcdef"
			dst = append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			dst = append(dst, string(r)...)
		}
	}
	return append(dst, '"')
}
