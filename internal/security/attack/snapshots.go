package attack

import "github.com/tvilling/tvilling/internal/security/event"

// users is a snapshot of accounts, in which pump has the given groups, and of
// more.
func users(ids, groups string, more ...event.Item) []event.Item {
	return append([]event.Item{
		&event.LocalUsers{UserID: "0", UserName: "root", GroupIDs: "0", GroupNames: "root"},
		&event.LocalUsers{UserID: "33", UserName: "www-data", GroupIDs: "33", GroupNames: "www-data"},
		&event.LocalUsers{UserID: "1000", UserName: "pump", GroupIDs: ids, GroupNames: groups},
	}, more...)
}

// firewall is a snapshot of a firewall; closed says that it refuses what no
// rule allows.
func firewall(closed bool) []event.Item {
	action := "Allow"
	if closed {
		action = "Deny"
	}
	return []event.Item{
		&event.FirewallConfiguration{Priority: 1, HasPriority: true, Direction: "In", ChainName: "INPUT", Enabled: true, Action: "Allow", DestinationPort: "22", Protocol: "tcp"},
		&event.FirewallConfiguration{Priority: 2, HasPriority: true, Direction: "In", ChainName: "INPUT", Enabled: true, Action: action},
		&event.FirewallConfiguration{Priority: 1, HasPriority: true, Direction: "Out", ChainName: "OUTPUT", Enabled: true, Action: "Allow"},
	}
}

// snapshots are the attacks that show by the difference of two snapshots.
func snapshots() []Attack {
	tell := func(title string, items []event.Item) Step {
		return Step{Title: title, act: func(s *scene) {
			s.ordinary(1)
			s.add(items...)
		}}
	}
	few, many := users("1000", "pump"), users("27;1000", "sudo;pump")
	helper := users("1000", "pump", &event.LocalUsers{UserID: "1001", UserName: "helper", GroupIDs: "27;1001", GroupNames: "sudo;helper"})
	return []Attack{
		{
			Name: "group-member-added", Title: "Local user added to a group", Type: "IoT_LocalUserAddedToGroup", Detection: "group-member-added",
			Describe: "Between two snapshots of the accounts a user becomes a member of sudo.",
			Steps:    []Step{tell("The device tells of its accounts", few), tell("The device tells again: a user is in sudo now", many)},
		},
		{
			Name: "group-member-removed", Title: "Local user removed from a group", Type: "IoT_LocalUserRemovedFromGroup", Detection: "group-member-removed",
			Describe: "Between two snapshots of the accounts a user ceases to be a member of sudo.",
			Steps:    []Step{tell("The device tells of its accounts", many), tell("The device tells again: a user is not in sudo any more", few)},
		},
		{
			Name: "local-user-added", Title: "Local user added", Type: "IoT_LocalUserAdded", Detection: "local-user-added",
			Describe: "Between two snapshots of the accounts there comes a user, a member of sudo.",
			Steps:    []Step{tell("The device tells of its accounts", few), tell("The device tells again: there is another user, in sudo", helper)},
		},
		{
			Name: "local-user-deleted", Title: "Local user deletion detected", Type: "IoT_LocalUserDeleted", Detection: "local-user-deleted",
			Describe: "Between two snapshots of the accounts a user vanishes.",
			Steps:    []Step{tell("The device tells of its accounts", helper), tell("The device tells again: a user is gone", few)},
		},
		{
			Name: "firewall-opened", Title: "Firewall lost all rules that deny", Type: "IoT_DisableFirewall", Detection: "firewall-opened",
			Describe: "Between two snapshots the firewall loses everything that denies.",
			Steps:    []Step{tell("The device tells of its firewall", firewall(true)), tell("The device tells again: nothing is denied now", firewall(false))},
		},
	}
}

// agents are the attacks on the agent itself.
func agents() []Attack {
	return []Attack{
		{
			Name: "agent-configuration-not-parsed", Title: "The agent could not read its configuration",
			Type: "IoT_AgentConfigurationNotParsed", Detection: "agent-configuration-not-parsed",
			Describe: "The agent tells that a value in its configuration has the wrong type.",
			Steps: []Step{{Title: "The agent tells of the configuration error", act: func(s *scene) {
				s.ordinary(1)
				s.add(&event.ConfigurationError{
					ConfigurationName: "snapshotFrequency", ErrorType: "TypeMismatch", UsedConfiguration: `"PT13H"`,
					Message: `The value "often" is no ISO 8601 duration; the default is used.`,
				})
				s.events[len(s.events)-1].Type = event.Operational
			}}},
		},
		{
			Name: "device-silent", Title: "Device silent", Type: "IoT_DeviceSilent", Detection: "device-silent",
			Describe: "The device sends nothing for longer than it may.",
			Unavailable: "Silence takes its time and cannot be told by a message: send one message from the device, then none for the interval of the detection " +
				"(parameter interval, 10 minutes at least, 72 hours as delivered), while the hub runs.",
		},
	}
}

// attempts is how often a refused credential is shown.
const attempts = 3

// credentials are the attacks on the hub's door. The hub itself tells of them.
func credentials() []Attack {
	refused := func(name, title, typ, describe string, kind Kind, what string) Attack {
		a := Attack{Name: name, Title: title, Type: typ, Detection: name, Describe: describe}
		for range attempts {
			a.Steps = append(a.Steps, Step{Kind: kind, Title: "Somebody connects as the device with " + what})
		}
		return a
	}
	return []Attack{
		refused("expired-token", "Expired SAS token", "IoT_Expired_SAS_Token",
			"Somebody connects as the device with a token that has run out.", ExpiredToken, "a token that has run out"),
		refused("invalid-signature", "Invalid SAS token signature", "IoT_Invalid_SAS_Token",
			"Somebody connects as the device with a token that another key has signed.", WrongKey, "a token signed with another key"),
		refused("thumbprint-mismatch", "X.509 device certificate thumbprint mismatch", "IoT_Cert_Print_Mismatch",
			"Somebody connects as the device with another certificate. The device must be registered with certificate thumbprints.", WrongCertificate, "another certificate"),
		refused("certificate-expired", "X.509 certificate expired", "IoT_Cert_Expired",
			"Somebody connects as the device with a certificate that has run out. The device must be registered with certificates.", ExpiredCertificate, "a certificate that has run out"),
	}
}
