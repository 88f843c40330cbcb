package syslog

// What the tests of the wire form look at.
var (
	AppendMessage = appendMessage
	Escape        = escape
)
