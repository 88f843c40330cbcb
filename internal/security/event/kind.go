package event

// Kind is the name of an event as a number.
type Kind uint8

// The kinds of event. The order is part of formats on disk: new ones go to the end.
const (
	Unknown Kind = iota
	ProcessCreateKind
	ProcessTerminateKind
	ConnectionCreateKind
	LoginKind
	ListeningPortsKind
	FirewallConfigurationKind
	LocalUsersKind
	ConnectedHardwareKind
	OSBaselineKind
	SystemInformationKind
	ConfigurationErrorKind
	DroppedEventsStatisticsKind
	MessageStatisticsKind
	DiagnosticKind
	HeartbeatKind
	// HubAuthenticationKind is made by the hub: it refused a credential that
	// was shown for the device.
	HubAuthenticationKind
	Kinds // how many there are
)

var kindNames = [Kinds]string{
	"", "ProcessCreate", "ProcessTerminate", "ConnectionCreate", "Login", "ListeningPorts", "FirewallConfiguration",
	"LocalUsers", "ConnectedHardware", "OSBaseline", "SystemInformation", "ConfigurationError",
	"DroppedEventsStatistics", "MessageStatistics", "Diagnostic", "Heartbeat", "HubAuthentication",
}

// String returns the name on the wire, "" for [Unknown].
func (k Kind) String() string {
	if k >= Kinds {
		return ""
	}
	return kindNames[k]
}

// KindOf returns the kind of a name, [Unknown] if there is none. Names are
// case-sensitive.
func KindOf(name string) Kind {
	for k, n := range kindNames {
		if n == name && k != 0 {
			return Kind(k)
		}
	}
	return Unknown
}

// Snapshot reports whether events of the kind tell all there is at a time, so
// that an empty one means that nothing is there.
func (k Kind) Snapshot() bool {
	switch k {
	case ListeningPortsKind, FirewallConfigurationKind, LocalUsersKind, ConnectedHardwareKind, OSBaselineKind,
		SystemInformationKind, DroppedEventsStatisticsKind, MessageStatisticsKind:
		return true
	default:
		return false
	}
}
