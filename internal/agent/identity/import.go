package identity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/tvilling/tvilling"
)

// Import reads the local configuration of an original agent, so that this one
// can take its place: LocalConfiguration.json of the C agent (asc §5.3), or
// connection_string.txt of the micro agent (asc §12.3), with the certificate
// beside it where it has x509=true; path is the file, or its folder. Keys and
// certificates stay where they are. The agent speaks MQTT whatever transport was
// chosen; a proxy of the micro agent is refused, since it connects directly.
func Import(path string) (Config, error) {
	for _, name := range []string{"LocalConfiguration.json", "connection_string.txt"} {
		if inside := filepath.Join(path, name); isThere(inside) {
			path = inside
			break
		}
	}
	b, _, err := readFile(path)
	if err != nil {
		return Config{}, unreadable("Local Configuration", path, err)
	}
	c, err := parseImport(b, path)
	if err != nil {
		return Config{}, err
	}
	if err := refuseProxy(filepath.Join(filepath.Dir(path), "conf.json")); err != nil {
		return Config{}, err
	}
	c.Path = path
	if err := c.Check(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// refuseProxy refuses a conf.json of the micro agent (asc §12.3) that has a
// proxy. There need be none.
func refuseProxy(path string) error {
	b, _, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return unreadable("Local Configuration", path, err)
	}
	var f struct {
		Proxy string `json:"IothubModule_ProxyConfig"`
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return problem(tvilling.InvalidArgument, "Local Configuration", "Cant Parse Configuration", path, "It is not the JSON of the micro agent.", nil)
	}
	if f.Proxy != "" {
		return problem(tvilling.Unsupported, "Local Configuration", "Other", path, "It has a proxy, and the agent connects directly. Let the device reach the hub's MQTT and HTTPS ports, and take IothubModule_ProxyConfig out.", nil)
	}
	return nil
}

// isThere reports whether path is a file that can be read.
func isThere(path string) bool {
	_, _, err := readFile(path)
	return err == nil
}

// parseImport reads the text of a file of an original agent that is at path.
func parseImport(b []byte, path string) (Config, error) {
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
		return parseLocalConfiguration(b, path)
	}
	n, err := parseConnection(string(b))
	if err != nil {
		return Config{}, err
	}
	c := Default()
	c.take(n)
	if n.module == "" {
		c.ModuleID = MicroAgentModule
	}
	c.ConnectionStringFile = path
	if n.x509 {
		cert, key := filepath.Join(filepath.Dir(path), "certificate_public.pem"), filepath.Join(filepath.Dir(path), "certificate_private.pem")
		if n.module == "" {
			c.DeviceCertificateFile, c.DevicePrivateKeyFile = cert, key
		} else {
			c.ModuleCertificateFile, c.ModulePrivateKeyFile = cert, key
		}
	}
	return c, nil
}

// localConfiguration is the C agent's file (asc §5.3).
type localConfiguration struct {
	Configuration struct {
		AgentID        string `json:"AgentId"`
		Authentication struct {
			Identity             string
			AuthenticationMethod string
			FilePath             string
			DeviceID             string `json:"DeviceId"`
			HostName             string
		}
		Logging struct {
			SystemLoggerMinimumSeverity int
		}
	}
}

func parseLocalConfiguration(b []byte, path string) (Config, error) {
	bad := func(format string, args ...any) (Config, error) {
		return Config{}, problem(tvilling.InvalidArgument, "Local Configuration", "Cant Parse Configuration", path, fmt.Sprintf(format, args...), nil)
	}
	var f localConfiguration
	if err := json.Unmarshal(b, &f); err != nil {
		return bad("It is not the JSON of the C agent: %s", err)
	}
	a := &f.Configuration.Authentication
	c := Default()
	host, port, err := splitHost(a.HostName)
	if err != nil {
		return Config{}, err
	}
	c.HostName, c.DeviceID = host, a.DeviceID
	c.portOf(port)
	c.AgentID = strings.Trim(f.Configuration.AgentID, "{}")
	if levels := []string{"debug", "info", "warn", "error", "error"}; f.Configuration.Logging.SystemLoggerMinimumSeverity >= 0 && f.Configuration.Logging.SystemLoggerMinimumSeverity < len(levels) {
		c.LogLevel = levels[f.Configuration.Logging.SystemLoggerMinimumSeverity]
	}
	if strings.EqualFold(a.Identity, "DPS") {
		return Config{}, problem(tvilling.Unsupported, "Local Configuration", "Missing Configuration", path,
			"The C agent asks the provisioning service for its hub. Set host-name, device-id and the device's key or certificate in "+DefaultPath+".", nil)
	}
	switch {
	case a.HostName == "" || a.DeviceID == "" || a.FilePath == "":
		return bad("Configuration.Authentication needs HostName, DeviceId and FilePath.")
	case strings.EqualFold(a.Identity, "SecurityModule") && strings.EqualFold(a.AuthenticationMethod, "SasToken"):
		c.ModuleKeyFile = a.FilePath
	case strings.EqualFold(a.Identity, "Device") && strings.EqualFold(a.AuthenticationMethod, "SasToken"):
		c.DeviceKeyFile = a.FilePath
	case strings.EqualFold(a.Identity, "Device") && strings.EqualFold(a.AuthenticationMethod, "SelfSignedCertificate"):
		if strings.EqualFold(filepath.Ext(a.FilePath), ".pfx") {
			return Config{}, problem(tvilling.Unsupported, "Authentication", "File Format", a.FilePath,
				"The agent reads PEM, not PKCS #12. Convert it: openssl pkcs12 -nodes -in FILE.pfx -out FILE.pem; then name FILE.pem in "+path+".", nil)
		}
		// One file has the certificate, then its key.
		c.DeviceCertificateFile, c.DevicePrivateKeyFile = a.FilePath, a.FilePath
	default:
		return bad("Configuration.Authentication has Identity %.40q with AuthenticationMethod %.40q, which do not go together.", a.Identity, a.AuthenticationMethod)
	}
	return c, nil
}
