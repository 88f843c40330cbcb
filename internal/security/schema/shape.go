package schema

import "github.com/tvilling/tvilling/internal/security/event"

// slot is where the value of a field is kept: one of the pointers is set, none
// if the item has no such field.
type slot struct {
	text   *string
	number *int64
	flag   *bool
}

// need is a thing without which an item is of no use: one of the fields must
// say something. Other members may be missing even where the published schema
// requires them (asc §3.5).
type need struct {
	any    uint64
	reason string
}

// shape says how the items of a kind are laid out.
type shape struct {
	slot  func(it event.Item, f event.Field) slot
	extra func(it event.Item, d event.Details)
	needs []need
	// fields has the order on the wire; members that the published schema
	// requires, in required, are always written.
	fields   []event.Field
	required uint64
}

// set returns a set of fields. There are fewer than 64, see below.
func set(fields ...event.Field) uint64 {
	var s uint64
	for _, f := range fields {
		s |= 1 << f
	}
	return s
}

const _ = uint8(63 - extraDetails) // does not compile when there are too many fields

var shapes = [event.Kinds]shape{
	event.ProcessCreateKind: {
		slot:     slotProcessCreate,
		extra:    func(it event.Item, d event.Details) { it.(*event.ProcessCreate).Extra = d },
		needs:    []need{{set(event.Executable, event.CommandLine), "The item has neither Executable nor CommandLine."}},
		fields:   []event.Field{event.Executable, event.ProcessID, event.ParentProcessID, event.UserID, event.UserName, event.CommandLine},
		required: set(event.Executable, event.ProcessID, event.ParentProcessID, event.UserID, event.CommandLine),
	},
	event.ProcessTerminateKind: {
		slot:     slotProcessTerminate,
		extra:    func(it event.Item, d event.Details) { it.(*event.ProcessTerminate).Extra = d },
		needs:    []need{{set(event.Executable), "The item has no Executable."}},
		fields:   []event.Field{event.Executable, event.ProcessID, event.ExitStatus},
		required: set(event.Executable, event.ProcessID, event.ExitStatus),
	},
	event.ConnectionCreateKind: {
		slot:     slotConnectionCreate,
		extra:    func(it event.Item, d event.Details) { it.(*event.ConnectionCreate).Extra = d },
		needs:    []need{{set(event.RemoteAddress), "The item has no RemoteAddress."}},
		fields:   []event.Field{event.RemoteAddress, event.RemotePort, event.LocalAddress, event.LocalPort, event.Direction, event.Protocol, event.ProcessID, event.UserID, event.Executable, event.CommandLine},
		required: set(event.RemoteAddress, event.RemotePort, event.Direction, event.Protocol, event.ProcessID, event.Executable),
	},
	event.LoginKind: {
		slot:     slotLogin,
		extra:    func(it event.Item, d event.Details) { it.(*event.Login).Extra = d },
		needs:    []need{{set(event.Result), "The item has no Result."}},
		fields:   []event.Field{event.ProcessID, event.UserID, event.UserName, event.Operation, event.Executable, event.RemoteAddress, event.RemotePort, event.LocalPort, event.Result},
		required: set(event.ProcessID, event.Operation, event.Executable, event.Result),
	},
	event.ListeningPortsKind: {
		slot:     slotListeningPorts,
		extra:    func(it event.Item, d event.Details) { it.(*event.ListeningPorts).Extra = d },
		needs:    []need{{set(event.LocalPort), "The item has no LocalPort."}},
		fields:   []event.Field{event.Protocol, event.LocalAddress, event.LocalPort, event.RemoteAddress, event.RemotePort},
		required: set(event.Protocol, event.LocalPort),
	},
	event.FirewallConfigurationKind: {
		slot:     slotFirewallConfiguration,
		extra:    func(it event.Item, d event.Details) { it.(*event.FirewallConfiguration).Extra = d },
		needs:    []need{{set(event.Action), "The item has no Action."}},
		fields:   []event.Field{event.Priority, event.Direction, event.ChainName, event.Application, event.Enabled, event.Action, event.SourceAddress, event.SourcePort, event.DestinationAddress, event.DestinationPort, event.Protocol},
		required: set(event.Enabled, event.Action),
	},
	event.LocalUsersKind: {
		slot:     slotLocalUsers,
		extra:    func(it event.Item, d event.Details) { it.(*event.LocalUsers).Extra = d },
		needs:    []need{{set(event.UserID, event.UserName), "The item has neither UserId nor UserName."}},
		fields:   []event.Field{event.UserID, event.UserName, event.GroupIDs, event.GroupNames},
		required: set(event.UserID, event.UserName, event.GroupIDs, event.GroupNames),
	},
	event.ConnectedHardwareKind: {
		slot:     slotConnectedHardware,
		extra:    func(it event.Item, d event.Details) { it.(*event.ConnectedHardware).Extra = d },
		needs:    []need{{set(event.HardwareCategory, event.HardwareSubCategory, event.HardwareName), "The item says nothing of the hardware."}},
		fields:   []event.Field{event.HardwareCategory, event.HardwareSubCategory, event.HardwareName},
		required: set(event.HardwareCategory, event.HardwareSubCategory, event.HardwareName),
	},
	event.OSBaselineKind: {
		slot:     slotOSBaseline,
		extra:    func(it event.Item, d event.Details) { it.(*event.OSBaseline).Extra = d },
		needs:    []need{{set(event.Description, event.CceID), "The item has neither Description nor CceId."}, {set(event.Result), "The item has no Result."}},
		fields:   []event.Field{event.Description, event.CceID, event.Result, event.ErrorText, event.Severity},
		required: set(event.Description, event.CceID, event.Result, event.ErrorText, event.Severity),
	},
	event.SystemInformationKind: {
		slot:   slotSystemInformation,
		extra:  func(it event.Item, d event.Details) { it.(*event.SystemInformation).Extra = d },
		fields: []event.Field{event.OSName, event.OSVersion, event.OSVendor, event.OSArchitecture, event.HostName, event.BIOSVersion, event.BootDevice, event.TotalPhysicalMemory, event.FreePhysicalMemory, event.TotalVirtualMemory, event.FreeVirtualMemory},
	},
	event.ConfigurationErrorKind: {
		slot:     slotConfigurationError,
		extra:    func(it event.Item, d event.Details) { it.(*event.ConfigurationError).Extra = d },
		needs:    []need{{set(event.ConfigurationName, event.ErrorType, event.Text), "The item has neither ConfigurationName, ErrorType nor Message."}},
		fields:   []event.Field{event.ConfigurationName, event.ErrorType, event.UsedConfiguration, event.Text},
		required: set(event.ConfigurationName, event.ErrorType, event.UsedConfiguration, event.Text),
	},
	event.DroppedEventsStatisticsKind: {
		slot:     slotDroppedEventsStatistics,
		extra:    func(it event.Item, d event.Details) { it.(*event.DroppedEventsStatistics).Extra = d },
		needs:    []need{{set(event.CollectedEvents, event.DroppedEvents), "The item has neither CollectedEvents nor DroppedEvents."}},
		fields:   []event.Field{event.Queue, event.CollectedEvents, event.DroppedEvents},
		required: set(event.Queue, event.CollectedEvents, event.DroppedEvents),
	},
	event.MessageStatisticsKind: {
		slot:     slotMessageStatistics,
		extra:    func(it event.Item, d event.Details) { it.(*event.MessageStatistics).Extra = d },
		needs:    []need{{set(event.MessagesSent, event.MessagesUnder4KB, event.TotalFailed), "The item has no number."}},
		fields:   []event.Field{event.MessagesSent, event.MessagesUnder4KB, event.TotalFailed},
		required: set(event.MessagesSent, event.MessagesUnder4KB, event.TotalFailed),
	},
	event.DiagnosticKind: {
		slot:     slotDiagnostic,
		extra:    func(it event.Item, d event.Details) { it.(*event.Diagnostic).Extra = d },
		needs:    []need{{set(event.Text), "The item has no Message."}},
		fields:   []event.Field{event.CorrelationID, event.Severity, event.Text, event.ProcessID, event.ThreadID},
		required: set(event.Severity, event.Text, event.ProcessID, event.ThreadID),
	},
	event.HubAuthenticationKind: {
		slot:     slotHubAuthentication,
		extra:    func(it event.Item, d event.Details) { it.(*event.HubAuthentication).Extra = d },
		needs:    []need{{set(event.Reason), "The item has no Reason."}},
		fields:   []event.Field{event.Reason, event.ModuleName, event.RemoteAddress, event.Protocol},
		required: set(event.Reason),
	},
}
