package eventdb

import (
	"bytes"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
)

// cursor walks the messages of a block.
type cursor struct {
	first    uint64
	r        reader
	guids    reader
	senders  []sender
	received int64

	// The message it is at.
	sequence uint64
	sender   *sender
	at       time.Time
	events   reader
	ids      reader
	left     uint64 // events not yet read
	index    int    // place of the event last read in its message
	last     int64  // second of that event
}

func newCursor(first uint64, c contents) *cursor {
	return &cursor{first: first, r: reader{b: c.messages}, guids: reader{b: c.guids}}
}

// next goes to the next message; false at the end of the block. A block that
// is malformed ends with an error.
func (c *cursor) next() (ok bool, err error) {
	if len(c.r.b) == 0 && !c.r.bad {
		return false, nil
	}
	c.sequence = c.first + c.r.uvarint()
	c.readSender()
	c.received += c.r.varint()
	c.at = time.Unix(0, c.received).UTC()
	c.left = c.r.uvarint()
	c.ids = reader{b: c.guids.take(c.r.uvarint())}
	c.events = reader{b: c.r.text()}
	if c.r.bad || c.guids.bad {
		return false, errMalformed
	}
	c.index, c.last = -1, c.at.Unix()
	return true, nil
}

func (c *cursor) readSender() {
	i := c.r.uvarint()
	if i < uint64(len(c.senders)) {
		c.sender = &c.senders[i]
		return
	}
	if i != uint64(len(c.senders)) || i >= maxSenders {
		c.r.fail()
		return
	}
	flags := c.r.byte()
	s := sender{hub: flags&senderHub != 0}
	s.from.Device = tvilling.DeviceID(c.r.text())
	s.from.Module = tvilling.ModuleID(c.r.text())
	s.agentVersion = string(c.r.text())
	if flags&senderGUID == 0 {
		s.agentID = string(c.r.text())
	} else {
		form := lowerGUID
		if flags&senderUpper != 0 {
			form = upperGUID
		}
		s.agentID = string(c.guids.guid(form))
	}
	// The one before may be pointed to: it is not needed any more.
	c.senders = append(c.senders, s)
	c.sender = &c.senders[i]
}

func (r *reader) guid(form int) []byte {
	g := r.take(guidBytes)
	if g == nil {
		return nil
	}
	return appendGUID(make([]byte, 0, guidText), g, form)
}

// view is a stored event, as parts of the block.
type view struct {
	flags      uint64
	index      int
	kind       event.Kind
	id         []byte // text, or 16 bytes
	time       time.Time
	stated     time.Time
	local      []byte // text, or short form
	typ        []byte // if spelled out
	category   []byte
	name       []byte
	payload    []byte
	localShort bool
}

// event reads the next event of the message; false at its end.
func (c *cursor) event(v *view) (ok bool, err error) {
	if c.left == 0 {
		if len(c.events.b) > 0 || len(c.ids.b) > 0 {
			return false, errMalformed
		}
		return false, nil
	}
	c.left--
	r := &c.events
	*v = view{flags: r.uvarint()}
	v.kind = event.Kind(r.byte())
	v.index = c.index + 1
	if v.flags&flagGap != 0 {
		v.index += int(r.uvarint())
	}
	if v.flags&formMask == textID {
		v.id = r.text()
	} else {
		v.id = c.ids.take(guidBytes)
	}
	v.time = r.time(c.last)
	c.index, c.last = v.index, v.time.Unix()
	switch {
	case v.flags&flagStatedTime != 0:
		v.stated = v.time
	case v.flags&flagStatedZero == 0:
		v.stated = r.time(v.time.Unix())
	}
	switch {
	case v.flags&flagLocalShort != 0:
		v.localShort = true
		start := r.b
		r.varint()
		r.take(2)
		r.text()
		v.local = start[:len(start)-len(r.b)]
	case v.flags&flagLocalEmpty == 0:
		v.local = r.text()
	}
	if v.flags>>shiftType&3 == spelledOut {
		v.typ = r.text()
	}
	if v.flags>>shiftCategory&3 == spelledOut {
		v.category = r.text()
	}
	if v.flags&flagName != 0 {
		v.name = r.text()
	}
	v.payload = r.text()
	if r.bad || c.ids.bad {
		return false, errMalformed
	}
	return true, nil
}

// appendID appends the text of the event's id.
func (v *view) appendID(dst []byte) []byte {
	if form := int(v.flags & formMask); form != textID {
		return appendGUID(dst, v.id, form)
	}
	return append(dst, v.id...)
}

// hasName reports whether the event has a name.
func (v *view) hasName(n string) bool {
	if v.flags&flagName != 0 {
		return string(v.name) == n
	}
	return v.kind.String() == n
}

func (v *view) eventType() event.Type {
	if n := v.flags >> shiftType & 3; n != spelledOut {
		return types[n]
	}
	return event.Type(v.typ)
}

func (v *view) hasType(t event.Type) bool {
	if n := v.flags >> shiftType & 3; n != spelledOut {
		return types[n] == t
	}
	return string(v.typ) == string(t)
}

// record returns the event with all that it has, as a copy.
func (v *view) record(c *cursor) *event.Record {
	e := event.Event{
		ID: string(v.appendID(make([]byte, 0, guidText))), Kind: v.kind, Name: v.kind.String(),
		Type: v.eventType(), Time: v.time, Stated: v.stated, Empty: v.flags&flagEmpty != 0,
		Payload: bytes.Clone(v.payload),
	}
	if v.flags&flagName != 0 {
		e.Name = string(v.name)
		if e.Kind == event.Unknown { // it was, when the event was stored
			e.Kind = event.KindOf(e.Name)
		}
	}
	if n := v.flags >> shiftCategory & 3; n != spelledOut {
		e.Category = categories[n]
	} else {
		e.Category = event.Category(v.category)
	}
	if v.localShort {
		utc := v.stated
		if v.flags&flagStatedZero != 0 && v.flags&flagStatedTime == 0 {
			utc = v.time
		}
		r := reader{b: v.local}
		e.Local = string(readLocal(&r, nil, utc))
	} else {
		e.Local = string(v.local)
	}
	return &event.Record{
		From: c.sender.from, Position: event.Position{Sequence: c.sequence, Index: v.index}, Received: c.at,
		Hub: c.sender.hub, AgentID: c.sender.agentID, AgentVersion: c.sender.agentVersion, Event: e,
	}
}
