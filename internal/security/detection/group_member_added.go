package detection

import (
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// GroupMemberAdded finds local users that belong to more groups than before.
func GroupMemberAdded() detect.Stateful {
	return &groupChange{added: true, info: &detect.Info{
		ID: "group-member-added", Type: "IoT_LocalUserAddedToGroup", Title: "Local user added to a group", Severity: ledger.Low,
		Description: "A user account of the device belongs to a group that it did not belong to in the snapshot before. Membership of a group such as sudo or docker can make it an administrator.",
		Version:     "1", Source: detect.Builtin,
		Remediation: []string{
			"Confirm the change with the device's administrator.",
			"If nobody made it on purpose, take the user out of the group and find out who did.",
		},
		Techniques: []string{"T1098.007"}, Tactics: []string{"Persistence", "Privilege Escalation"},
		FalsePositives: []string{"Planned maintenance; packages that add their service's user to a group."},
	}}
}
