package packet

import "encoding/binary"

// Level is the protocol level of MQTT 3.1.1.
const Level = 4

// Connect is a CONNECT packet (MQTT 3.1.1 §3.1).
type Connect struct {
	CleanSession bool
	// KeepAlive is in seconds; 0 turns the client's keep-alive off.
	KeepAlive uint16
	ClientID  []byte
	// Will is nil when the client leaves none.
	Will *Will
	// Username and Password are nil when absent, which is not the same as empty.
	Username []byte
	Password []byte
}

// Will is the message that a client leaves for the event that its connection
// ends without a DISCONNECT.
type Will struct {
	Topic   []byte
	Payload []byte
	QoS     byte
	Retain  bool
}

const (
	flagReserved   = 0x01
	flagClean      = 0x02
	flagWill       = 0x04
	flagWillQoS    = 0x18
	flagWillRetain = 0x20
	flagPassword   = 0x40
	flagUsername   = 0x80
)

// DecodeConnect reads a CONNECT. [ErrProtocolLevel] means that the packet is
// for another version of MQTT and was read up to its level only, which level
// then says; a server answers it with [AppendUnsupported].
func DecodeConnect(f Frame) (c Connect, level byte, err error) {
	r := fields{b: f.Body}
	name := r.string()
	level = r.uint8()
	switch {
	case r.err != nil:
		return Connect{}, 0, r.err
	case string(name) != "MQTT":
		return Connect{}, 0, ErrProtocolName // [MQTT-3.1.2-1]
	case level != Level:
		return Connect{}, level, ErrProtocolLevel // [MQTT-3.1.2-2]
	}
	flags := r.uint8()
	if r.err == nil {
		if err := checkConnectFlags(flags); err != nil {
			return Connect{}, level, err
		}
	}
	c.CleanSession = flags&flagClean != 0
	c.KeepAlive = r.uint16()
	// The payload's fields come in this order [MQTT-3.1.3-1].
	c.ClientID = r.string() // [MQTT-3.1.3-3] [MQTT-3.1.3-4]
	if flags&flagWill != 0 {
		w := &Will{QoS: flags & flagWillQoS >> 3, Retain: flags&flagWillRetain != 0}
		w.Topic = r.string() // [MQTT-3.1.3-10]
		w.Payload = r.binary()
		if r.err == nil {
			if err := checkTopic(w.Topic); err != nil {
				return Connect{}, level, err
			}
		}
		c.Will = w
	}
	if flags&flagUsername != 0 {
		c.Username = r.string() // [MQTT-3.1.3-11] [MQTT-3.1.2-19]
	}
	if flags&flagPassword != 0 {
		c.Password = r.binary() // [MQTT-3.1.2-21]
	}
	if err := r.end(); err != nil {
		return Connect{}, level, err
	}
	return c, level, nil
}

func checkConnectFlags(flags byte) error {
	switch {
	case flags&flagReserved != 0:
		return ErrConnectFlags // [MQTT-3.1.2-3]
	case flags&flagWill == 0 && flags&(flagWillQoS|flagWillRetain) != 0:
		return ErrWillFlags // [MQTT-3.1.2-11] [MQTT-3.1.2-13] [MQTT-3.1.2-15]
	case flags&flagWillQoS == flagWillQoS:
		return ErrWillQoS // [MQTT-3.1.2-14]
	case flags&flagUsername == 0 && flags&flagPassword != 0:
		return ErrPasswordFlag // [MQTT-3.1.2-22]
	}
	return nil
}

// Append appends the packet to dst. No field may exceed [MaxString] bytes, and
// a password needs a user name.
func (c *Connect) Append(dst []byte) []byte {
	length := 10 + 2 + len(c.ClientID)
	var flags byte
	if c.CleanSession {
		flags |= flagClean
	}
	if w := c.Will; w != nil {
		flags |= flagWill | w.QoS<<3&flagWillQoS
		if w.Retain {
			flags |= flagWillRetain
		}
		length += 4 + len(w.Topic) + len(w.Payload)
	}
	if c.Username != nil {
		flags |= flagUsername
		length += 2 + len(c.Username)
	}
	if c.Password != nil {
		flags |= flagPassword
		length += 2 + len(c.Password)
	}
	dst = appendHeader(dst, CONNECT, 0, length)
	dst = append(dst, 0, 4, 'M', 'Q', 'T', 'T', Level, flags)
	dst = binary.BigEndian.AppendUint16(dst, c.KeepAlive)
	dst = appendString(dst, c.ClientID)
	if c.Will != nil {
		dst = appendString(dst, c.Will.Topic)
		dst = appendString(dst, c.Will.Payload)
	}
	if c.Username != nil {
		dst = appendString(dst, c.Username)
	}
	if c.Password != nil {
		dst = appendString(dst, c.Password)
	}
	return dst
}

// ReturnCode is the answer to a CONNECT (MQTT 3.1.1 table 3.1).
type ReturnCode byte

// The return codes.
const (
	Accepted            ReturnCode = 0
	UnacceptableLevel   ReturnCode = 1
	IdentifierRejected  ReturnCode = 2
	ServerUnavailable   ReturnCode = 3
	BadUsernamePassword ReturnCode = 4
	NotAuthorized       ReturnCode = 5
)

var returnCodeNames = [...]string{
	"accepted", "unacceptable protocol level", "identifier rejected",
	"server unavailable", "bad user name or password", "not authorized",
}

// String returns the meaning of the code.
func (c ReturnCode) String() string {
	if int(c) >= len(returnCodeNames) {
		return "reserved return code"
	}
	return returnCodeNames[c]
}

// Connack is a CONNACK packet (MQTT 3.1.1 §3.2).
type Connack struct {
	SessionPresent bool
	Code           ReturnCode
}

// DecodeConnack reads a CONNACK.
func DecodeConnack(f Frame) (Connack, error) {
	r := fields{b: f.Body}
	flags, code := r.uint8(), ReturnCode(r.uint8())
	if err := r.end(); err != nil {
		return Connack{}, err
	}
	if flags > 1 || flags == 1 && code != Accepted {
		return Connack{}, ErrConnackFlags // §3.2.2.1, [MQTT-3.2.2-4]
	}
	if code > NotAuthorized {
		return Connack{}, ErrReturnCode
	}
	return Connack{SessionPresent: flags == 1, Code: code}, nil
}

// Append appends the packet to dst.
func (c Connack) Append(dst []byte) []byte {
	var flags byte
	if c.SessionPresent && c.Code == Accepted { // [MQTT-3.2.2-4]
		flags = 1
	}
	return append(dst, byte(CONNACK)<<4, 2, flags, byte(c.Code))
}

// AppendUnsupported appends the answer to a CONNECT of another protocol level,
// in the form that a client of that level reads: MQTT 5 has reason 0x84 and a
// property length, older ones return code 1 [MQTT-3.1.2-2].
func AppendUnsupported(dst []byte, level byte) []byte {
	if level >= 5 {
		return append(dst, byte(CONNACK)<<4, 3, 0, 0x84, 0)
	}
	return Connack{Code: UnacceptableLevel}.Append(dst)
}
