package event

// ProcessCreate tells of a process that was started.
type ProcessCreate struct {
	Executable, CommandLine, UserID, UserName string
	ProcessID, ParentProcessID                int64
	Extra                                     Details
}

// ProcessTerminate tells of a process that ended.
type ProcessTerminate struct {
	Executable            string
	ProcessID, ExitStatus int64
	Extra                 Details
}

// ConnectionCreate tells of a connection that was made. Ports are text: a
// number, a range, a list or "*".
type ConnectionCreate struct {
	RemoteAddress, RemotePort, LocalAddress, LocalPort string
	// Direction is "In" or "Out", Protocol as sent (TCP, tcp, UDP, …).
	Direction, Protocol             string
	Executable, CommandLine, UserID string
	ProcessID                       int64
	Extra                           Details
}

// Login tells of an attempt to log in.
type Login struct {
	UserID, UserName, Operation, Executable string
	// RemoteAddress is empty for a login at the device itself.
	RemoteAddress, RemotePort, LocalPort string
	// Result is "Success" or "Fail".
	Result    string
	ProcessID int64
	Extra     Details
}

// ListeningPorts is one listening endpoint.
type ListeningPorts struct {
	Protocol, LocalAddress, LocalPort, RemoteAddress, RemotePort string
	Extra                                                        Details
}

// FirewallConfiguration is one rule of a firewall, or the policy of a chain
// (the chain's last rule).
type FirewallConfiguration struct {
	Priority    int64
	HasPriority bool
	// Direction is "In" or "Out" where it is known; Action "Allow", "Deny" or "Other".
	Direction, ChainName, Application, Action                      string
	SourceAddress, SourcePort, DestinationAddress, DestinationPort string
	Protocol                                                       string
	Enabled                                                        bool
	Extra                                                          Details
}

// LocalUsers is one user account. Lists are joined by ';' (on Windows ',').
type LocalUsers struct {
	UserID, UserName, GroupIDs, GroupNames string
	Extra                                  Details
}

// ConnectedHardware is one connected part.
type ConnectedHardware struct {
	HardwareCategory, HardwareSubCategory, HardwareName string
	Extra                                               Details
}

// OSBaseline is one check that did not pass.
type OSBaseline struct {
	Description, CceID string
	// Result is "Pass", "Fail" or "Err".
	Result, Error string
	// Severity is "Critical", "Important", "Warning" or "Informational".
	Severity string
	Extra    Details
}

// SystemInformation tells what the device is. Sizes are in KiB, 0 if not sent.
type SystemInformation struct {
	OSName, OSVersion, OSVendor, OSArchitecture, HostName, BIOSVersion, BootDevice string
	TotalPhysicalMemory, FreePhysicalMemory, TotalVirtualMemory, FreeVirtualMemory int64
	Extra                                                                          Details
}

// ConfigurationError is what the agent says is wrong with its configuration.
type ConfigurationError struct {
	// ErrorType is "TypeMismatch", "NotOptimal" or "Conflict".
	ConfigurationName, ErrorType, UsedConfiguration, Message string
	Extra                                                    Details
}

// DroppedEventsStatistics tells what one queue of the agent took and lost.
type DroppedEventsStatistics struct {
	Queue                          string
	CollectedEvents, DroppedEvents int64
	Extra                          Details
}

// UrgentUnder4KB is the detail of MessageStatistics in which tvilling-agent tells
// how many of the small messages carried events that were to be sent at once.
const UrgentUnder4KB = "UrgentMessagesUnder4KB"

// MessageStatistics tells what the agent sent.
type MessageStatistics struct {
	MessagesSent, MessagesUnder4KB, TotalFailed int64
	Extra                                       Details
}

// Diagnostic is a line of the agent's own log.
type Diagnostic struct {
	CorrelationID, Severity, Message string
	ProcessID, ThreadID              int64
	Extra                            Details
}

// HubAuthentication tells of refused attempts to act as the device, seen by
// the hub itself.
type HubAuthentication struct {
	// Reason is one word: expired_token, wrong_key, wrong_certificate,
	// expired_certificate, disabled_identity, ….
	Reason string
	// Module is the module that the credential was shown for, if one.
	Module string
	// RemoteAddress is where the newest attempt came from.
	RemoteAddress string
	Protocol      string
	// Extra has HitCount, how many attempts the event stands for.
	Extra Details
}
