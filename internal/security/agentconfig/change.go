package agentconfig

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling"
)

// Change is what changing some properties makes of a configuration.
type Change struct {
	// Patch is the member [Object] of a merge patch of the desired properties:
	// the whole object, as [Whole] writes it, and nulls for the properties that
	// are to be left out of it.
	Patch []byte
	// Edits are the properties that then have another value in force, and those
	// whose desired value could not be used; none if all is so already.
	Edits []Edit
	// Problems are what is unwise about the configuration as it then is.
	Problems []Problem
}

// Edit is one property of a Change, with its values as people write them.
type Edit struct {
	Property string `json:"property"`
	// Old is the value in force, or what is desired in vain; New the value then.
	Old string `json:"old"`
	New string `json:"new"`
}

// NewChange works out a change of the configuration desired (its JSON; none,
// null or {} for nothing); change and refusals are those of [Whole].
func NewChange(desired []byte, change map[string]any) (*Change, error) {
	whole, err := Whole(desired, change)
	if err != nil {
		return nil, err
	}
	before, after := readObject(desired, false), readObject(whole, false)
	old, next := before.config(), after.config()
	c := &Change{Patch: withNulls(whole, before, after), Problems: Check(next)}
	if before.fault != nil {
		c.Edits = append(c.Edits, Edit{Old: cut(string(desired)), New: "an object"})
	}
	for i := range table {
		r := &before.readings[i]
		switch {
		case r.stated && !r.usable():
			c.Edits = append(c.Edits, Edit{Property: table[i].Name, Old: r.raw, New: next.values[i].String()})
		case old.values[i] != next.values[i]:
			c.Edits = append(c.Edits, Edit{Property: table[i].Name, Old: old.values[i].String(), New: next.values[i].String()})
		}
		if p := after.readings[i].problem; p != nil {
			c.Problems = append(c.Problems, *p)
		}
	}
	return c, nil
}

// withNulls adds to an object the properties that it is to lose.
func withNulls(whole []byte, before, after *object) []byte {
	b := bytes.TrimSuffix(whole, []byte("}"))
	for i := range table {
		if r := &before.readings[i]; (r.stated || r.raw != "") && !after.readings[i].stated {
			if len(b) > 1 {
				b = append(b, ',')
			}
			b = append(strconv.AppendQuote(b, table[i].Name), ":null"...)
		}
	}
	return append(b, '}')
}

// Parse reads the value of a property as people write it: PT7M, 8192, high,
// true, a text; nothing or "default" is nil, the default. The result is one
// that [Whole] takes. The error is a [*tvilling.Error] whose Path is the
// property.
func Parse(name, text string) (any, error) {
	i := indexOf(name)
	if i < 0 {
		return nil, unknown(name)
	}
	if text = strings.TrimSpace(text); text == "" || strings.EqualFold(text, "default") {
		return nil, nil
	}
	raw, err := json.Marshal(text)
	if err != nil {
		return nil, refuse(name, "The value cannot be written as JSON: %s.", err)
	}
	if p := &table[i]; p.Type == Size || p.Type == Flag {
		// In JSON these stand without quotes, which nobody writes here.
		if raw = []byte(strings.ToLower(text)); !json.Valid(raw) {
			kind := "a whole number of bytes such as " + p.Default.String()
			if p.Type == Flag {
				kind = "true or false"
			}
			return nil, refuse(name, "The value must be %s; it is %q.", kind, cut(text))
		}
	}
	r := read(&table[i], raw, false)
	if !r.usable() {
		return nil, refuse(name, "%s", r.problem.Message)
	}
	return r.value, nil
}

// unknown refuses a name that is no property, and says which one was meant.
func unknown(name string) error {
	if meant := similar(name); meant != "" {
		return refuse(cut(name), "There is no property %q; did you mean %s?", cut(name), meant)
	}
	e := DefaultExtension()
	if _, ok := e.Members()[strings.TrimPrefix(name, ExtensionObject+".")]; ok {
		return &tvilling.Error{
			Code: tvilling.InvalidArgument, Op: "read agent configuration", Path: cut(name),
			Message: "This is no property of the configuration object but one of " + ExtensionObject + ": patch the desired properties of the security module twin.",
		}
	}
	return refuse(cut(name), "There is no property %q.", cut(name))
}
