package client

import (
	"strings"

	"github.com/tvilling/tvilling"
)

// Connection is a parsed connection string.
type Connection struct {
	// HostName is the hub, with a port where it is not 443.
	HostName string
	// Policy and Key are the name and key of a shared access policy.
	Policy, Key string
	// ID is set instead of Policy when Key is that of a device or module.
	ID tvilling.Identity
	// Signature is a ready-made token, used as it is instead of a key.
	Signature string
}

// ParseConnection reads a connection string in one of the forms
//
//	HostName=…;SharedAccessKeyName=…;SharedAccessKey=…
//	HostName=…;DeviceId=…[;ModuleId=…];SharedAccessKey=…
//	HostName=…;SharedAccessSignature=…
//
// Names match whatever their letter case, and unknown ones are ignored. The
// error never repeats a key.
func ParseConnection(s string) (Connection, error) {
	var c Connection
	var device, module string
	for field := range strings.SplitSeq(strings.TrimSpace(s), ";") {
		if field == "" {
			continue
		}
		name, value, ok := strings.Cut(field, "=")
		if !ok {
			return Connection{}, connectionError("A connection string is a list of Name=value, separated by semicolons.")
		}
		switch strings.ToLower(name) {
		case "hostname":
			c.HostName = value
		case "sharedaccesskeyname":
			c.Policy = value
		case "sharedaccesskey":
			c.Key = value
		case "sharedaccesssignature":
			c.Signature = value
		case "deviceid":
			device = value
		case "moduleid":
			module = value
		}
	}
	c.ID = tvilling.Identity{Device: tvilling.DeviceID(device), Module: tvilling.ModuleID(module)}
	return c, c.check()
}

func (c Connection) check() error {
	switch {
	case c.HostName == "":
		return connectionError("The connection string has no HostName.")
	case c.Signature != "":
		return nil
	case c.Key == "":
		return connectionError("The connection string has no SharedAccessKey.")
	case c.Policy == "" && c.ID.Device == "":
		return connectionError("The connection string has neither SharedAccessKeyName nor DeviceId.")
	case c.Policy != "" && c.ID.Device != "":
		return connectionError("The connection string has both SharedAccessKeyName and DeviceId; which of them the key belongs to would be a guess.")
	case c.ID.Module != "" && c.ID.Device == "":
		return connectionError("The connection string has a ModuleId without a DeviceId.")
	}
	return nil
}

func connectionError(message string) error {
	return &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read connection string", Message: message}
}
