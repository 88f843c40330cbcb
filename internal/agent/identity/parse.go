package identity

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/tvilling/tvilling"
)

// maxFile bounds the files that are read here, in bytes.
const maxFile = 256 << 10

// file is the form of the configuration file.
type file struct {
	ConnectionString      string `toml:"connection-string"`
	ConnectionStringFile  string `toml:"connection-string-file"`
	HostName              string `toml:"host-name"`
	DeviceID              string `toml:"device-id"`
	ModuleID              string `toml:"module-id"`
	ModuleKeyFile         string `toml:"module-key-file"`
	ModuleCertificateFile string `toml:"module-certificate-file"`
	ModulePrivateKeyFile  string `toml:"module-private-key-file"`
	DeviceKeyFile         string `toml:"device-key-file"`
	DeviceCertificateFile string `toml:"device-certificate-file"`
	DevicePrivateKeyFile  string `toml:"device-private-key-file"`
	SASTokenFile          string `toml:"sas-token-file"`
	CAFile                string `toml:"ca-file"`
	SystemRoots           bool   `toml:"system-roots"`
	GatewayHostName       string `toml:"gateway-host-name"`
	MQTTPort              int    `toml:"mqtt-port"`
	HTTPSPort             int    `toml:"https-port"`
	KeepAlive             string `toml:"keep-alive"`
	AgentID               string `toml:"agent-id"`
	StateDirectory        string `toml:"state-directory"`
	ChecksDirectory       string `toml:"checks-directory"`
	StatusSocket          string `toml:"status-socket"`
	LogLevel              string `toml:"log-level"`
}

// Load reads a configuration file, which nobody but root and the agent's user
// may be able to change. A file that has a connection string must be as
// protected as a key's. What a connection string says is in the members of
// what is returned. Errors name the line.
func Load(path string) (Config, error) {
	b, protected, err := readFile(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return Config{}, problem(tvilling.NotFound, "Local Configuration", "Missing Configuration", path,
				"There is no configuration. Enrol the device (tvilling-agent enroll), or write the file.", err)
		}
		return Config{}, unreadable("Local Configuration", path, err)
	}
	if errors.Is(protected, errWritable) {
		return Config{}, problem(tvilling.Unauthorized, "Local Configuration", "File Permissions", path,
			"It says whom the agent trusts, and "+protected.Error()+". "+remedy(path, "644"), nil)
	}
	c, err := Parse(b)
	if err != nil {
		return Config{}, problem(tvilling.InvalidArgument, "Local Configuration", "Cant Parse Configuration", path, err.Error(), nil)
	}
	if c.ConnectionString != "" && protected != nil {
		return Config{}, problem(tvilling.Unauthorized, "Local Configuration", "File Permissions", path,
			"It has a connection string, and "+protected.Error()+". "+remedy(path, "600"), nil)
	}
	c.Path = path
	if c.ConnectionStringFile != "" {
		_, err = c.prove() // takes the names in it
	}
	return c, err
}

// Parse reads the text of a configuration file. Its error has a line for each
// thing that is wrong. It reads no other file.
func Parse(b []byte) (Config, error) {
	d := Default()
	f := file{
		ModuleID: d.ModuleID, MQTTPort: d.MQTTPort, HTTPSPort: d.HTTPSPort,
		StateDirectory: d.StateDirectory, StatusSocket: d.StatusSocket, LogLevel: d.LogLevel,
	}
	dec := toml.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	err := dec.Decode(&f)
	if _, unknown := errors.AsType[*toml.StrictMissingError](err); err != nil && !unknown {
		return Config{}, describe(err) // what comes after it was not read
	}
	errs := []error{describe(err)}
	c := Config{
		ConnectionString: f.ConnectionString, ConnectionStringFile: f.ConnectionStringFile,
		HostName: f.HostName, DeviceID: f.DeviceID, ModuleID: f.ModuleID,
		ModuleKeyFile: f.ModuleKeyFile, ModuleCertificateFile: f.ModuleCertificateFile, ModulePrivateKeyFile: f.ModulePrivateKeyFile,
		DeviceKeyFile: f.DeviceKeyFile, DeviceCertificateFile: f.DeviceCertificateFile, DevicePrivateKeyFile: f.DevicePrivateKeyFile,
		SASTokenFile: f.SASTokenFile, CAFile: f.CAFile, SystemRoots: f.SystemRoots, GatewayHostName: f.GatewayHostName,
		MQTTPort: f.MQTTPort, HTTPSPort: f.HTTPSPort, AgentID: f.AgentID, StateDirectory: f.StateDirectory,
		ChecksDirectory: f.ChecksDirectory, StatusSocket: f.StatusSocket, LogLevel: f.LogLevel,
	}
	if f.KeepAlive != "" {
		if c.KeepAlive, err = time.ParseDuration(f.KeepAlive); err != nil || c.KeepAlive <= 0 {
			errs = append(errs, fmt.Errorf("line %d: keep-alive: %q is not a duration such as \"4m\"", lineOf(b, "keep-alive"), f.KeepAlive))
			c.KeepAlive = 0
		}
	}
	if host, port, err := splitHost(c.HostName); err == nil {
		c.HostName = host
		c.portOf(port)
	}
	for _, w := range c.wrong() {
		if n := lineOf(b, w.key); n > 0 {
			errs = append(errs, fmt.Errorf("line %d: %s: %s", n, w.key, w.text))
		} else {
			errs = append(errs, fmt.Errorf("%s: %s", w.key, w.text))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return Config{}, err
	}
	if c.ConnectionString != "" {
		n, err := parseConnection(c.ConnectionString)
		if err != nil {
			return Config{}, fmt.Errorf("line %d: connection-string: %w", lineOf(b, "connection-string"), err)
		}
		c.take(n)
	}
	return c, nil
}

// lineOf returns the line of a key in a file that TOML has accepted, 0 if it is
// not there or written in a way that this does not see.
func lineOf(b []byte, key string) int {
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		if name, _, ok := strings.Cut(line, "="); ok && strings.Trim(name, " \t\"'") == key {
			return n
		}
	}
	return 0
}

// describe turns the decoder's errors into lines "line N: what is wrong"; nil stays nil.
func describe(err error) error {
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		var errs []error
		for _, e := range strict.Errors {
			line, _ := e.Position()
			errs = append(errs, fmt.Errorf("line %d: unknown key %q", line, strings.Join(e.Key(), ".")))
		}
		return errors.Join(errs...)
	}
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ := e.Position()
		return fmt.Errorf("line %d: %s", line, strings.TrimPrefix(e.Error(), "toml: "))
	}
	return err
}

// unreadable is the error for a file that cannot be read.
func unreadable(kind, path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return problem(tvilling.NotFound, kind, "File Not Exist", path, "The file is not there.", err)
	case errors.Is(err, fs.ErrPermission):
		return problem(tvilling.Unauthorized, kind, "File Permissions", path, fmt.Sprintf("The agent (user %d) may not read the file.", os.Geteuid()), err)
	}
	return problem(tvilling.Unavailable, kind, "Other", path, "The file cannot be read.", err)
}

// problem is an error that begins with the code and sub-code by which the
// original agents name it (asc §5.5).
func problem(code tvilling.Code, kind, sub, subject, message string, err error) error {
	return &tvilling.Error{Code: code, Subject: subject, Message: kind + ", " + sub + ": " + message, Err: err}
}
