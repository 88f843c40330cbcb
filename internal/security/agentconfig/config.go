package agentconfig

import (
	"bytes"
	"encoding/json"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"
)

// properties is how many there are; table has them.
const properties = 30

// Config is a whole configuration: a value for every property. Configs are
// comparable. The zero Config is not one; see [Default].
type Config struct {
	values [properties]Value
	stated [properties]bool
}

// Default returns the configuration of a device for which nothing is desired.
func Default() Config {
	var c Config
	for i := range table {
		c.values[i] = table[i].Default
	}
	return c
}

// Value returns the value of a property; false if there is no such property.
func (c *Config) Value(name string) (Value, bool) {
	if i := indexOf(name); i >= 0 {
		return c.values[i], true
	}
	return Value{}, false
}

// Stated reports whether the property was set to a usable value, rather than
// left to its default.
func (c *Config) Stated(name string) bool {
	i := indexOf(name)
	return i >= 0 && c.stated[i]
}

// All returns all properties with their values, in the order of [Properties].
func (c *Config) All() iter.Seq2[Property, Value] {
	return func(yield func(Property, Value) bool) {
		for i := range table {
			if !yield(table[i], c.values[i]) {
				return
			}
		}
	}
}

func (c *Config) duration(name string) time.Duration { return c.values[indexOf(name)].Duration() }

func (c *Config) bytes(name string) int64 { return c.values[indexOf(name)].Bytes() }

// Effective returns what is in force when the object desired is asked for (its
// JSON; none, null or {} for nothing), and what is wrong with it. A property
// that is not set, null, not understood or out of range has its default.
//
// Note that original agents refuse an update as a whole for one value that
// they do not understand, and keep the configuration they had: a TypeMismatch
// is more than that the one property has its default.
func Effective(desired []byte) (Config, []Problem) {
	o := readObject(desired, false)
	return o.config(), o.problems()
}

// maxUnknown bounds how many unknown properties are told.
const maxUnknown = 10

// object is an object as it was understood.
type object struct {
	readings [properties]reading
	// fault is what is wrong with the object as a whole.
	fault *Problem
	// unknown are names that are no property, the first few.
	unknown []string
	// there reports whether there is an object, and bare whether values are not
	// wrapped, as agents up to 0.0.3 have it.
	there, bare bool
}

// readObject understands an object; lenient as an agent's report.
func readObject(raw []byte, lenient bool) *object {
	o := &object{}
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return o
	}
	o.there = true
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		o.fault = &Problem{Kind: TypeMismatch, Message: "The agent configuration must be a JSON object; it is " + cut(string(raw)) + "."}
		return o
	}
	for name, value := range members {
		i := indexOf(name)
		if i < 0 {
			o.unknown = append(o.unknown, name)
			continue
		}
		inner, ok := unwrap(value)
		switch r := &o.readings[i]; {
		case ok && inner != nil:
			*r = read(&table[i], inner, lenient)
			continue
		case ok && !lenient:
			r.stated, r.raw = true, cut(string(value))
			r.bad(&table[i], TypeMismatch, "%s has no member value: it must be {\"value\": %s}.", name, table[i].Default.appendJSON(nil))
			continue
		case ok:
			continue
		}
		o.bare = true
		o.readings[i] = read(&table[i], value, lenient)
		if r := &o.readings[i]; !lenient && r.stated {
			*r = reading{stated: true, raw: r.raw}
			r.bad(&table[i], TypeMismatch, "The value of %s must be wrapped: {\"value\": %s}.", name, cut(string(value)))
		}
	}
	slices.Sort(o.unknown)
	return o
}

// unwrap returns the value in {"value": …}, nil if it is not in there; false
// if it is not wrapped.
func unwrap(raw json.RawMessage) (json.RawMessage, bool) {
	var members map[string]json.RawMessage
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &members) != nil {
		return nil, false
	}
	return members["value"], true
}

func (o *object) config() Config {
	c := Default()
	for i := range table {
		if r := &o.readings[i]; r.stated && r.usable() {
			c.values[i], c.stated[i] = r.value, true
		}
	}
	return c
}

func (o *object) problems() []Problem {
	var all []Problem
	if o.fault != nil {
		all = append(all, *o.fault)
	}
	for i := range o.readings {
		if p := o.readings[i].problem; p != nil {
			all = append(all, *p)
		}
	}
	for n, name := range o.unknown {
		if n == maxUnknown {
			all = append(all, Problem{Kind: UnknownProperty, Message: "There are " + strconv.Itoa(len(o.unknown)-n) + " more properties that agents do not know."})
			break
		}
		p := Problem{Kind: UnknownProperty, Property: cut(name), Message: "There is no property " + strconv.Quote(cut(name)) + "; agents ignore it."}
		if meant := similar(name); meant != "" {
			p.Message += " Did you mean " + meant + "?"
		}
		all = append(all, p)
	}
	return all
}

// Check returns what agents themselves object to in a configuration (asc
// §2.5), as they would in an event ConfigurationError: values that are not
// optimal, and values that contradict each other.
func Check(c Config) []Problem {
	var all []Problem
	bad := func(kind ProblemKind, name string, message ...string) {
		all = append(all, Problem{Kind: kind, Property: name, Message: strings.Join(message, "")})
	}
	size, cache := c.bytes(MaxMessageSizeInBytes), c.bytes(MaxLocalCacheSizeInBytes)
	if size%messageBlock != 0 {
		down := size / messageBlock * messageBlock
		bad(NotOptimal, MaxMessageSizeInBytes, MaxMessageSizeInBytes, " is ", strconv.FormatInt(size, 10),
			", no multiple of 4096: messages are counted in blocks of 4096 bytes, and the last block is never filled. Use ",
			strconv.FormatInt(max(down, 2*messageBlock), 10), ".")
	}
	if cache < size {
		bad(Conflict, MaxLocalCacheSizeInBytes, MaxLocalCacheSizeInBytes, " (", strconv.FormatInt(cache, 10), ") is less than ",
			MaxMessageSizeInBytes, " (", strconv.FormatInt(size, 10), "): the cache cannot hold one full message. Make it larger, or the message smaller.")
	}
	high, low := c.duration(HighPriorityMessageFrequency), c.duration(LowPriorityMessageFrequency)
	if high > low {
		bad(Conflict, HighPriorityMessageFrequency, HighPriorityMessageFrequency, " (", FormatDuration(high), ") is longer than ",
			LowPriorityMessageFrequency, " (", FormatDuration(low), "): what is urgent would wait longer than what is not.")
	}
	if on := c.values[indexOf(BaselineCustomChecksEnabled)]; on.Flag() {
		for _, name := range []string{BaselineCustomChecksFilePath, BaselineCustomChecksFileHash} {
			if c.values[indexOf(name)].Null() {
				bad(Conflict, name, name, " must be set, since ", BaselineCustomChecksEnabled, " is true.")
			}
		}
	}
	return all
}
