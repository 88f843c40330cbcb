package identity

import (
	"net"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling"
)

// connection is a parsed connection string of a device or module.
type connection struct {
	host, gateway  string
	port           int // of HTTPS, 0 if none is given
	device, module string
	// One of these is how it proves who it is.
	key, token string
	x509       bool
}

// parseConnection reads a connection string in one of the forms of wire §3.4
// that a device or module has:
//
//	HostName=…;DeviceId=…[;ModuleId=…];SharedAccessKey=…
//	HostName=…;DeviceId=…[;ModuleId=…];SharedAccessSignature=…
//	HostName=…;DeviceId=…[;ModuleId=…];x509=true
//
// each with GatewayHostName, if wanted. Names match whatever their letter case;
// unknown ones are ignored. The error never repeats a secret.
func parseConnection(s string) (connection, error) {
	var c connection
	policy := false
	for field := range strings.SplitSeq(strings.TrimSpace(s), ";") {
		if field == "" {
			continue
		}
		name, value, ok := strings.Cut(field, "=")
		if !ok {
			return connection{}, connectionError("A connection string is a list of Name=value, separated by semicolons.")
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "hostname":
			c.host = value
		case "gatewayhostname":
			c.gateway = value
		case "deviceid":
			c.device = value
		case "moduleid":
			c.module = value
		case "sharedaccesskey":
			c.key = value
		case "sharedaccesssignature":
			c.token = value
		case "sharedaccesskeyname":
			policy = true
		case "x509":
			c.x509 = strings.EqualFold(value, "true")
		}
	}
	if policy {
		return connection{}, connectionError("The connection string is that of a policy, which could change the whole hub. The agent takes one of its device or module: it has a DeviceId.")
	}
	host, port, err := splitHost(c.host)
	if err != nil {
		return connection{}, err
	}
	c.host, c.port = host, port
	return c, c.check()
}

func (c *connection) check() error {
	ways := 0
	for _, given := range []bool{c.key != "", c.token != "", c.x509} {
		if given {
			ways++
		}
	}
	switch {
	case c.host == "":
		return connectionError("The connection string has no HostName.")
	case !isHostName(c.host):
		return connectionError("The HostName of the connection string is not the name of a host.")
	case c.gateway != "" && !isHostName(c.gateway):
		return connectionError("The GatewayHostName of the connection string is not the name of a host.")
	case c.device == "":
		return connectionError("The connection string has no DeviceId.")
	case tvilling.CheckID(c.device) != nil:
		return connectionError("The DeviceId of the connection string is not an id.")
	case c.module != "" && tvilling.CheckID(c.module) != nil:
		return connectionError("The ModuleId of the connection string is not an id.")
	case ways != 1:
		return connectionError("The connection string needs one of SharedAccessKey, SharedAccessSignature and x509=true.")
	case c.token != "" && !isToken(c.token):
		return connectionError("The SharedAccessSignature of the connection string is not one: it begins with \"SharedAccessSignature sr=\".")
	}
	return nil
}

func connectionError(message string) error {
	return problem(tvilling.InvalidArgument, "Local Configuration", "Cant Parse Configuration", "connection string", message, nil)
}

// splitHost takes the port, 0 if there is none, off a host name.
func splitHost(s string) (host string, port int, err error) {
	if !strings.Contains(s, ":") {
		return s, 0, nil
	}
	host, text, err := net.SplitHostPort(s)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if err != nil || port < 1 || port > 65535 {
		return "", 0, problem(tvilling.InvalidArgument, "Local Configuration", "Cant Parse Configuration", "host name", "It is a name, or a name and a port: hub.example:443.", nil)
	}
	return host, port, nil
}

// isToken reports whether s may be a shared access signature: what is written
// into a request holds no line break.
func isToken(s string) bool {
	if !strings.HasPrefix(s, "SharedAccessSignature ") || len(s) > 4096 {
		return false
	}
	for _, r := range []byte(s) {
		if r < ' ' || r > '~' {
			return false
		}
	}
	return strings.Contains(s, "sig=")
}

// take makes c that of a connection string.
func (c *Config) take(n connection) {
	c.HostName, c.DeviceID = n.host, n.device
	if n.module != "" {
		c.ModuleID = n.module
	}
	if n.gateway != "" {
		c.GatewayHostName = n.gateway
	}
	c.portOf(n.port)
}

// portOf takes a port that came with the hub's name, unless another is set.
func (c *Config) portOf(port int) {
	if port != 0 && c.HTTPSPort == Default().HTTPSPort {
		c.HTTPSPort = port
	}
}
