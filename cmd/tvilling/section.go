package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// leaf is one value of a twin section with its metadata.
type leaf struct {
	path    string
	value   string
	updated time.Time
	actor   string
}

// section is a section of a twin document, taken apart.
type section struct {
	version int64
	leaves  []leaf
}

// stamp is the metadata of one node; the nodes below it are in its other members.
type stamp struct {
	updated time.Time
	actor   string
	below   map[string]json.RawMessage
}

func readSection(raw json.RawMessage) (section, error) {
	var s section
	if len(raw) == 0 {
		return s, nil
	}
	members, err := readObject(raw)
	if err != nil {
		return s, err
	}
	var meta json.RawMessage
	var rest []member
	for _, m := range members {
		switch m.name {
		case "$version":
			if err := json.Unmarshal(m.value, &s.version); err != nil {
				return s, err
			}
		case "$metadata":
			meta = m.value
		default:
			rest = append(rest, m)
		}
	}
	root, err := readStamp(meta)
	if err != nil {
		return s, err
	}
	s.leaves, err = collect(nil, "", rest, root)
	return s, err
}

// member is one member of an object, in its order.
type member struct {
	name  string
	value json.RawMessage
}

// readObject reads an object and keeps its order, which encoding/json's maps lose.
func readObject(raw json.RawMessage) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("not an object: %s", raw)
	}
	var list []member
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		var m member
		m.name, _ = t.(string) // the names of members are strings
		if err := d.Decode(&m.value); err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

func readStamp(raw json.RawMessage) (stamp, error) {
	var s stamp
	if len(raw) == 0 {
		return s, nil
	}
	if err := json.Unmarshal(raw, &s.below); err != nil {
		return s, err
	}
	for name, into := range map[string]any{"$lastUpdated": &s.updated, "$actor": &s.actor} {
		if v, ok := s.below[name]; ok {
			if err := json.Unmarshal(v, into); err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

// collect adds the leaves below an object to list.
func collect(list []leaf, path string, members []member, s stamp) ([]leaf, error) {
	for _, m := range members {
		below, err := readStamp(s.below[m.name])
		if err != nil {
			return nil, err
		}
		name := strings.TrimPrefix(path+"."+m.name, ".")
		if m.value[0] == '{' {
			inner, err := readObject(m.value)
			if err != nil {
				return nil, err
			}
			if len(inner) > 0 {
				if list, err = collect(list, name, inner, below); err != nil {
					return nil, err
				}
				continue
			}
		}
		list = append(list, leaf{path: name, value: string(m.value), updated: below.updated, actor: below.actor})
	}
	return list, nil
}
