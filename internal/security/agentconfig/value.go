package agentconfig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
)

// Value is the value of a property. Values are comparable: equal ones mean the
// same, however they were written.
type Value struct {
	kind   valueKind
	text   string
	number int64
}

type valueKind uint8

const (
	isNull valueKind = iota
	isText
	isDuration
	isSize
	isFlag
)

var null = Value{}

func durationValue(d time.Duration) Value { return Value{kind: isDuration, number: int64(d)} }
func sizeValue(n int64) Value             { return Value{kind: isSize, number: n} }
func textValue(s string) Value            { return Value{kind: isText, text: s} }
func flagValue(b bool) Value {
	if b {
		return Value{kind: isFlag, number: 1}
	}
	return Value{kind: isFlag}
}

// Duration returns the value of a duration, else 0.
func (v Value) Duration() time.Duration {
	if v.kind != isDuration {
		return 0
	}
	return time.Duration(v.number)
}

// Bytes returns the value of a size, else 0.
func (v Value) Bytes() int64 {
	if v.kind != isSize {
		return 0
	}
	return v.number
}

// Flag returns the value of a flag, else false.
func (v Value) Flag() bool { return v.kind == isFlag && v.number == 1 }

// Text returns a text or a priority, else "".
func (v Value) Text() string { return v.text }

// Null reports whether the value is null.
func (v Value) Null() bool { return v.kind == isNull }

// String returns the value as people write it.
func (v Value) String() string {
	switch v.kind {
	case isText:
		return v.text
	case isDuration:
		return FormatDuration(time.Duration(v.number))
	case isSize:
		return strconv.FormatInt(v.number, 10)
	case isFlag:
		return strconv.FormatBool(v.number == 1)
	default:
		return "null"
	}
}

// appendJSON appends the value as the wire has it, without the wrapping.
func (v Value) appendJSON(dst []byte) []byte {
	switch v.kind {
	case isText, isDuration:
		// Marshal fails on no string.
		b, _ := json.Marshal(v.String())
		return append(dst, b...)
	default:
		return append(dst, v.String()...)
	}
}

// ProblemKind says what sort of problem it is. The first three are the error
// types of the agents' own event ConfigurationError.
type ProblemKind string

// The kinds of problem.
const (
	TypeMismatch ProblemKind = "TypeMismatch"
	NotOptimal   ProblemKind = "NotOptimal"
	Conflict     ProblemKind = "Conflict"
	// OutOfRange: the value is beyond a documented limit; the default applies.
	OutOfRange ProblemKind = "OutOfRange"
	// NotPortable: it is understood, but not by every original agent.
	NotPortable ProblemKind = "NotPortable"
	// UnknownProperty: there is no such property, agents ignore it.
	UnknownProperty ProblemKind = "UnknownProperty"
)

// Problem is something that is wrong with a configuration, or unwise.
type Problem struct {
	Kind     ProblemKind
	Property string
	// Message is for people: what is wrong and what to do.
	Message string
}

// reading is how one value of an object was understood.
type reading struct {
	value Value
	// stated says that the object has it.
	stated bool
	// raw is the value as it was written, cut; for messages.
	raw     string
	problem *Problem
}

// usable reports whether the value was understood and is within its limits.
func (r *reading) usable() bool {
	return r.problem == nil || r.problem.Kind == NotPortable
}

// understood reports whether there is a value, within its limits or not.
func (r *reading) understood() bool {
	return r.problem == nil || r.problem.Kind != TypeMismatch
}

func (r *reading) bad(p *Property, kind ProblemKind, format string, args ...any) {
	if r.problem == nil {
		r.problem = &Problem{Kind: kind, Property: p.Name, Message: fmt.Sprintf(format, args...)}
	}
}

// read understands the value of a property. lenient takes what agents report:
// other spellings, numbers and booleans in quotes.
func read(p *Property, raw json.RawMessage, lenient bool) reading {
	raw = bytes.TrimSpace(raw)
	r := reading{stated: true, raw: cut(string(raw))}
	if bytes.Equal(raw, []byte("null")) {
		// null is as good as not there (asc §2.4).
		r.value, r.stated = p.Default, false
		return r
	}
	var text string
	quoted := json.Unmarshal(raw, &text) == nil
	if quoted {
		r.raw = cut(text)
	}
	switch p.Type {
	case Duration:
		r.duration(p, text, quoted)
	case Size:
		if !quoted {
			text = string(raw)
		}
		r.size(p, text, !quoted || lenient)
	case Priority:
		r.priority(p, text, quoted, lenient)
	case Flag:
		if !quoted {
			text = string(raw)
		}
		b, err := strconv.ParseBool(strings.ToLower(text))
		if err != nil || quoted && !lenient || text == "1" || text == "0" {
			r.bad(p, TypeMismatch, "%s must be true or false, without quotes; it is %s.", p.Name, r.shown(quoted))
			return r
		}
		r.value = flagValue(b)
	case Text:
		if !quoted {
			r.bad(p, TypeMismatch, "%s must be text or null; it is %s.", p.Name, r.raw)
			return r
		}
		if r.value = textValue(text); text == "" {
			r.value = p.Default
		}
		r.checkText(p)
	default: // the object has no property of another type
		r.bad(p, TypeMismatch, "%s is of the type %s, which is not of this object.", p.Name, p.Type)
	}
	return r
}

// shown returns the raw value for a message.
func (r *reading) shown(quoted bool) string {
	if quoted {
		return strconv.Quote(r.raw)
	}
	return r.raw
}

func (r *reading) duration(p *Property, text string, quoted bool) {
	if !quoted {
		r.bad(p, TypeMismatch, "%s must be an ISO 8601 duration in quotes such as %q; it is %s.", p.Name, p.Default.String(), r.raw)
		return
	}
	d, err := parseDuration(text)
	switch {
	case err != nil:
		r.bad(p, TypeMismatch, "%s: %s", p.Name, tvilling.MessageOf(err))
		return
	case d.length == 0:
		r.bad(p, TypeMismatch, "%s must be longer than nothing; agents refuse %q.", p.Name, text)
		return
	case d.length > maxAgentDuration:
		r.bad(p, NotPortable, "%s is longer than 49 days, which the C agent cannot hold.", p.Name)
	case d.special != "":
		r.bad(p, NotPortable, "%s is %q: %s. %q says the same.", p.Name, text, d.special, FormatDuration(d.length))
	}
	r.value = durationValue(d.length)
}

func (r *reading) size(p *Property, text string, ok bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		// JSON has one kind of number: 8192.0 and 8.192e3 are whole, too.
		f, ferr := strconv.ParseFloat(text, 64)
		if ferr == nil && f == float64(int64(f)) && f > -1<<53 && f < 1<<53 {
			n, err = int64(f), nil
		}
	}
	if err != nil || !ok {
		r.bad(p, TypeMismatch, "%s must be a whole number of bytes, without quotes; it is %s.", p.Name, r.shown(!ok))
		return
	}
	r.value = sizeValue(n)
	if n < p.Min || n > p.Max {
		r.bad(p, OutOfRange, "%s must be %s; it is %d.", p.Name, p.limits(), n)
	}
}

func (r *reading) priority(p *Property, text string, quoted, lenient bool) {
	for _, w := range []string{High, Low, Off} {
		if !quoted || !strings.EqualFold(text, w) {
			continue
		}
		r.value = textValue(w)
		if text != w && !lenient {
			r.bad(p, NotPortable, "%s is %q; the C# agent reads only %q.", p.Name, text, w)
		}
		return
	}
	r.bad(p, TypeMismatch, "%s must be \"High\", \"Low\" or \"Off\"; it is %s.", p.Name, r.shown(quoted))
}

// checkText checks the texts that have a form.
func (r *reading) checkText(p *Property) {
	switch s := r.value.text; p.Name {
	case BaselineCustomChecksFilePath:
		windows := len(s) > 3 && s[1] == ':' && (s[2] == '\\' || s[2] == '/')
		if s != "" && !strings.HasPrefix(s, "/") && !windows {
			r.bad(p, OutOfRange, "%s must be an absolute path on the device; it is %q.", p.Name, r.raw)
		}
	case BaselineCustomChecksFileHash:
		hexadecimal := strings.IndexFunc(s, func(c rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF", c) }) < 0
		if s != "" && (len(s) != 64 || !hexadecimal) {
			r.bad(p, OutOfRange, "%s must be a SHA-256, 64 hexadecimal digits; it has %d characters or others.", p.Name, len(s))
		}
		// Upper and lower case are the same hash.
		r.value.text = strings.ToLower(s)
	}
}
