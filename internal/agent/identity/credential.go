package identity

import (
	"crypto/tls"
	"log/slog"
	"net"
	"strconv"

	"github.com/tvilling/tvilling"
)

// Credential is what the security module connects with.
type Credential struct {
	// ID is the module.
	ID tvilling.Identity
	// HostName is the hub's name, in the user name and in tokens.
	HostName string
	// Addr is the host:port to connect to with MQTT over TLS.
	Addr string
	// Key is the module's base64 key, from which tokens are made; Token is a
	// ready one instead. Both are empty if TLS has the module's certificate.
	Key, Token string
	// TLS is for the connection, with the server's name and the client
	// certificate if there is one. It is shared: clone it to change it.
	TLS *tls.Config
}

// String describes c without its secrets.
func (c Credential) String() string {
	how := "a certificate"
	switch {
	case c.Key != "":
		how = "a key"
	case c.Token != "":
		how = "a token"
	}
	return c.ID.String() + " at " + c.Addr + " with " + how
}

// GoString describes c without its secrets.
func (c Credential) GoString() string { return c.String() }

// LogValue describes c without its secrets.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// server is the host that is connected to.
func (c *Config) server() string {
	if c.GatewayHostName != "" {
		return c.GatewayHostName
	}
	return c.HostName
}

func hostPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
