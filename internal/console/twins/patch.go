package twins

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/tvilling/tvilling/internal/hub/history"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// tree is a merge patch that is being put together: values by their path, in
// the order in which they came.
type tree struct {
	keys    []string
	members map[string]*tree
	// value is the JSON of a leaf; nil for an object.
	value json.RawMessage
}

// set puts a value, as JSON, at a path. What stands around it is an object then.
func (t *tree) set(path []string, value json.RawMessage) {
	if len(path) == 0 {
		t.value = value
		return
	}
	t.value = nil
	if t.members == nil {
		t.members = map[string]*tree{}
	}
	if t.members[path[0]] == nil {
		t.members[path[0]] = &tree{}
		t.keys = append(t.keys, path[0])
	}
	t.members[path[0]].set(path[1:], value)
}

// json writes the patch. Values are written as they were given, whatever they
// are: the parser of twins judges them.
func (t *tree) json() []byte {
	var b bytes.Buffer
	t.write(&b)
	return b.Bytes()
}

func (t *tree) write(b *bytes.Buffer) {
	if t.value != nil {
		b.Write(t.value)
		return
	}
	b.WriteByte('{')
	for i, key := range t.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(quote(key))
		b.WriteByte(':')
		t.members[key].write(b)
	}
	b.WriteByte('}')
}

func quote(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic("twins: " + err.Error()) // a text is JSON
	}
	return bytes.TrimSpace(b.Bytes())
}

// patchOf is the patch that makes edits; of the members that whole names it has
// all that after holds, since some readers take a patch for all there is.
func patchOf(edits []history.Edit, after doc.Section, whole []string) []byte {
	var t tree
	touched := func(path []string) bool {
		return slices.ContainsFunc(edits, func(e history.Edit) bool { return e.Path[0] == path[0] })
	}
	leaves(after, func(path []string, value json.RawMessage) {
		if slices.Contains(whole, path[0]) && touched(path) {
			t.set(path, value)
		}
	})
	for _, e := range edits {
		value := e.New
		if value == nil {
			value = json.RawMessage("null")
		}
		t.set(e.Path, value)
	}
	return t.json()
}

// wholePatch is the patch that writes a section anew: all that after holds, and
// nulls for what is gone.
func wholePatch(edits []history.Edit, after doc.Section) []byte {
	var t tree
	leaves(after, t.set)
	for _, e := range edits {
		if e.New == nil {
			t.set(e.Path, json.RawMessage("null"))
		}
	}
	return t.json()
}

// leaves tells of every value of a section.
func leaves(s doc.Section, visit func(path []string, value json.RawMessage)) {
	// The sections here were made by the parser a moment ago, or checked when
	// the twin was read.
	_ = s.Walk(func(n *doc.Node) bool {
		if n.Leaf() {
			visit(keysOf(n.Path), n.Value.AppendJSON(nil))
		}
		return true
	})
}

// sectionOf reads a section as it is typed.
func sectionOf(text string, part doc.Part) (doc.Section, error) {
	p, err := doc.Parse([]byte(text), part)
	if err != nil {
		return nil, err
	}
	return doc.New(1).Replace(p, part, doc.Stamp{})
}
