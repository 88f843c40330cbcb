package packet

// Error is what is wrong with a packet. The values below are compared with
// errors.Is; each is one reason to close the connection ([MQTT-4.8.0-1]).
type Error struct {
	// Clause is the normative statement that is broken, without brackets.
	Clause string
	// Reason is a full sentence for people.
	Reason string
}

// Error returns the reason and the clause.
func (e *Error) Error() string { return e.Reason + " [" + e.Clause + "]" }

// What can be wrong with a packet.
var (
	ErrType          = &Error{"MQTT-2.2.1", "The packet type 0 or 15 is reserved."}
	ErrFlags         = &Error{"MQTT-2.2.2-2", "The flags of the fixed header are not those of the packet type."}
	ErrLength        = &Error{"MQTT-2.2.3", "The remaining length is longer than four bytes."}
	ErrTooLarge      = &Error{"MQTT-2.2.3", "The packet is larger than the receiver takes."}
	ErrTruncated     = &Error{"MQTT-4.8.0-1", "A field is longer than the rest of the packet."}
	ErrTrailing      = &Error{"MQTT-4.8.0-1", "The packet has bytes after its last field."}
	ErrUTF8          = &Error{"MQTT-1.5.3-1", "A string is not well-formed UTF-8."}
	ErrNull          = &Error{"MQTT-1.5.3-2", "A string contains the character U+0000."}
	ErrPacketID      = &Error{"MQTT-2.3.1-1", "The packet identifier is 0."}
	ErrProtocolName  = &Error{"MQTT-3.1.2-1", "The protocol name is not MQTT."}
	ErrProtocolLevel = &Error{"MQTT-3.1.2-2", "The protocol level is not 4 (MQTT 3.1.1)."}
	ErrConnectFlags  = &Error{"MQTT-3.1.2-3", "The reserved connect flag is set."}
	ErrWillQoS       = &Error{"MQTT-3.1.2-14", "The will's QoS is 3."}
	ErrWillFlags     = &Error{"MQTT-3.1.2-11", "Will QoS or will retain is set without a will."}
	ErrPasswordFlag  = &Error{"MQTT-3.1.2-22", "A password is given without a user name."}
	ErrQoS           = &Error{"MQTT-3.3.1-4", "The QoS of a PUBLISH is 3."}
	ErrDup           = &Error{"MQTT-3.3.1-2", "DUP is set on a PUBLISH of QoS 0."}
	ErrTopic         = &Error{"MQTT-4.7.3-1", "A topic name or filter is empty."}
	ErrWildcard      = &Error{"MQTT-3.3.2-2", "The topic name of a PUBLISH contains a wildcard character."}
	ErrNoFilter      = &Error{"MQTT-3.8.3-3", "A SUBSCRIBE or UNSUBSCRIBE has no topic filter."}
	ErrFilterQoS     = &Error{"MQTT-3.8.3-4", "The requested QoS of a filter is not 0, 1 or 2."}
	ErrConnackFlags  = &Error{"MQTT-3.2.2-4", "The acknowledge flags of a CONNACK are not valid."}
	ErrReturnCode    = &Error{"MQTT-3.9.3-2", "A return code is reserved."}
)
