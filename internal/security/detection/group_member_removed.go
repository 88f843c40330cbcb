package detection

import (
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// GroupMemberRemoved finds local users that belong to fewer groups than before.
func GroupMemberRemoved() detect.Stateful {
	return &groupChange{info: &detect.Info{
		ID: "group-member-removed", Type: "IoT_LocalUserRemovedFromGroup", Title: "Local user removed from a group", Severity: ledger.Low,
		Description: "A user account of the device no longer belongs to a group that it belonged to in the snapshot before. An intruder may lock administrators out that way.",
		Version:     "1", Source: detect.Builtin,
		Remediation: []string{
			"Confirm the change with the device's administrator.",
			"If nobody made it on purpose, restore the membership and find out who took it away.",
		},
		Techniques: []string{"T1531", "T1098.007"}, Tactics: []string{"Impact", "Persistence"},
		FalsePositives: []string{"Planned maintenance; packages that are removed with their groups."},
	}}
}
