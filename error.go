package tvilling

import (
	"errors"
	"fmt"
)

// Code says what kind of refusal or failure an [Error] is. Codes are words;
// the numbers and statuses of a wire protocol live in that protocol's adapter.
type Code string

// The codes of a hub.
const (
	// InvalidArgument: the caller sent something malformed or over a limit.
	InvalidArgument Code = "InvalidArgument"
	// Unsupported: well-formed, but this version of the hub does not do it.
	Unsupported Code = "Unsupported"
	// Unauthorized: no credential, a wrong one, or one without the permission.
	Unauthorized Code = "Unauthorized"
	// DeviceNotFound and ModuleNotFound: no such identity.
	DeviceNotFound Code = "DeviceNotFound"
	ModuleNotFound Code = "ModuleNotFound"
	// NotFound: no such thing, where the thing is not an identity.
	NotFound Code = "NotFound"
	// DeviceAlreadyExists and ModuleAlreadyExists: create met an existing identity.
	DeviceAlreadyExists Code = "DeviceAlreadyExists"
	ModuleAlreadyExists Code = "ModuleAlreadyExists"
	// ConfigurationNotFound and ConfigurationAlreadyExists: as for identities.
	ConfigurationNotFound      Code = "ConfigurationNotFound"
	ConfigurationAlreadyExists Code = "ConfigurationAlreadyExists"
	// TooManyConfigurations: the hub has its full number of configurations.
	TooManyConfigurations Code = "TooManyConfigurations"
	// InvalidTargetCondition, InvalidMetricsQuery and InvalidConfigurationContent:
	// that part of a configuration is malformed or over a limit.
	InvalidTargetCondition      Code = "InvalidTargetCondition"
	InvalidMetricsQuery         Code = "InvalidMetricsQuery"
	InvalidConfigurationContent Code = "InvalidConfigurationContent"
	// ImmutableConfigurationContent: the content of a configuration never changes.
	ImmutableConfigurationContent Code = "ImmutableConfigurationContent"
	// PreconditionFailed: the etag or base version given is not the current one.
	PreconditionFailed Code = "PreconditionFailed"
	// TooLarge: a message is larger than the hub takes.
	TooLarge Code = "TooLarge"
	// TooManyModules: the device has its full number of modules.
	TooManyModules Code = "TooManyModules"
	// Throttled: a bounded queue is full; the caller may try again.
	Throttled Code = "Throttled"
	// Unavailable: the hub cannot do it now (starting, stopping, disk full).
	Unavailable Code = "Unavailable"
	// Corrupt: a stored value does not match its checksum; it is never served.
	Corrupt Code = "Corrupt"
	// Internal: a fault of the hub. Its text never leaves the process.
	Internal Code = "Internal"
)

// Error is the error of the whole project.
type Error struct {
	Code Code
	// Op is the operation that failed, lower case: "patch reported".
	Op string
	// Subject is what it was done to: an identity, a path, a file.
	Subject string
	// Path is the place inside the input that is refused, if there is one.
	Path string
	// Message is for people: what is wrong, with the limit if there is one,
	// and what to do next.
	Message string
	// Err is the cause, for operators. It is logged, never sent to a client.
	Err error
}

// Error describes e with all it carries. Adapters send Message alone.
func (e *Error) Error() string {
	s := string(e.Code)
	if e.Op != "" {
		s = e.Op
		if e.Subject != "" {
			s += " " + e.Subject
		}
		s += ": " + string(e.Code)
	} else if e.Subject != "" {
		s += ": " + e.Subject
	}
	if e.Path != "" {
		s += ": " + e.Path
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an error with the given code and message. A %w verb sets the cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	cause := errors.Unwrap(err)
	if cause == nil {
		return &Error{Code: code, Message: err.Error()}
	}
	return &Error{Code: code, Message: err.Error(), Err: cause}
}

// CodeOf returns the code that err carries, "" for nil, and [Internal] for an
// error of another kind.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}

// MessageOf returns the text of err that a client may see: the message and
// path of an [Error], and a fixed text for a fault of the hub.
func MessageOf(err error) string {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Code == Internal {
		return "The hub met an internal fault; its log has the details under the tracking id."
	}
	if e.Path != "" {
		return e.Path + ": " + e.Message
	}
	return e.Message
}
