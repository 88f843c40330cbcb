package agentconfig

import (
	"encoding/json"
	"time"
)

// Source says where the value that should be in force comes from.
type Source string

// The sources of a value.
const (
	FromDefault Source = "default"
	FromDesired Source = "desired"
)

// Setting is one property of the configuration of one device: what should be
// in force, why, and what the agent makes of it. Values are as people write
// them.
type Setting struct {
	Property string `json:"property"`
	Type     Type   `json:"type"`
	Value    string `json:"value"`
	Default  string `json:"default"`
	Source   Source `json:"source"`
	// Actor and Set say who desired it and when; absent if it is not desired,
	// or not known.
	Actor string    `json:"actor,omitempty"`
	Set   time.Time `json:"set,omitzero"`
	// Reported is what the agent says that it has; absent if it says nothing.
	Reported string `json:"reported,omitempty"`
	// Refused says why the agent does not have the value, as far as can be
	// told; absent if it has it, or has reported nothing at all.
	Refused string `json:"refused,omitempty"`
}

// Settings returns all properties of a configuration. desired and reported are
// these sections of the security module twin, as JSON; the $metadata of the
// desired one, with $actor, says who set what.
func Settings(desired, reported []byte) []Setting {
	wanted := member(desired, Object)
	report, _ := Reported(reported)
	want, got := readObject(wanted, false), readObject(report, true)
	refused := map[string]string{}
	if got.there {
		for _, d := range Compare(wanted, report) {
			refused[d.Property] = d.Why
		}
	}
	c := want.config()
	stamps := stampsOf(desired)
	list := make([]Setting, 0, len(table))
	for i := range table {
		p := &table[i]
		s := Setting{
			Property: p.Name, Type: p.Type, Value: c.values[i].String(), Default: p.Default.String(), Source: FromDefault,
			Reported: got.readings[i].raw, Refused: refused[p.Name],
		}
		if want.readings[i].stated {
			s.Actor, s.Set = stamps.of(p.Name)
			if c.stated[i] {
				s.Source = FromDesired
			}
		}
		if r := &want.readings[i]; r.problem != nil && !r.usable() && s.Refused == "" {
			s.Refused = r.problem.Message
		}
		list = append(list, s)
	}
	return list
}

// stamps are the $metadata of an object's members, by their names.
type stamps map[string]json.RawMessage

func stampsOf(section []byte) stamps {
	var s stamps
	// A section without $metadata has none, and nobody is told.
	if json.Unmarshal(member(member(section, "$metadata"), Object), &s) != nil {
		return nil
	}
	return s
}

// of returns who set a property, and when: the stamp of its value, else of the
// property itself.
func (s stamps) of(name string) (actor string, set time.Time) {
	for _, raw := range []json.RawMessage{member(s[name], "value"), s[name]} {
		var stamp struct {
			Actor string    `json:"$actor"`
			Set   time.Time `json:"$lastUpdated"`
		}
		if len(raw) > 0 && json.Unmarshal(raw, &stamp) == nil {
			return stamp.Actor, stamp.Set
		}
	}
	return "", time.Time{}
}

// member returns a member of an object, nil if there is none.
func member(object []byte, name string) json.RawMessage {
	var members map[string]json.RawMessage
	if len(object) == 0 || json.Unmarshal(object, &members) != nil {
		return nil
	}
	return members[name]
}
