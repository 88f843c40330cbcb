package link

import (
	"encoding/json"
	"errors"
	"fmt"
)

const (
	// maxSection bounds a desired section, in bytes: what one message may have.
	// Hubs allow 32 KB.
	maxSection = 256 << 10
	// maxDepth bounds how deep a patch may nest. Hubs allow 10.
	maxDepth = 64
)

var (
	errNotObject = errors.New("it is no JSON object")
	errTooDeep   = fmt.Errorf("it is nested deeper than %d", maxDepth)
	errTooLarge  = fmt.Errorf("it is larger than %d bytes", maxSection)
)

// merge applies a JSON merge patch (RFC 7386, and wire §2.4: null deletes,
// objects merge, anything else replaces) to a document. Both are objects. What the
// patch does not touch stays as it was written, in its order; new members follow.
// The result shares no memory with either.
func merge(doc, patch []byte) ([]byte, error) {
	for _, b := range [][]byte{doc, patch} {
		if len(b) > maxSection {
			return nil, errTooLarge
		}
		if !json.Valid(b) || b[skipSpace(b, 0)] != '{' {
			return nil, errNotObject
		}
	}
	out, err := appendMerged(make([]byte, 0, len(doc)+len(patch)), doc, patch, 1)
	if err != nil {
		return nil, err
	}
	if len(out) > maxSection {
		return nil, errTooLarge
	}
	return out, nil
}

// appendMerged appends doc, which is an object or not, with patch, which is one,
// applied. Both are valid.
func appendMerged(dst, doc, patch []byte, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	changes := members(patch)
	at := make(map[string]int, len(changes)) // of the name's last member, which counts
	for i, m := range changes {
		at[m.name] = i
	}
	old := members(doc)
	last := make(map[string]int, len(old))
	for i, m := range old {
		last[m.name] = i
	}
	dst = append(dst, '{')
	first := true
	add := func(key []byte) {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(append(dst, key...), ':')
	}
	var err error
	for i, m := range old {
		if last[m.name] != i {
			continue
		}
		j, changed := at[m.name]
		if !changed {
			add(m.key)
			dst = append(dst, m.value...)
			continue
		}
		change := changes[j].value
		if change[0] == 'n' {
			continue
		}
		add(m.key)
		if dst, err = appendChange(dst, m.value, change, depth); err != nil {
			return nil, err
		}
	}
	for i, m := range changes {
		if _, known := last[m.name]; known || at[m.name] != i || m.value[0] == 'n' {
			continue
		}
		add(m.key)
		if dst, err = appendChange(dst, nil, m.value, depth); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// appendChange appends what becomes of a value, nil if there was none.
func appendChange(dst, old, change []byte, depth int) ([]byte, error) {
	if change[0] == '{' {
		return appendMerged(dst, old, change, depth+1)
	}
	return append(dst, change...), nil
}

// member is a member of an object: its key as it is written, the name that it
// means, and its value without space around it.
type member struct {
	key   []byte
	name  string
	value []byte
}

// members returns the members of a valid JSON value, none if it is no object.
func members(b []byte) (list []member) {
	i := skipSpace(b, 0)
	if i == len(b) || b[i] != '{' {
		return nil
	}
	for {
		i = skipSpace(b, i+1) // after { or ,
		if b[i] == '}' {
			return list
		}
		end := skipValue(b, i)
		key := b[i:end]
		i = skipSpace(b, skipSpace(b, end)+1) // after :
		end = skipValue(b, i)
		list = append(list, member{key: key, name: nameOf(key), value: b[i:end]})
		i = skipSpace(b, end)
		if b[i] == '}' {
			return list
		}
	}
}

// nameOf returns what a key means.
func nameOf(key []byte) string {
	for _, c := range key[1 : len(key)-1] {
		if c == '\\' || c >= 0x80 {
			var s string
			_ = json.Unmarshal(key, &s) // it is valid
			return s
		}
	}
	return string(key[1 : len(key)-1])
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// skipValue returns the end of the value that begins at i.
func skipValue(b []byte, i int) int {
	depth := 0
	for ; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // the value before was a number or a word
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ':', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
	}
	return i
}
