package event

// Kind returns [ConfigurationErrorKind].
func (i *ConfigurationError) Kind() Kind { return ConfigurationErrorKind }

// Details returns the ExtraDetails.
func (i *ConfigurationError) Details() Details { return i.Extra }

// Field returns the value of a field of i.
func (i *ConfigurationError) Field(f Field) (Value, bool) {
	switch f {
	case ConfigurationName:
		return text(i.ConfigurationName)
	case ErrorType:
		return text(i.ErrorType)
	case UsedConfiguration:
		return text(i.UsedConfiguration)
	case Text:
		return text(i.Message)
	default:
		return Value{}, false
	}
}

// Kind returns [DroppedEventsStatisticsKind].
func (i *DroppedEventsStatistics) Kind() Kind { return DroppedEventsStatisticsKind }

// Details returns the ExtraDetails.
func (i *DroppedEventsStatistics) Details() Details { return i.Extra }

// Field returns the value of a field of i.
func (i *DroppedEventsStatistics) Field(f Field) (Value, bool) {
	switch f {
	case Queue:
		return text(i.Queue)
	case CollectedEvents:
		return number(i.CollectedEvents)
	case DroppedEvents:
		return number(i.DroppedEvents)
	default:
		return Value{}, false
	}
}

// Kind returns [MessageStatisticsKind].
func (i *MessageStatistics) Kind() Kind { return MessageStatisticsKind }

// Details returns the ExtraDetails.
func (i *MessageStatistics) Details() Details { return i.Extra }

// Field returns the value of a field of i.
func (i *MessageStatistics) Field(f Field) (Value, bool) {
	switch f {
	case MessagesSent:
		return number(i.MessagesSent)
	case MessagesUnder4KB:
		return number(i.MessagesUnder4KB)
	case TotalFailed:
		return number(i.TotalFailed)
	default:
		return Value{}, false
	}
}

// Kind returns [DiagnosticKind].
func (i *Diagnostic) Kind() Kind { return DiagnosticKind }

// Details returns the ExtraDetails.
func (i *Diagnostic) Details() Details { return i.Extra }

// Field returns the value of a field of i.
func (i *Diagnostic) Field(f Field) (Value, bool) {
	switch f {
	case CorrelationID:
		return text(i.CorrelationID)
	case Severity:
		return text(i.Severity)
	case Text:
		return text(i.Message)
	case ProcessID:
		return number(i.ProcessID)
	case ThreadID:
		return number(i.ThreadID)
	default:
		return Value{}, false
	}
}
