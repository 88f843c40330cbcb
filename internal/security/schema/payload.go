package schema

import (
	"strconv"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
)

// Items reads a payload: the array of the items of an event of kind k, as it
// is in [event.Event.Payload] and in the event store. Of an event without
// items (Unknown, Heartbeat) there are none. It refuses what Decode refuses.
func Items(k event.Kind, payload []byte) ([]event.Item, error) {
	if k == event.Unknown || k == event.HeartbeatKind || k >= event.Kinds {
		return nil, nil
	}
	d := newDecoder(payload, place{event: -1, item: -1, member: "Payload"})
	if d.fault == "" && d.peek() != '[' {
		d.fail("The payload must be an array.")
	}
	var items []event.Item
	if d.fault == "" {
		d.slabs.first = 1
		d.items = make([]event.Item, 0, 4)
		items = d.array(k)
	}
	if d.fault == "" && d.peek() != 0 {
		d.malformed("there is something after its end")
	}
	switch {
	case d.fault != "":
		return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "decode payload", Subject: k.String(), Path: d.faultPath, Message: d.fault}
	case d.refused.reason != "":
		return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "decode payload", Subject: k.String(), Path: d.refused.path, Message: d.refused.reason}
	default:
		return items, nil
	}
}

// array reads the items of the payload whose bracket is the next byte.
func (d *decoder) array(k event.Kind) []event.Item {
	if d.items == nil {
		d.items = make([]event.Item, 0, 32)
	}
	from := len(d.items)
	d.open()
	n := 0
	for first := true; d.next(']', &first); n++ {
		d.place = place{event: d.place.event, item: n}
		d.peek()
		switch d.count++; {
		case d.refused.reason != "":
			d.skip()
		case d.count > MaxItems:
			d.skip()
			d.refuse("The events of a message may have at most " + strconv.Itoa(MaxItems) + " payload items together.")
		case d.peek() != '{':
			d.skip()
			d.refuse("A payload item must be an object.")
		default:
			it := d.slabs.item(k)
			d.item(it, &shapes[k])
			d.items = append(d.items, it)
		}
	}
	d.place = place{event: d.place.event, item: -1, member: "Payload"}
	if len(d.items) == from {
		return nil
	}
	return d.items[from:len(d.items):len(d.items)]
}

// item reads the members of an item.
func (d *decoder) item(it event.Item, s *shape) {
	d.open()
	index := d.place.item
	var seen, sent uint64
	for first := true; d.next('}', &first); {
		d.place.member, d.place.detail = d.name(), ""
		f := fieldOf(d.place.member)
		if f == extraDetails {
			if seen&(1<<f) != 0 {
				d.refuse("The member appears twice.")
			}
			seen |= 1 << f
			s.extra(it, d.extraDetails())
			continue
		}
		to := s.slot(it, f)
		switch {
		case to == (slot{}):
			d.skip()
			continue
		case seen&(1<<f) != 0:
			d.refuse("The member appears twice.")
		}
		seen |= 1 << f
		if d.member(f, to) {
			sent |= 1 << f
		}
	}
	d.place = place{event: d.place.event, item: index}
	if sent&(1<<event.Priority) != 0 {
		if r, ok := it.(*event.FirewallConfiguration); ok {
			r.HasPriority = true
		}
	}
	for _, n := range s.needs {
		if sent&n.any == 0 {
			d.refuse(n.reason)
		}
	}
}

// member reads a member into its slot and reports whether it says something.
func (d *decoder) member(f event.Field, to slot) bool {
	if d.peek() == 'n' {
		d.scalar('n')
		return false
	}
	text := d.body[min(d.i, len(d.body)-1)] == '"'
	s, ok := d.scalarText()
	switch {
	case d.fault != "":
		return false
	case len(s) > MaxText:
		d.refuse("It has " + strconv.Itoa(len(s)) + " bytes; at most " + strconv.Itoa(MaxText) + " are allowed.")
		return false
	case to.text != nil:
		if !ok {
			d.refuse("It must be text.")
			return false
		}
		*to.text = canonical(f, s)
		return s != ""
	case to.flag != nil:
		b, ok := flag(s)
		if !ok {
			d.refuse("It must be true or false.")
			return false
		}
		*to.flag = b
		return true
	case text && s == "":
		return false
	default:
		n, ok := integer(s)
		if !ok {
			d.refuse("It must be a whole number of 64 bits.")
			return false
		}
		*to.number = n
		return true
	}
}

func flag(s string) (value, ok bool) {
	switch {
	case s == "true", s == "1", strings.EqualFold(s, "true"):
		return true, true
	case s == "false", s == "0", strings.EqualFold(s, "false"):
		return false, true
	default:
		return false, false
	}
}

// integer reads a whole number: as JSON or in text, also with a fraction of
// zero or an exponent, or hexadecimal as Windows writes exit codes.
func integer(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err == nil {
		return n, true
	}
	if h, ok := strings.CutPrefix(s, "0x"); ok {
		u, err := strconv.ParseUint(h, 16, 32)
		return int64(u), err == nil
	}
	// Only what a float64 has exactly.
	const exact = 1 << 53
	x, err := strconv.ParseFloat(s, 64)
	if err != nil || x != x || x < -exact || x > exact || x != float64(int64(x)) {
		return 0, false
	}
	return int64(x), true
}

// extraDetails reads the object ExtraDetails. Values that are not text become
// text: agents send numbers (asc §3.7).
func (d *decoder) extraDetails() event.Details {
	switch d.peek() {
	case 'n':
		d.scalar('n')
		return nil
	case '{':
	default:
		d.skip()
		d.refuse("It must be an object.")
		return nil
	}
	d.open()
	from := len(d.details)
	for first := true; d.next('}', &first); {
		name := d.name()
		d.peek()
		if d.refused.reason != "" || !d.checkDetail(name, d.details[from:]) {
			d.skip()
			continue
		}
		start, blanks := d.i, d.blanks
		value, ok := d.scalarText()
		if !ok && d.fault == "" {
			value = d.text[start:d.i]
			if d.blanks != blanks {
				value = string(compact(nil, value))
			}
		}
		if len(value) > MaxText {
			d.place.detail = name
			d.refuse("It has " + strconv.Itoa(len(value)) + " bytes; at most " + strconv.Itoa(MaxText) + " are allowed.")
			continue
		}
		if d.details == nil {
			d.details = make([]event.Detail, 0, 16)
		}
		d.details = append(d.details, event.Detail{Name: name, Value: value})
	}
	if len(d.details) == from {
		return nil
	}
	return d.details[from:len(d.details):len(d.details)]
}

// checkDetail reports whether a detail of that name can be added.
func (d *decoder) checkDetail(name string, before event.Details) bool {
	if len(before) == MaxDetails {
		d.refuse("An item may have at most " + strconv.Itoa(MaxDetails) + " members in ExtraDetails.")
		return false
	}
	if len(name) > MaxName {
		d.place.detail = name
		d.refuse("The name has " + strconv.Itoa(len(name)) + " bytes; at most " + strconv.Itoa(MaxName) + " are allowed.")
		return false
	}
	if _, ok := before.Get(name); ok {
		d.place.detail = name
		d.refuse("The member appears twice.")
		return false
	}
	return true
}

// cut shortens a name for use in a path.
func cut(name string) string {
	const most = 64
	if len(name) <= most {
		return name
	}
	return strings.ToValidUTF8(name[:most], "") + "…"
}
