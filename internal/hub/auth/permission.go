package auth

import (
	"strings"

	"github.com/tvilling/tvilling"
)

// Permission is a set of rights.
type Permission uint16

// The rights of a hub. The first four are those of an IoT Hub; the two of
// security are this hub's own.
const (
	// RegistryRead reads identities, their keys among them.
	RegistryRead Permission = 1 << iota
	// RegistryWrite creates, changes and deletes identities.
	RegistryWrite
	// ServiceConnect reads and writes twins, runs queries, reads messages.
	ServiceConnect
	// DeviceConnect acts as a device or module.
	DeviceConnect
	// SecurityRead reads security module twins and security messages.
	SecurityRead
	// SecurityWrite changes security module twins.
	SecurityWrite
)

// permissionNames are in the order of the bits.
var permissionNames = [...]string{
	"RegistryRead", "RegistryWrite", "ServiceConnect", "DeviceConnect", "SecurityRead", "SecurityWrite",
}

const allPermissions = Permission(1<<len(permissionNames) - 1)

// Has reports whether every right of q is in p.
func (p Permission) Has(q Permission) bool { return p&q == q }

// String lists the rights by name, separated by a comma and a space.
func (p Permission) String() string {
	var names []string
	for i, name := range permissionNames {
		if p.Has(1 << i) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// ParsePermission reads what String writes: names in any order and any letter
// case, separated by commas. At least one is required.
func ParsePermission(s string) (Permission, error) {
	var p Permission
names:
	for field := range strings.SplitSeq(s, ",") {
		field = strings.TrimSpace(field)
		for i, name := range permissionNames {
			if strings.EqualFold(field, name) {
				p |= 1 << i
				continue names
			}
		}
		return 0, tvilling.Errorf(tvilling.InvalidArgument,
			"%q is not a permission; the permissions are %s.", clip(field), allPermissions)
	}
	return p, nil
}

// MarshalText is String.
func (p Permission) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is [ParsePermission].
func (p *Permission) UnmarshalText(b []byte) error {
	q, err := ParsePermission(string(b))
	if err != nil {
		return err
	}
	*p = q
	return nil
}
