package account

import "strings"

// Role says what a user may do; each may do what those before it may.
type Role uint8

const (
	// Nobody is the zero role: it may do nothing.
	Nobody Role = iota
	// Viewer sees everything but secrets, and changes nothing.
	Viewer
	// Operator also works on alerts and recommendations, and changes devices,
	// twins and configurations.
	Operator
	// Admin also keeps users, keys, detections, sinks and the hub itself.
	Admin
)

var roleNames = [...]string{"nobody", "viewer", "operator", "admin"}

// String returns the role's name, lower case.
func (r Role) String() string {
	if int(r) >= len(roleNames) {
		return roleNames[Nobody]
	}
	return roleNames[r]
}

// ParseRole returns the role of a name; false for one that a user cannot have.
func ParseRole(name string) (Role, bool) {
	for r := Viewer; r <= Admin; r++ {
		if strings.EqualFold(name, roleNames[r]) {
			return r, true
		}
	}
	return Nobody, false
}
