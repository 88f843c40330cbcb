package event

import "strings"

var fieldNames = [Fields]string{
	Executable: "Executable", CommandLine: "CommandLine", UserID: "UserId", UserName: "UserName",
	ProcessID: "ProcessId", ParentProcessID: "ParentProcessId", ExitStatus: "ExitStatus",
	RemoteAddress: "RemoteAddress", RemotePort: "RemotePort", LocalAddress: "LocalAddress", LocalPort: "LocalPort",
	Direction: "Direction", Protocol: "Protocol", Operation: "Operation", Result: "Result",
	Priority: "Priority", ChainName: "ChainName", Application: "Application", Enabled: "Enabled", Action: "Action",
	SourceAddress: "SourceAddress", SourcePort: "SourcePort",
	DestinationAddress: "DestinationAddress", DestinationPort: "DestinationPort",
	GroupIDs: "GroupIds", GroupNames: "GroupNames",
	HardwareCategory: "HardwareCategory", HardwareSubCategory: "HardwareSubCategory", HardwareName: "HardwareName",
	Description: "Description", CceID: "CceId", ErrorText: "Error", Severity: "Severity",
	OSName: "OSName", OSVersion: "OSVersion", OSVendor: "OSVendor", OSArchitecture: "OsArchitecture",
	HostName: "HostName", BIOSVersion: "BIOSVersion", BootDevice: "BootDevice",
	TotalPhysicalMemory: "TotalPhysicalMemoryInKB", FreePhysicalMemory: "FreePhysicalMemoryInKB",
	TotalVirtualMemory: "TotalVirtualMemoryInKB", FreeVirtualMemory: "FreeVirtualMemoryInKB",
	ConfigurationName: "ConfigurationName", ErrorType: "ErrorType", UsedConfiguration: "UsedConfiguration",
	Text: "Message", Queue: "Queue", CollectedEvents: "CollectedEvents", DroppedEvents: "DroppedEvents",
	MessagesSent: "MessagesSent", MessagesUnder4KB: "MessagesUnder4KB", TotalFailed: "TotalFailed",
	CorrelationID: "CorrelationId", ThreadID: "ThreadId", Reason: "Reason", ModuleName: "Module",
}

// String returns the name of the member on the wire, "" for [NoField].
func (f Field) String() string {
	if f >= Fields {
		return ""
	}
	return fieldNames[f]
}

// FieldOf returns the field of a member's name on the wire. The exact spelling
// comes first; else upper and lower case do not matter.
func FieldOf(name string) (Field, bool) {
	folded := NoField
	for f := NoField + 1; f < Fields; f++ {
		switch n := fieldNames[f]; {
		case n == name:
			return f, true
		case folded == NoField && strings.EqualFold(n, name):
			folded = f
		}
	}
	return folded, folded != NoField
}
