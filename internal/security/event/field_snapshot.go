package event

// Kind returns [ListeningPortsKind].
func (i *ListeningPorts) Kind() Kind { return ListeningPortsKind }

// Details returns the ExtraDetails.
func (i *ListeningPorts) Details() Details { return i.Extra }

// Field returns the value of a field of i.
func (i *ListeningPorts) Field(f Field) (Value, bool) {
	switch f {
	case Protocol:
		return text(i.Protocol)
	case LocalAddress:
		return text(i.LocalAddress)
	case LocalPort:
		return port(i.LocalPort)
	case RemoteAddress:
		return text(i.RemoteAddress)
	case RemotePort:
		return port(i.RemotePort)
	default:
		return Value{}, false
	}
}

// Kind returns [FirewallConfigurationKind].
func (i *FirewallConfiguration) Kind() Kind { return FirewallConfigurationKind }

// Details returns the ExtraDetails.
func (i *FirewallConfiguration) Details() Details { return i.Extra }

// Field returns the value of a field of i.
func (i *FirewallConfiguration) Field(f Field) (Value, bool) {
	switch f {
	case Priority:
		if !i.HasPriority {
			return Value{}, false
		}
		return number(i.Priority)
	case Direction:
		return text(i.Direction)
	case ChainName:
		return text(i.ChainName)
	case Application:
		return text(i.Application)
	case Enabled:
		return boolean(i.Enabled)
	case Action:
		return text(i.Action)
	case SourceAddress:
		return text(i.SourceAddress)
	case SourcePort:
		return port(i.SourcePort)
	case DestinationAddress:
		return text(i.DestinationAddress)
	case DestinationPort:
		return port(i.DestinationPort)
	case Protocol:
		return text(i.Protocol)
	default:
		return Value{}, false
	}
}

// Kind returns [LocalUsersKind].
func (i *LocalUsers) Kind() Kind { return LocalUsersKind }

// Details returns the ExtraDetails.
func (i *LocalUsers) Details() Details { return i.Extra }

// Field returns the value of a field of i.
func (i *LocalUsers) Field(f Field) (Value, bool) {
	switch f {
	case UserID:
		return text(i.UserID)
	case UserName:
		return text(i.UserName)
	case GroupIDs:
		return text(i.GroupIDs)
	case GroupNames:
		return text(i.GroupNames)
	default:
		return Value{}, false
	}
}

// Kind returns [ConnectedHardwareKind].
func (i *ConnectedHardware) Kind() Kind { return ConnectedHardwareKind }

// Details returns the ExtraDetails.
func (i *ConnectedHardware) Details() Details { return i.Extra }

// Field returns the value of a field of i.
func (i *ConnectedHardware) Field(f Field) (Value, bool) {
	switch f {
	case HardwareCategory:
		return text(i.HardwareCategory)
	case HardwareSubCategory:
		return text(i.HardwareSubCategory)
	case HardwareName:
		return text(i.HardwareName)
	default:
		return Value{}, false
	}
}

// Kind returns [OSBaselineKind].
func (i *OSBaseline) Kind() Kind { return OSBaselineKind }

// Details returns the ExtraDetails.
func (i *OSBaseline) Details() Details { return i.Extra }

// Field returns the value of a field of i.
func (i *OSBaseline) Field(f Field) (Value, bool) {
	switch f {
	case Description:
		return text(i.Description)
	case CceID:
		return text(i.CceID)
	case Result:
		return text(i.Result)
	case ErrorText:
		return text(i.Error)
	case Severity:
		return text(i.Severity)
	default:
		return Value{}, false
	}
}

// Kind returns [SystemInformationKind].
func (i *SystemInformation) Kind() Kind { return SystemInformationKind }

// Details returns the ExtraDetails.
func (i *SystemInformation) Details() Details { return i.Extra }

// Field returns the value of a field of i.
func (i *SystemInformation) Field(f Field) (Value, bool) {
	switch f {
	case OSName:
		return text(i.OSName)
	case OSVersion:
		return text(i.OSVersion)
	case OSVendor:
		return text(i.OSVendor)
	case OSArchitecture:
		return text(i.OSArchitecture)
	case HostName:
		return text(i.HostName)
	case BIOSVersion:
		return text(i.BIOSVersion)
	case BootDevice:
		return text(i.BootDevice)
	case TotalPhysicalMemory:
		return size(i.TotalPhysicalMemory)
	case FreePhysicalMemory:
		return size(i.FreePhysicalMemory)
	case TotalVirtualMemory:
		return size(i.TotalVirtualMemory)
	case FreeVirtualMemory:
		return size(i.FreeVirtualMemory)
	default:
		return Value{}, false
	}
}
