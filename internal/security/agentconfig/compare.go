package agentconfig

import (
	"encoding/json"
	"slices"
	"strings"
)

// Difference is a property in which an agent does not do what is desired.
type Difference struct {
	// Property is its name, "" if the difference is the object as a whole.
	Property string `json:"property"`
	// Desired and Reported are the values as they were written, cut to some
	// hundred bytes; "" if there is none.
	Desired  string `json:"desired,omitempty"`
	Reported string `json:"reported,omitempty"`
	// Effective is the value that should be in force: what is desired, or the
	// default.
	Effective string `json:"effective,omitempty"`
	// Why says how it comes, as far as can be told, and what to do.
	Why string `json:"why"`
}

// Reported finds the object in the reported properties of a twin (or in the
// desired ones): under its name, else under the one of old agents, which old
// tells. The object is nil if there is none.
func Reported(section []byte) (object json.RawMessage, old bool) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(section, &members); err != nil {
		return nil, false
	}
	if o, ok := members[Object]; ok {
		return o, false
	}
	o, ok := members[OldObject]
	return o, ok
}

// Compare compares the object that is desired with the one that the agent
// reports, both as JSON. Values that mean the same are equal: PT60M and PT1H,
// "high" and "High" (agents write them in their own way). What is not desired
// should have its default; where original agents are built with another one,
// that is no difference. Of properties that not every agent has it is no
// difference that they are not reported, unless something else than the
// default is desired.
//
// No report at all is one difference, of the whole object.
func Compare(desired, reported []byte) []Difference {
	want, got := readObject(desired, false), readObject(reported, true)
	if !got.there {
		return []Difference{{Why: "The agent has not reported its configuration: it has not started with this twin, or it is older than the report."}}
	}
	if got.fault != nil {
		return []Difference{{Reported: cut(string(reported)), Why: "What the agent reports is no JSON object; its configuration is not known."}}
	}
	c := comparison{want: want, got: got, config: want.config()}
	c.operational = got.readings[indexOf(EventPriorityOperational)]
	c.refused = c.firstRefused()
	c.patched = c.looksPatched()
	var all []Difference
	if want.fault != nil {
		all = append(all, Difference{Desired: cut(string(desired)), Why: want.fault.Message + " Agents ignore it and keep the configuration they have."})
	}
	for i := range table {
		if d := c.property(i); d != nil {
			all = append(all, *d)
		}
	}
	return all
}

// comparison is the state of one Compare.
type comparison struct {
	want, got *object
	config    Config
	// operational is the C agent's one priority for operational events.
	operational reading
	// refused is the name of a property for which agents refuse the update.
	refused string
	// patched says that the agent seems to have taken a patch for the whole.
	patched bool
}

// firstRefused returns a property whose desired value agents do not read.
func (c *comparison) firstRefused() string {
	for i := range table {
		if r := &c.want.readings[i]; r.stated && !r.understood() {
			return table[i].Name
		}
	}
	return ""
}

// looksPatched reports whether the agent follows one thing that is desired and
// has the default for another: original agents take a patch for the whole
// configuration (asc §2.4).
func (c *comparison) looksPatched() bool {
	followed, fallen := false, false
	for i := range table {
		want, got := &c.want.readings[i], &c.got.readings[i]
		if !want.stated || !want.understood() || !got.stated || !got.understood() || want.value == table[i].Default {
			continue
		}
		followed = followed || got.value == want.value
		fallen = fallen || got.value != want.value && table[i].isDefault(got.value)
	}
	return followed && fallen
}

// isDefault reports whether an agent may have v without being told.
func (p *Property) isDefault(v Value) bool {
	if v == p.Default {
		return true
	}
	return slices.Contains(p.builtIn, v)
}

// property compares one property.
func (c *comparison) property(i int) *Difference {
	p, want, got := &table[i], &c.want.readings[i], &c.got.readings[i]
	switch p.Name {
	case HubResourceID:
		if !want.stated {
			return nil // agents fill it in themselves
		}
	case EventPriorityOperational:
		// The C agent alone has it, and reports High for all but Off.
		if !want.stated || !got.stated || want.understood() && got.understood() && (want.value.Text() == Off) == (got.value.Text() == Off) {
			return nil
		}
	}
	if !got.stated && c.operational.stated && c.operational.understood() && isOperational(p.Name) {
		return c.operationalEvent(i)
	}
	d := &Difference{Property: p.Name, Desired: want.raw, Reported: got.raw, Effective: c.config.values[i].String()}
	switch {
	case want.stated && !want.understood():
		d.Why = want.problem.Message + " Agents refuse the whole update for it and keep the configuration they have."
	case got.stated && !got.understood():
		d.Why = "What the agent reports cannot be read: " + got.problem.Message
	case !got.stated:
		if p.optional && (!want.stated || want.value == p.Default) {
			return nil
		}
		d.Why = "The agent does not report this property: it is of a version that does not have it, or it could not read the update."
		if c.refused != "" {
			d.Why = c.becauseRefused()
		}
	case want.stated && got.value == want.value, !want.stated && p.isDefault(got.value):
		return nil
	default:
		d.Why = c.why(i)
	}
	d.Why += c.oldForm()
	return d
}

// why explains two readable values that differ.
func (c *comparison) why(i int) string {
	p, want, got := &table[i], &c.want.readings[i], &c.got.readings[i]
	switch {
	case c.refused != "":
		return c.becauseRefused()
	case c.patched && want.stated && p.isDefault(got.value):
		return "The agent has the default. Original agents take a change of the desired properties for the whole configuration: " +
			"what the change leaves out falls back to its default. Write the whole object."
	case want.problem != nil && want.problem.Kind == NotPortable:
		return "The agent may not have read the value: " + want.problem.Message
	case want.problem != nil && want.problem.Kind == OutOfRange:
		return "The agent does not use the value: " + want.problem.Message
	case want.stated && p.isDefault(got.value):
		return "The agent has the default: it has not received the change yet, or it could not read it."
	case want.stated:
		return "The agent has another value: it has not received the change yet, or it could not read it."
	default:
		return "Nothing is desired, so the default " + p.Default.String() + " should be in force; the agent has kept an earlier value, or has one of its own."
	}
}

func (c *comparison) becauseRefused() string {
	return "Agents refuse the whole update because of " + c.refused + ", which they cannot read, and keep the configuration they have."
}

// oldForm explains reports in the form of old agents.
func (c *comparison) oldForm() string {
	if !c.got.bare {
		return ""
	}
	return " The report has the form of agents up to version 0.0.3, which read their configuration from " + OldObject + "."
}

func isOperational(name string) bool {
	return slices.Contains(operational, name)
}

// operationalEvent compares the priority of an operational event with the one
// that the C agent has for all of them: Off, or anything else.
func (c *comparison) operationalEvent(i int) *Difference {
	p, want := &table[i], &c.want.readings[i]
	if want.stated && !want.understood() {
		return &Difference{Property: p.Name, Desired: want.raw, Effective: c.config.values[i].String(), Why: want.problem.Message}
	}
	// With its own property desired, that one decides for the C agent.
	own := &c.want.readings[indexOf(EventPriorityOperational)]
	off := c.operational.value.Text() == Off
	if own.stated && own.understood() || off == (c.config.values[i].Text() == Off) {
		return nil
	}
	d := &Difference{
		Property: p.Name, Desired: want.raw, Reported: EventPriorityOperational + ": " + c.operational.raw, Effective: c.config.values[i].String(),
		Why: "The C agent has one property for " + strings.Join(operational, ", ") + ": " + EventPriorityOperational + ". Set that one, too.",
	}
	return d
}
