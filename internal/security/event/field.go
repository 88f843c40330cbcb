package event

// Field names a member of an item.
type Field uint8

// The fields of all items. NoField is none of them.
const (
	NoField Field = iota
	Executable
	CommandLine
	UserID
	UserName
	ProcessID
	ParentProcessID
	ExitStatus
	RemoteAddress
	RemotePort
	LocalAddress
	LocalPort
	Direction
	Protocol
	Operation
	Result
	Priority
	ChainName
	Application
	Enabled
	Action
	SourceAddress
	SourcePort
	DestinationAddress
	DestinationPort
	GroupIDs
	GroupNames
	HardwareCategory
	HardwareSubCategory
	HardwareName
	Description
	CceID
	ErrorText // member Error
	Severity
	OSName
	OSVersion
	OSVendor
	OSArchitecture
	HostName
	BIOSVersion
	BootDevice
	TotalPhysicalMemory
	FreePhysicalMemory
	TotalVirtualMemory
	FreeVirtualMemory
	ConfigurationName
	ErrorType
	UsedConfiguration
	Text // member Message
	Queue
	CollectedEvents
	DroppedEvents
	MessagesSent
	MessagesUnder4KB
	TotalFailed
	CorrelationID
	ThreadID
	Reason // of HubAuthentication
	ModuleName
	Fields // how many there are
)
