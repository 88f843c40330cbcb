package schema

import "github.com/tvilling/tvilling/internal/security/event"

func slotProcessCreate(it event.Item, f event.Field) slot {
	i := it.(*event.ProcessCreate)
	switch f {
	case event.Executable:
		return slot{text: &i.Executable}
	case event.ProcessID:
		return slot{number: &i.ProcessID}
	case event.ParentProcessID:
		return slot{number: &i.ParentProcessID}
	case event.UserID:
		return slot{text: &i.UserID}
	case event.UserName:
		return slot{text: &i.UserName}
	case event.CommandLine:
		return slot{text: &i.CommandLine}
	default:
		return slot{}
	}
}

func slotProcessTerminate(it event.Item, f event.Field) slot {
	i := it.(*event.ProcessTerminate)
	switch f {
	case event.Executable:
		return slot{text: &i.Executable}
	case event.ProcessID:
		return slot{number: &i.ProcessID}
	case event.ExitStatus:
		return slot{number: &i.ExitStatus}
	default:
		return slot{}
	}
}

func slotConnectionCreate(it event.Item, f event.Field) slot {
	i := it.(*event.ConnectionCreate)
	switch f {
	case event.RemoteAddress:
		return slot{text: &i.RemoteAddress}
	case event.RemotePort:
		return slot{text: &i.RemotePort}
	case event.LocalAddress:
		return slot{text: &i.LocalAddress}
	case event.LocalPort:
		return slot{text: &i.LocalPort}
	case event.Direction:
		return slot{text: &i.Direction}
	case event.Protocol:
		return slot{text: &i.Protocol}
	case event.ProcessID:
		return slot{number: &i.ProcessID}
	case event.UserID:
		return slot{text: &i.UserID}
	case event.Executable:
		return slot{text: &i.Executable}
	case event.CommandLine:
		return slot{text: &i.CommandLine}
	default:
		return slot{}
	}
}

func slotLogin(it event.Item, f event.Field) slot {
	i := it.(*event.Login)
	switch f {
	case event.ProcessID:
		return slot{number: &i.ProcessID}
	case event.UserID:
		return slot{text: &i.UserID}
	case event.UserName:
		return slot{text: &i.UserName}
	case event.Operation:
		return slot{text: &i.Operation}
	case event.Executable:
		return slot{text: &i.Executable}
	case event.RemoteAddress:
		return slot{text: &i.RemoteAddress}
	case event.RemotePort:
		return slot{text: &i.RemotePort}
	case event.LocalPort:
		return slot{text: &i.LocalPort}
	case event.Result:
		return slot{text: &i.Result}
	default:
		return slot{}
	}
}

func slotListeningPorts(it event.Item, f event.Field) slot {
	i := it.(*event.ListeningPorts)
	switch f {
	case event.Protocol:
		return slot{text: &i.Protocol}
	case event.LocalAddress:
		return slot{text: &i.LocalAddress}
	case event.LocalPort:
		return slot{text: &i.LocalPort}
	case event.RemoteAddress:
		return slot{text: &i.RemoteAddress}
	case event.RemotePort:
		return slot{text: &i.RemotePort}
	default:
		return slot{}
	}
}

func slotFirewallConfiguration(it event.Item, f event.Field) slot {
	i := it.(*event.FirewallConfiguration)
	switch f {
	case event.Priority:
		return slot{number: &i.Priority}
	case event.Direction:
		return slot{text: &i.Direction}
	case event.ChainName:
		return slot{text: &i.ChainName}
	case event.Application:
		return slot{text: &i.Application}
	case event.Enabled:
		return slot{flag: &i.Enabled}
	case event.Action:
		return slot{text: &i.Action}
	case event.SourceAddress:
		return slot{text: &i.SourceAddress}
	case event.SourcePort:
		return slot{text: &i.SourcePort}
	case event.DestinationAddress:
		return slot{text: &i.DestinationAddress}
	case event.DestinationPort:
		return slot{text: &i.DestinationPort}
	case event.Protocol:
		return slot{text: &i.Protocol}
	default:
		return slot{}
	}
}

func slotLocalUsers(it event.Item, f event.Field) slot {
	i := it.(*event.LocalUsers)
	switch f {
	case event.UserID:
		return slot{text: &i.UserID}
	case event.UserName:
		return slot{text: &i.UserName}
	case event.GroupIDs:
		return slot{text: &i.GroupIDs}
	case event.GroupNames:
		return slot{text: &i.GroupNames}
	default:
		return slot{}
	}
}

func slotConnectedHardware(it event.Item, f event.Field) slot {
	i := it.(*event.ConnectedHardware)
	switch f {
	case event.HardwareCategory:
		return slot{text: &i.HardwareCategory}
	case event.HardwareSubCategory:
		return slot{text: &i.HardwareSubCategory}
	case event.HardwareName:
		return slot{text: &i.HardwareName}
	default:
		return slot{}
	}
}

func slotOSBaseline(it event.Item, f event.Field) slot {
	i := it.(*event.OSBaseline)
	switch f {
	case event.Description:
		return slot{text: &i.Description}
	case event.CceID:
		return slot{text: &i.CceID}
	case event.Result:
		return slot{text: &i.Result}
	case event.ErrorText:
		return slot{text: &i.Error}
	case event.Severity:
		return slot{text: &i.Severity}
	default:
		return slot{}
	}
}

func slotSystemInformation(it event.Item, f event.Field) slot {
	i := it.(*event.SystemInformation)
	switch f {
	case event.OSName:
		return slot{text: &i.OSName}
	case event.OSVersion:
		return slot{text: &i.OSVersion}
	case event.OSVendor:
		return slot{text: &i.OSVendor}
	case event.OSArchitecture:
		return slot{text: &i.OSArchitecture}
	case event.HostName:
		return slot{text: &i.HostName}
	case event.BIOSVersion:
		return slot{text: &i.BIOSVersion}
	case event.BootDevice:
		return slot{text: &i.BootDevice}
	case event.TotalPhysicalMemory:
		return slot{number: &i.TotalPhysicalMemory}
	case event.FreePhysicalMemory:
		return slot{number: &i.FreePhysicalMemory}
	case event.TotalVirtualMemory:
		return slot{number: &i.TotalVirtualMemory}
	case event.FreeVirtualMemory:
		return slot{number: &i.FreeVirtualMemory}
	default:
		return slot{}
	}
}

func slotConfigurationError(it event.Item, f event.Field) slot {
	i := it.(*event.ConfigurationError)
	switch f {
	case event.ConfigurationName:
		return slot{text: &i.ConfigurationName}
	case event.ErrorType:
		return slot{text: &i.ErrorType}
	case event.UsedConfiguration:
		return slot{text: &i.UsedConfiguration}
	case event.Text:
		return slot{text: &i.Message}
	default:
		return slot{}
	}
}

func slotDroppedEventsStatistics(it event.Item, f event.Field) slot {
	i := it.(*event.DroppedEventsStatistics)
	switch f {
	case event.Queue:
		return slot{text: &i.Queue}
	case event.CollectedEvents:
		return slot{number: &i.CollectedEvents}
	case event.DroppedEvents:
		return slot{number: &i.DroppedEvents}
	default:
		return slot{}
	}
}

func slotMessageStatistics(it event.Item, f event.Field) slot {
	i := it.(*event.MessageStatistics)
	switch f {
	case event.MessagesSent:
		return slot{number: &i.MessagesSent}
	case event.MessagesUnder4KB:
		return slot{number: &i.MessagesUnder4KB}
	case event.TotalFailed:
		return slot{number: &i.TotalFailed}
	default:
		return slot{}
	}
}

func slotDiagnostic(it event.Item, f event.Field) slot {
	i := it.(*event.Diagnostic)
	switch f {
	case event.CorrelationID:
		return slot{text: &i.CorrelationID}
	case event.Severity:
		return slot{text: &i.Severity}
	case event.Text:
		return slot{text: &i.Message}
	case event.ProcessID:
		return slot{number: &i.ProcessID}
	case event.ThreadID:
		return slot{number: &i.ThreadID}
	default:
		return slot{}
	}
}

func slotHubAuthentication(it event.Item, f event.Field) slot {
	i := it.(*event.HubAuthentication)
	switch f {
	case event.Reason:
		return slot{text: &i.Reason}
	case event.ModuleName:
		return slot{text: &i.Module}
	case event.RemoteAddress:
		return slot{text: &i.RemoteAddress}
	case event.Protocol:
		return slot{text: &i.Protocol}
	default:
		return slot{}
	}
}
