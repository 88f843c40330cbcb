package event

// Kind returns [ProcessCreateKind].
func (i *ProcessCreate) Kind() Kind { return ProcessCreateKind }

// Details returns the ExtraDetails.
func (i *ProcessCreate) Details() Details { return i.Extra }

// Field returns the value of a field of i.
func (i *ProcessCreate) Field(f Field) (Value, bool) {
	switch f {
	case Executable:
		return text(i.Executable)
	case CommandLine:
		return text(i.CommandLine)
	case UserID:
		return text(i.UserID)
	case UserName:
		return text(i.UserName)
	case ProcessID:
		return number(i.ProcessID)
	case ParentProcessID:
		return number(i.ParentProcessID)
	default:
		return Value{}, false
	}
}

// Kind returns [ProcessTerminateKind].
func (i *ProcessTerminate) Kind() Kind { return ProcessTerminateKind }

// Details returns the ExtraDetails.
func (i *ProcessTerminate) Details() Details { return i.Extra }

// Field returns the value of a field of i.
func (i *ProcessTerminate) Field(f Field) (Value, bool) {
	switch f {
	case Executable:
		return text(i.Executable)
	case ProcessID:
		return number(i.ProcessID)
	case ExitStatus:
		return number(i.ExitStatus)
	default:
		return Value{}, false
	}
}

// Kind returns [ConnectionCreateKind].
func (i *ConnectionCreate) Kind() Kind { return ConnectionCreateKind }

// Details returns the ExtraDetails.
func (i *ConnectionCreate) Details() Details { return i.Extra }

// Field returns the value of a field of i.
func (i *ConnectionCreate) Field(f Field) (Value, bool) {
	switch f {
	case RemoteAddress:
		return text(i.RemoteAddress)
	case RemotePort:
		return port(i.RemotePort)
	case LocalAddress:
		return text(i.LocalAddress)
	case LocalPort:
		return port(i.LocalPort)
	case Direction:
		return text(i.Direction)
	case Protocol:
		return text(i.Protocol)
	case ProcessID:
		return number(i.ProcessID)
	case UserID:
		return text(i.UserID)
	case Executable:
		return text(i.Executable)
	case CommandLine:
		return text(i.CommandLine)
	default:
		return Value{}, false
	}
}

// Kind returns [LoginKind].
func (i *Login) Kind() Kind { return LoginKind }

// Details returns the ExtraDetails.
func (i *Login) Details() Details { return i.Extra }

// Field returns the value of a field of i.
func (i *Login) Field(f Field) (Value, bool) {
	switch f {
	case ProcessID:
		return number(i.ProcessID)
	case UserID:
		return text(i.UserID)
	case UserName:
		return text(i.UserName)
	case Operation:
		return text(i.Operation)
	case Executable:
		return text(i.Executable)
	case RemoteAddress:
		return text(i.RemoteAddress)
	case RemotePort:
		return port(i.RemotePort)
	case LocalPort:
		return port(i.LocalPort)
	case Result:
		return text(i.Result)
	default:
		return Value{}, false
	}
}

// Kind returns [HubAuthenticationKind].
func (i *HubAuthentication) Kind() Kind { return HubAuthenticationKind }

// Details returns the ExtraDetails.
func (i *HubAuthentication) Details() Details { return i.Extra }

// Field returns the value of a field of i.
func (i *HubAuthentication) Field(f Field) (Value, bool) {
	switch f {
	case Reason:
		return text(i.Reason)
	case ModuleName:
		return text(i.Module)
	case RemoteAddress:
		return text(i.RemoteAddress)
	case Protocol:
		return text(i.Protocol)
	default:
		return Value{}, false
	}
}
