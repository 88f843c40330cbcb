package configuration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// wish is a value that a content holds: what is to be at one path.
type wish struct {
	path []string
	kind wishKind
	// value is its JSON as a twin stores it, of a value.
	value string
}

type wishKind uint8

const (
	valueWish  wishKind = iota // this value, of any type but an object
	objectWish                 // an object, whatever is in it
	absentWish                 // nothing
)

// section is where contents begin.
const section = "properties.desired"

// parseContent reads a content: which identities it is for, and its values in
// the order of their paths, none of which is inside of another. The error is
// of code InvalidConfigurationContent or Unsupported, with the path.
func parseContent(raw json.RawMessage) (Kind, []wish, error) {
	if len(raw) > doc.MaxBody {
		return 0, nil, contentError("content", "A content has at most %d bytes; this one has %d.", doc.MaxBody, len(raw))
	}
	outer, err := members(raw)
	if err != nil {
		return 0, nil, contentError("content", "%w", err)
	}
	kind, body := Devices, json.RawMessage(nil)
	for _, m := range outer {
		if string(m.value) == "null" {
			continue // libraries name the other kinds, too
		}
		switch m.name {
		case "modulesContent":
			return 0, nil, &tvilling.Error{
				Code: tvilling.Unsupported, Path: "content.modulesContent",
				Message: "Deployments to IoT Edge devices (modulesContent) are not supported; a configuration has deviceContent or moduleContent.",
			}
		case "deviceContent", "moduleContent":
			if body != nil {
				return 0, nil, contentError("content", "A configuration has deviceContent or moduleContent, not both.")
			}
			body = m.value
			if m.name == "moduleContent" {
				kind = Modules
			}
		default:
			return 0, nil, contentError("content."+m.name, "A content has one member, deviceContent or moduleContent.")
		}
	}
	if body == nil {
		return 0, nil, contentError("content", "The content is missing: an object with deviceContent or moduleContent.")
	}
	wishes, err := parseValues(body)
	return kind, wishes, err
}

func contentError(path, format string, args ...any) *tvilling.Error {
	e := tvilling.Errorf(tvilling.InvalidConfigurationContent, format, args...)
	e.Path = path
	return e
}

// parseValues reads an object of values by path.
func parseValues(body json.RawMessage) ([]wish, error) {
	list, err := members(body)
	if err != nil {
		return nil, contentError("content", "%w", err)
	}
	var root tree
	for _, m := range list {
		rest, ok := strings.CutPrefix(m.name, section)
		if !ok || rest != "" && rest[0] != '.' {
			return nil, contentError("content."+m.name, "A path begins with %s.", section)
		}
		var path []string
		if rest != "" {
			path = strings.Split(rest[1:], ".")
		} else if len(m.value) == 0 || m.value[0] != '{' {
			return nil, contentError("content."+m.name, "The whole section takes an object of properties.")
		}
		if err := root.put(path, m.value, 0); err != nil {
			return nil, contentError("content."+m.name, "%w", err)
		}
	}
	text := root.appendJSON(nil)
	patch, err := doc.Parse(text, doc.Desired)
	if err == nil {
		var stored doc.Section
		if stored, err = doc.New(1).Merge(patch, doc.Desired, doc.Stamp{}); err == nil {
			return root.wishes(nil, nil, stored), nil
		}
	}
	if e, ok := errors.AsType[*tvilling.Error](err); ok {
		out := *e
		out.Code = tvilling.InvalidConfigurationContent
		return nil, &out
	}
	return nil, err
}

// member is one member of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// members reads the members of an object in their order, compact; a name that
// is given twice is refused.
func members(raw json.RawMessage) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	open, err := d.Token()
	if err != nil || open != json.Delim('{') {
		return nil, errors.New("an object is needed here")
	}
	var list []member
	seen := make(map[string]bool)
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("read an object: %w", err)
		}
		m := member{name: token.(string)}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("read the member %.64q: %w", m.name, err)
		}
		if seen[m.name] {
			return nil, fmt.Errorf("the member %.64q is given more than once", m.name)
		}
		seen[m.name] = true
		var b bytes.Buffer
		if err := json.Compact(&b, value); err != nil {
			return nil, fmt.Errorf("read the member %.64q: %w", m.name, err)
		}
		m.value = b.Bytes()
		list = append(list, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("read an object: %w", err)
	}
	return list, nil
}

// tree is a value by path: a leaf, whose JSON it is, or an object.
type tree struct {
	leaf     []byte
	children map[string]*tree
	// object says that a value put here is an object.
	object bool
}

// put adds a value at a path. Members of the section that the service keeps
// itself are left out.
func (t *tree) put(path []string, value []byte, depth int) error {
	switch {
	case depth > maxDepth+1:
		// Whatever is below is too deep, too, and is not looked at.
		return fmt.Errorf("nested depth exceeds %d", maxDepth)
	case t.leaf != nil:
		return errors.New("the path leads into another one")
	case len(path) > 0 && path[0] == "":
		return errors.New("a name in the path is missing")
	case len(path) > 0:
		return t.child(path[0]).put(path[1:], value, depth+1)
	case len(value) == 0 || value[0] != '{':
		if len(t.children) > 0 || t.object {
			return errors.New("another path leads into this one")
		}
		t.leaf = value
		return nil
	}
	list, err := members(value)
	if err != nil {
		return err
	}
	t.object = true
	for _, m := range list {
		if m.name == "$version" || m.name == "$metadata" {
			continue
		}
		if err := t.child(m.name).put(nil, m.value, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) child(name string) *tree {
	if t.children == nil {
		t.children = make(map[string]*tree)
	}
	c := t.children[name]
	if c == nil {
		c = new(tree)
		t.children[name] = c
	}
	return c
}

// set makes the value at a path, and what is above it an object.
func (t *tree) set(path []string, value string) {
	for _, key := range path {
		t = t.child(key)
	}
	t.leaf = []byte(value)
}

// clone returns a tree to which more can be added.
func (t *tree) clone() *tree {
	out := &tree{leaf: t.leaf, object: t.object}
	for name, child := range t.children {
		if out.children == nil {
			out.children = make(map[string]*tree, len(t.children))
		}
		out.children[name] = child.clone()
	}
	return out
}

// names returns the names of the members, in order.
func (t *tree) names() []string {
	list := make([]string, 0, len(t.children))
	for name := range t.children {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// appendJSON writes the tree; its text is kept to the byte, since a twin keeps
// the text of values, too.
func (t *tree) appendJSON(dst []byte) []byte {
	if t.leaf != nil {
		return append(dst, t.leaf...)
	}
	dst = append(dst, '{')
	for i, name := range t.names() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendQuoted(dst, name), ':')
		dst = t.children[name].appendJSON(dst)
	}
	return append(dst, '}')
}

// appendQuoted appends a name as twins write it.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = fmt.Appendf(dst, `\u%04x`, c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// wishes appends what the tree wants, with the text that a twin would store.
func (t *tree) wishes(dst []wish, path []string, stored doc.Section) []wish {
	switch {
	case t.leaf != nil && string(t.leaf) == "null":
		return append(dst, wish{path: slices.Clone(path), kind: absentWish})
	case t.leaf != nil:
		v, _ := stored.Lookup(path...)
		return append(dst, wish{path: slices.Clone(path), value: string(v.AppendJSON(nil))})
	case len(t.children) == 0 && len(path) > 0:
		return append(dst, wish{path: slices.Clone(path), kind: objectWish})
	}
	for _, name := range t.names() {
		dst = t.children[name].wishes(dst, append(path, name), stored)
	}
	return dst
}
