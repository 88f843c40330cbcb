package eventdb

import (
	"encoding/binary"
	"math"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
)

// The contents of a block: messages one after the other, and the GUIDs, which
// no compression makes smaller, apart from them.
//
//	message = sequence:difference sender received:difference count ids length events[length]
//	sender  = index | next index, flags:u8 device module version agent
//	event   = flags kind [gap] [id] time [stated] [local] [type] [category] [name] payload
//	time    = seconds:difference digits:u8 [fraction]
//	text    = length bytes
//
// Numbers are varints, differences to the one before (signed where they may
// be negative; sequence to the first of the block). ids is how many bytes of
// GUIDs the events have; an agent's GUID comes before them. gap is how many
// events of the message, not stored here, come before this one. What is in
// brackets depends on flags. Names left out are those of the kind.

// Flags of a sender.
const (
	senderHub = 1 << iota
	senderGUID
	senderUpper
)

// Flags of an event. The two lowest bits are the form of its id.
const (
	flagEmpty       = 1 << 2
	flagGap         = 1 << 3
	flagStatedTime  = 1 << 4 // stated is time
	flagStatedZero  = 1 << 5
	flagLocalEmpty  = 1 << 6
	flagLocalShort  = 1 << 7
	shiftType       = 8 // two bits, 3 for one that is spelled out
	shiftCategory   = 10
	flagName        = 1 << 12
	formMask        = 3
	spelledOut      = 3
	maxSenders      = 1 << 20
	maxMessageBytes = 8 << 20
)

// sender is who sent a message, with all that its messages have in common.
type sender struct {
	from         tvilling.Identity
	hub          bool
	agentID      string
	agentVersion string
}

// header says what a block holds; it is stored beside it. Times are Unix
// nanoseconds.
type header struct {
	first, last    uint64
	oldest, newest int64
	mask           mask
	events         int64
}

// contents are those of a block, not compressed.
type contents struct {
	messages, guids []byte
}

func (c contents) size() int { return len(c.messages) + len(c.guids) }

// builder makes a block. What it has appended to its contents never changes,
// so that others may read it while more is added.
type builder struct {
	header
	contents
	senders  []sender
	received int64 // of the message before
	scratch  []byte
}

// add appends the events of a message that are not duplicates. There is one
// at least.
func (b *builder) add(m *event.Message, duplicates []bool) posting {
	if len(b.messages) == 0 {
		b.first = m.Sequence
		b.oldest, b.newest = math.MaxInt64, math.MinInt64
	}
	p := posting{sequence: m.Sequence, block: b.first, oldest: math.MaxInt64, newest: math.MinInt64}
	b.last = m.Sequence
	out := binary.AppendUvarint(b.messages, m.Sequence-b.first)
	out = b.addSender(out, sender{m.From, m.Hub, m.AgentID, m.AgentVersion})
	received := clampNano(m.Received)
	out = binary.AppendVarint(out, received-b.received)
	b.received = received

	events, before := b.scratch[:0], len(b.guids)
	count, next := 0, 0
	last := m.Received.Unix()
	for i := range m.Events {
		if duplicates[i] {
			continue
		}
		e := &m.Events[i]
		events, b.guids = appendEvent(events, b.guids, e, i-next, last)
		last = e.Time.Unix()
		count, next = count+1, i+1
		at := clampNano(e.Time)
		p.oldest, p.newest = min(p.oldest, at), max(p.newest, at)
		p.mask |= maskOf(e)
	}
	out = binary.AppendUvarint(out, uint64(count))
	out = binary.AppendUvarint(out, uint64(len(b.guids)-before))
	b.messages = appendText(out, events)
	b.oldest, b.newest = min(b.oldest, p.oldest), max(b.newest, p.newest)
	b.mask |= p.mask
	b.events += int64(count)
	b.scratch = events
	return p
}

func (b *builder) addSender(out []byte, s sender) []byte {
	for i, known := range b.senders {
		if known == s {
			return binary.AppendUvarint(out, uint64(i))
		}
	}
	out = binary.AppendUvarint(out, uint64(len(b.senders)))
	// The texts may share one copy of the whole message.
	s.agentID, s.agentVersion = strings.Clone(s.agentID), strings.Clone(s.agentVersion)
	b.senders = append(b.senders, s)
	flags := byte(0)
	if s.hub {
		flags |= senderHub
	}
	guid, form := parseGUID(s.agentID)
	if form != textID {
		flags |= senderGUID
	}
	if form == upperGUID {
		flags |= senderUpper
	}
	out = append(out, flags)
	out = appendText(out, s.from.Device)
	out = appendText(out, s.from.Module)
	out = appendText(out, s.agentVersion)
	if form == textID {
		return appendText(out, s.agentID)
	}
	b.guids = append(b.guids, guid[:]...)
	return out
}

// appendEvent appends an event that comes after one of the second last, with
// gap events between that are not stored.
func appendEvent(out, guids []byte, e *event.Event, gap int, last int64) (newOut, newGUIDs []byte) {
	guid, form := parseGUID(e.ID)
	flags := uint64(form)
	if e.Empty {
		flags |= flagEmpty
	}
	if gap > 0 {
		flags |= flagGap
	}
	utc := e.Stated
	switch {
	case e.Stated.Equal(e.Time):
		flags |= flagStatedTime
	case e.Stated.IsZero():
		flags |= flagStatedZero
		utc = e.Time
	}
	var space [64]byte
	local, short := space[:0], false
	if e.Local == "" {
		flags |= flagLocalEmpty
	} else if local, short = appendLocal(local, e.Local, utc); short {
		flags |= flagLocalShort
	}
	typ, category := typeOf(e.Type), categoryOf(e.Category)
	flags |= uint64(typ)<<shiftType | uint64(category)<<shiftCategory
	if e.Name != e.Kind.String() {
		flags |= flagName
	}

	out = binary.AppendUvarint(out, flags)
	out = append(out, byte(e.Kind))
	if gap > 0 {
		out = binary.AppendUvarint(out, uint64(gap))
	}
	if form == textID {
		out = appendText(out, e.ID)
	} else {
		guids = append(guids, guid[:]...)
	}
	out = appendTime(out, e.Time, last)
	if flags&(flagStatedTime|flagStatedZero) == 0 {
		out = appendTime(out, e.Stated, e.Time.Unix())
	}
	switch {
	case short:
		out = append(out, local...)
	case e.Local != "":
		out = appendText(out, e.Local)
	}
	if typ == spelledOut {
		out = appendText(out, e.Type)
	}
	if category == spelledOut {
		out = appendText(out, e.Category)
	}
	if flags&flagName != 0 {
		out = appendText(out, e.Name)
	}
	return appendText(out, e.Payload), guids
}

// appendTime appends a time as the difference to a second; a fraction takes
// no more digits than it has.
func appendTime(out []byte, t time.Time, last int64) []byte {
	out = binary.AppendVarint(out, t.Unix()-last)
	n := t.Nanosecond()
	if n == 0 {
		return append(out, 0)
	}
	digits := byte(9)
	for n%10 == 0 {
		n /= 10
		digits--
	}
	out = append(out, digits)
	return binary.AppendUvarint(out, uint64(n))
}

func (r *reader) time(last int64) time.Time {
	sec := last + r.varint()
	digits := r.byte()
	if digits == 0 {
		return time.Unix(sec, 0).UTC()
	}
	n := r.uvarint()
	if digits > 9 || n >= uint64(time.Second) {
		r.fail()
		return time.Time{}
	}
	for ; digits < 9; digits++ {
		n *= 10
	}
	return time.Unix(sec, int64(n%uint64(time.Second))).UTC()
}

// The times that nanoseconds since 1970 in 64 bits can say.
var (
	minNano = time.Unix(0, math.MinInt64)
	maxNano = time.Unix(0, math.MaxInt64)
)

// clampNano returns a time as Unix nanoseconds, or the nearest that can be said.
func clampNano(t time.Time) int64 {
	switch {
	case t.Before(minNano):
		return math.MinInt64
	case t.After(maxNano):
		return math.MaxInt64
	default:
		return t.UnixNano()
	}
}
