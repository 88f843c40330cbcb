package identity

import (
	"log/slog"
	"time"

	"github.com/tvilling/tvilling"
)

// DefaultPath is where the local configuration is.
const DefaultPath = "/etc/tvilling-agent/agent.toml"

// MicroAgentModule is the module of the micro agent (asc §12.3), whose twin has
// another form than that of [tvilling.SecurityModule].
const MicroAgentModule = "DefenderIotMicroAgent"

// Config is the local configuration: who the agent is, how it proves that, and
// where it keeps things. A key of the file is the name of the member in small
// letters, with dashes between the words, where none is given. Flags may change
// members after [Load]; [New] checks them again.
type Config struct {
	// Path is the file that the configuration was read from, "" if none.
	Path string

	// ConnectionString is that of a device or module, in the forms of wire §3.4.
	// What it says comes before the members below.
	ConnectionString string
	// ConnectionStringFile has it instead.
	ConnectionStringFile string
	// HostName is the hub's name, without a port.
	HostName string
	// DeviceID and ModuleID are the identity; the module is
	// [tvilling.SecurityModule] where nothing else is said.
	DeviceID, ModuleID string

	// ModuleKeyFile has the module's base64 key.
	ModuleKeyFile string
	// ModuleCertificateFile and ModulePrivateKeyFile are PEM files with which the
	// module connects, without a key.
	ModuleCertificateFile, ModulePrivateKeyFile string
	// DeviceKeyFile has the device's base64 key, with which the module's is
	// fetched at each start.
	DeviceKeyFile string
	// DeviceCertificateFile and DevicePrivateKeyFile are PEM files with which the
	// module's key is fetched at each start.
	DeviceCertificateFile, DevicePrivateKeyFile string
	// SASTokenFile (sas-token-file) has a shared access signature of the device,
	// with which the module's key is fetched once and then kept in
	// StateDirectory.
	SASTokenFile string

	// CAFile (ca-file) has the authorities, in PEM, that the hub's certificate
	// may be from. Those of the system are then not trusted, unless SystemRoots.
	CAFile string
	// SystemRoots trusts the system's authorities besides CAFile.
	SystemRoots bool
	// GatewayHostName is connected to instead of HostName, which tokens and user
	// names keep (wire §3.4).
	GatewayHostName string
	// MQTTPort (mqtt-port, 8883) and HTTPSPort (https-port, 443) are the hub's.
	MQTTPort, HTTPSPort int
	// KeepAlive is the longest silence of the connection, 0 for the default of
	// link. Shorter ones are for gateways that forget silent connections.
	KeepAlive time.Duration

	// AgentID is the GUID of the agent in its messages; see [Config.LoadAgentID].
	AgentID string
	// StateDirectory is the agent's own folder: /var/lib/tvilling-agent.
	StateDirectory string
	// ChecksDirectory has checks of the baseline beside those built in, "" for none.
	ChecksDirectory string
	// StatusSocket is where the running agent is asked for its status:
	// /run/tvilling-agent/status.sock; "" for nowhere.
	StatusSocket string
	// LogLevel is debug, info, warn or error.
	LogLevel string
}

// Default returns the configuration of an empty file.
func Default() Config {
	return Config{
		ModuleID: string(tvilling.SecurityModule), MQTTPort: 8883, HTTPSPort: 443,
		StateDirectory: "/var/lib/tvilling-agent", StatusSocket: "/run/tvilling-agent/status.sock", LogLevel: "info",
	}
}

// String describes c without its secrets.
func (c Config) String() string { return c.ID().String() + " at " + c.HostName }

// GoString describes c without its secrets.
func (c Config) GoString() string { return c.String() }

// LogValue describes c without its secrets.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// ID returns the identity that the agent connects as.
func (c Config) ID() tvilling.Identity {
	return tvilling.Identity{Device: tvilling.DeviceID(c.DeviceID), Module: tvilling.ModuleID(c.ModuleID)}
}
