package recommend

import (
	"slices"

	"github.com/tvilling/tvilling/internal/security/ledger"
)

// The types of recommendation.
const (
	OpenPorts                = "IoT_OpenPorts"
	PermissiveFirewallPolicy = "IoT_PermissiveFirewallPolicy"
	Baseline                 = "IoT_Baseline"
	InstallAgent             = "IoT_InstallAgent"
	ConfigurationMismatch    = "IoT_AgentConfigurationMismatch"
	ConfigurationNotOptimal  = "IoT_AgentConfigurationNotOptimal"
	ConfigurationConflict    = "IoT_AgentConfigurationConflict"
	AgentSendsUnutilized     = "IoT_AgentSendsUnutilizedMessages"
	SharedCredentials        = "IoT_SharedCredentials"
)

const (
	// actor is who changes recommendations, in the feed.
	actor = "hub:recommend"
	// What the feed says was done.
	active, updated, mended = "active", "updated", "resolved"
	// How desired and reported configuration compare.
	inSync, differs, noReport = "inSync", "differs", "notReported"
	// Who wants to be woken for a device.
	partyInstall, partyCompare = "recommend-install", "recommend-compare"
	// Under which names a device's memory has what is remembered.
	memoryName, pendingName = "recommend", "recommend-pending"
)

// Info says what a recommendation is.
type Info struct {
	Type, Title, Description string
	Severity                 ledger.Severity
	// Fix are the steps that mend it.
	Fix []string
	// Source is what it is judged by.
	Source string
}

// Catalogue returns all recommendations, in the order of their types.
func Catalogue() []Info { return slices.Clone(catalogue) }

// Lookup returns the recommendation of a type.
func Lookup(typ string) (Info, bool) {
	i := slices.IndexFunc(catalogue, func(c Info) bool { return c.Type == typ })
	if i < 0 {
		return Info{}, false
	}
	return catalogue[i], true
}

var catalogue = []Info{
	{
		Type: ConfigurationConflict, Title: "The agent's configuration contradicts itself", Severity: ledger.Low,
		Description: "Values of the security agent's configuration exclude each other: a cache smaller than one message, urgent events that wait longer than others, custom checks without a file. The agent cannot do as it is told.",
		Fix: []string{
			"Change one of the two values in the desired properties of the security module twin; the details name them.",
			"Where a patch is ready, apply it: it writes the whole configuration with the values set right.",
		},
		Source: "the desired configuration, and ConfigurationError events",
	},
	{
		Type: ConfigurationMismatch, Title: "The agent does not run with the desired configuration", Severity: ledger.Low,
		Description: "What the security agent reports as its configuration is not what is desired in the security module twin. It has not received the change, could not read it, or does not know the property.",
		Fix: []string{
			"Read the details: each difference says how it comes.",
			"Check that the device is connected; then that each desired value has its documented type and form.",
			"Write the whole configuration object at once: original agents set what a patch leaves out to its default.",
		},
		Source: "the desired and reported configuration",
	},
	{
		Type: ConfigurationNotOptimal, Title: "The agent's configuration is not optimal", Severity: ledger.Low,
		Description: "A value of the security agent's configuration works but costs more than it must, or is outside of its documented limits: messages are counted in blocks of 4096 bytes, and a size between two blocks leaves the last one partly empty.",
		Fix: []string{
			"Change the value in the desired properties of the security module twin; the details name it and say what to use.",
			"Where a patch is ready, apply it: it writes the whole configuration with the value set right.",
		},
		Source: "the desired configuration, and ConfigurationError events",
	},
	{
		Type: AgentSendsUnutilized, Title: "The agent sends messages that are nearly empty", Severity: ledger.Low,
		Description: "Of the security messages that the agent sent within a day, a tenth or more had less than 4096 bytes, the unit in which messages are counted. Fewer and fuller messages carry the same events at less cost.",
		Fix: []string{
			"Let events wait longer: raise highPriorityMessageFrequency, or give events that are not urgent the priority Low.",
			"Where a patch is ready, apply it: it doubles the time that urgent events may wait.",
		},
		Source: "MessageStatistics events of 24 hours",
	},
	{
		Type: Baseline, Title: "The system is not set up as the baseline asks", Severity: ledger.Medium,
		Description: "Checks of the operating system's set-up failed, or could not be made. Each of them is something that attackers are known to use, or that would slow them down.",
		Fix: []string{
			"Mend what is Critical and Important first; the details say what was found.",
			"What to do about each check, and why, says \"tvilling-agent baseline ID\" on the device; the manual's list of checks has it, too. Your own checks have it in their file.",
			"What makes no sense on the device, leave out: name it in disabledChecks of the member tvillingAgent of the security module twin.",
			"What was mended is seen at the agent's next snapshot: after snapshotFrequency, when the agent is started again, or on SIGHUP.",
		},
		Source: "OSBaseline snapshots",
	},
	{
		Type: InstallAgent, Title: "Install the security agent", Severity: ledger.Low,
		Description: "The device was registered some time ago and has never sent a security message. Without an agent, or an application that sends such messages itself, the hub sees nothing of what happens on the device.",
		Fix: []string{
			"Install the security agent on the device and give it the credentials of the device or of its security module.",
			"If it is installed, check that it runs, that it reaches the hub, and what its log says.",
		},
		Source: "the device's registration and its security messages",
	},
	{
		Type: OpenPorts, Title: "Open ports on the device", Severity: ledger.Medium,
		Description: "Programs on the device accept connections from the network. Each of them is a way in.",
		Fix: []string{
			"For each endpoint in the details find out which program listens and whether anybody outside of the device needs it.",
			"Stop and disable what nobody needs; bind what only the device itself needs to 127.0.0.1.",
			"Let the firewall admit only those addresses that need the rest.",
		},
		Source: "ListeningPorts snapshots",
	},
	{
		Type: PermissiveFirewallPolicy, Title: "The firewall allows by default", Severity: ledger.Medium,
		Description: "The policy of the input or the output chain of the device's firewall lets pass whatever no rule names.",
		Fix: []string{
			"Add rules for the traffic that the device needs.",
			"Then set the policy of the chain to deny: iptables -P INPUT DROP, or the like in the tool that manages your rules.",
			"Keep a way in that does not depend on the network while you try it.",
		},
		Source: "FirewallConfiguration snapshots",
	},
	{
		Type: SharedCredentials, Title: "Devices share credentials", Severity: ledger.High,
		Description: "The device or one of its modules has the same key or certificate as another device. Whoever takes it from one can act as all of them, and no one of them can be locked out alone.",
		Fix: []string{
			"Give every identity a key or certificate of its own; the details name those that share.",
			"Check how devices are provisioned: images that carry a key, or scripts that register many with the same one.",
		},
		Source: "the credentials in the registry",
	},
}
