package agentconfig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tvilling/tvilling"
)

// Whole returns the whole effective object, as JSON, with some properties
// changed: what a patch of the desired properties should carry, since original
// agents take whatever a patch has for the whole configuration (asc §2.4).
// Values in change are strings (durations, priorities, texts), whole numbers,
// booleans, a [time.Duration] or a [Value]; nil sets the default.
//
// What of desired cannot be used has its default in the result. A change that
// is not a property, of a wrong type or out of range is refused with a
// [*tvilling.Error] whose Path is the property.
func Whole(desired []byte, change map[string]any) ([]byte, error) {
	c, _ := Effective(desired)
	names := make([]string, 0, len(change))
	for name := range change {
		names = append(names, name)
	}
	slices.Sort(names) // the first refusal is always the same
	for _, name := range names {
		if err := c.set(name, change[name]); err != nil {
			return nil, err
		}
	}
	return c.JSON(), nil
}

// JSON returns the configuration as an object with wrapped values. Properties
// that are null are left out, and so are those of old agents alone (hubResourceId,
// eventPriorityOperational) unless they were set.
func (c *Config) JSON() []byte {
	b := []byte{'{'}
	for i := range table {
		// A null would take the member out of the twin, and leave an object
		// without a value, which agents do not read.
		if v := c.values[i]; v.Null() || table[i].legacy && !c.stated[i] {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, table[i].Name...)
		b = append(b, `":{"value":`...)
		b = c.values[i].appendJSON(b)
		b = append(b, '}')
	}
	return append(b, '}')
}

// set changes one property.
func (c *Config) set(name string, to any) error {
	i := indexOf(name)
	if i < 0 {
		return unknown(name)
	}
	if to == nil {
		c.values[i], c.stated[i] = table[i].Default, false
		return nil
	}
	raw, err := rawOf(to)
	if err != nil {
		return err
	}
	r := read(&table[i], raw, false)
	if !r.usable() {
		return refuse(name, "%s", r.problem.Message)
	}
	c.values[i], c.stated[i] = r.value, r.stated
	return nil
}

// rawOf returns a value as JSON.
func rawOf(v any) (json.RawMessage, error) {
	switch v := v.(type) {
	case Value:
		return v.appendJSON(nil), nil
	case time.Duration:
		return durationValue(v).appendJSON(nil), nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "change agent configuration", Message: fmt.Sprintf("A value of type %T cannot be written as JSON.", v), Err: err}
	}
	return b.Bytes(), nil
}
