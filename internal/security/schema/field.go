package schema

import "github.com/tvilling/tvilling/internal/security/event"

// extraDetails stands for the member ExtraDetails, beside the fields of items.
const extraDetails = event.Fields

// fieldOf returns the field of a member's exact name. It finds what
// event.FieldOf finds, but every member of every item comes by here: the
// fields of the frequent events come first.
func fieldOf(name string) event.Field {
	if name == "ExtraDetails" {
		return extraDetails
	}
	switch name {
	case "Executable":
		return event.Executable
	case "CommandLine":
		return event.CommandLine
	case "UserId":
		return event.UserID
	case "UserName":
		return event.UserName
	case "ProcessId":
		return event.ProcessID
	case "ParentProcessId":
		return event.ParentProcessID
	case "ExitStatus":
		return event.ExitStatus
	case "RemoteAddress":
		return event.RemoteAddress
	case "RemotePort":
		return event.RemotePort
	case "LocalAddress":
		return event.LocalAddress
	case "LocalPort":
		return event.LocalPort
	case "Direction":
		return event.Direction
	case "Protocol":
		return event.Protocol
	case "Operation":
		return event.Operation
	case "Result":
		return event.Result
	default:
		return snapshotField(name)
	}
}

func snapshotField(name string) event.Field {
	switch name {
	case "Priority":
		return event.Priority
	case "ChainName":
		return event.ChainName
	case "Application":
		return event.Application
	case "Enabled":
		return event.Enabled
	case "Action":
		return event.Action
	case "SourceAddress":
		return event.SourceAddress
	case "SourcePort":
		return event.SourcePort
	case "DestinationAddress":
		return event.DestinationAddress
	case "DestinationPort":
		return event.DestinationPort
	case "GroupIds":
		return event.GroupIDs
	case "GroupNames":
		return event.GroupNames
	case "HardwareCategory":
		return event.HardwareCategory
	case "HardwareSubCategory":
		return event.HardwareSubCategory
	case "HardwareName":
		return event.HardwareName
	case "Description":
		return event.Description
	case "CceId":
		return event.CceID
	case "Error":
		return event.ErrorText
	case "Severity":
		return event.Severity
	default:
		return otherField(name)
	}
}

func otherField(name string) event.Field {
	switch name {
	case "OSName":
		return event.OSName
	case "OSVersion":
		return event.OSVersion
	case "OSVendor":
		return event.OSVendor
	case "OsArchitecture":
		return event.OSArchitecture
	case "HostName":
		return event.HostName
	case "BIOSVersion":
		return event.BIOSVersion
	case "BootDevice":
		return event.BootDevice
	case "TotalPhysicalMemoryInKB":
		return event.TotalPhysicalMemory
	case "FreePhysicalMemoryInKB":
		return event.FreePhysicalMemory
	case "TotalVirtualMemoryInKB":
		return event.TotalVirtualMemory
	case "FreeVirtualMemoryInKB":
		return event.FreeVirtualMemory
	case "ConfigurationName":
		return event.ConfigurationName
	case "ErrorType":
		return event.ErrorType
	case "UsedConfiguration":
		return event.UsedConfiguration
	case "Message":
		return event.Text
	case "Queue":
		return event.Queue
	case "CollectedEvents":
		return event.CollectedEvents
	case "DroppedEvents":
		return event.DroppedEvents
	case "MessagesSent":
		return event.MessagesSent
	case "MessagesUnder4KB":
		return event.MessagesUnder4KB
	case "TotalFailed":
		return event.TotalFailed
	case "CorrelationId":
		return event.CorrelationID
	case "ThreadId":
		return event.ThreadID
	case "Reason":
		return event.Reason
	case "Module":
		return event.ModuleName
	default:
		return event.NoField
	}
}
