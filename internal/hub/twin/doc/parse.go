package doc

import (
	"bytes"
	"strconv"

	"github.com/tvilling/tvilling"
)

// Parse reads one section of an incoming twin, a JSON object, and checks every
// rule and limit that does not depend on what is already stored (wire §2.5):
// strict UTF-8 and JSON, no key twice, keys, strings, numbers, depth, nulls.
// "$version" and "$metadata" of the section itself are dropped, since clients
// send back what they got; any other key with a dollar is refused.
//
// An error is a [*tvilling.Error] of code InvalidArgument whose Path is where
// the fault is. The patch refers to body: it must not change any more.
func Parse(body []byte, part Part) (*Patch, error) {
	p := parser{Patch: &Patch{body: body}, part: part}
	if len(body) > MaxBody {
		return nil, refuse(part.String(), "The update of %s has %d bytes of JSON, which exceeds maximum %d", part, len(body), MaxBody)
	}
	p.nodes = p.few[:0]
	// A member has a colon and takes at least 5 bytes of text.
	if n := min(bytes.Count(body, []byte{':'})+1, len(body)/5+2); n > len(p.few) {
		p.nodes = make([]node, 0, n)
	}
	p.parse()
	if p.err != nil {
		return nil, p.err
	}
	return p.Patch, nil
}

// parser is the state of one Parse.
type parser struct {
	*Patch
	part Part
	i    int // next byte of body
	// level is how many containers are open inside the section, and steps says
	// where in each of them, and in the section itself, the parser is.
	level int
	steps [maxDepth + 2]step
	err   *tvilling.Error
}

// step is a place in a container: a node of an object, 0 before its first
// member, or an element of an array.
type step struct {
	node    uint32
	element int32
	array   bool
}

// leaf is what a value turns out to be.
type leaf struct {
	val, valLen uint32
	size        uint32
	kind        kind
	flags       nodeFlags
	spaced      bool // white space inside
}

func (p *parser) parse() {
	p.i = skipSpace(p.body, 0)
	if p.i >= len(p.body) || p.body[p.i] != '{' {
		p.invalid("it must be an object")
		return
	}
	p.nodes = append(p.nodes, node{kind: kindObject})
	var l leaf
	if !p.object(0, false, &l) {
		return
	}
	if p.i = skipSpace(p.body, p.i); p.i < len(p.body) {
		p.invalid("there is something after its end")
	}
}

// object parses the object at p.i, whose node is the given one. Its value is
// left in the node; l learns the rest.
func (p *parser) object(at uint32, inArray bool, l *leaf) bool {
	p.i++
	st := &p.steps[p.level]
	*st = step{}
	var mask uint64
	count := 0
	for {
		st.node = 0
		i := skipSpace(p.body, p.i)
		l.spaced = l.spaced || i != p.i
		p.i = i
		if i < len(p.body) && p.body[i] == '}' && count == 0 {
			break
		}
		if i >= len(p.body) || p.body[i] != '"' {
			return p.invalid("a property name in quotation marks is missing")
		}
		child := uint32(len(p.nodes))
		dropped, ok := p.member(child, inArray, l)
		if !ok {
			return false
		}
		if !dropped {
			n := &p.nodes[child]
			n.end = uint32(len(p.nodes))
			if count < manyMembers {
				bit := keyBit(p.key(n))
				if mask&bit != 0 && p.repeated(at, child) {
					return p.twice(n)
				}
				mask |= bit
			}
		}
		count++
		i = skipSpace(p.body, p.i)
		l.spaced = l.spaced || i != p.i
		p.i = i
		if i < len(p.body) && p.body[i] == ',' {
			p.i++
			continue
		}
		if i < len(p.body) && p.body[i] == '}' {
			break
		}
		return p.invalid("a comma or the end of an object is missing")
	}
	p.i++
	p.nodes[at].end = uint32(len(p.nodes))
	if count > manyMembers {
		if again := p.indexMembers(at, count); again != 0 {
			st.node = again
			return p.twice(&p.nodes[again])
		}
	}
	return true
}

// repeated reports whether a member of the object at has the key of child,
// its last member.
func (p *parser) repeated(at, child uint32) bool {
	key := p.key(&p.nodes[child])
	for i := at + 1; i < child; i = p.nodes[i].end {
		if bytes.Equal(p.key(&p.nodes[i]), key) {
			return true
		}
	}
	return false
}

// member parses a member at p.i into a new node, the child-th, unless it is one
// that the service keeps itself and that is dropped.
func (p *parser) member(child uint32, inArray bool, l *leaf) (dropped, ok bool) {
	p.nodes = append(p.nodes, node{end: child + 1})
	st := &p.steps[p.level]
	st.node = child
	system, ok := p.name(&p.nodes[child])
	if !ok {
		return false, false
	}
	i := skipSpace(p.body, p.i)
	if i >= len(p.body) || p.body[i] != ':' {
		p.i = i
		return false, p.invalid("a colon is missing")
	}
	start := skipSpace(p.body, i+1)
	l.spaced = l.spaced || i != p.i || start != i+1
	p.i = start
	if system {
		end, ok := scanValue(p.body, p.i, 0)
		p.i = end
		if !ok {
			return false, p.invalid("a value is malformed")
		}
		p.nodes = p.nodes[:child]
		st.node = 0
		return true, true
	}
	var v leaf
	if !p.value(child, inArray, &v) {
		return false, false
	}
	l.size += v.size + p.nodes[child].keyLen
	l.spaced = l.spaced || v.spaced
	n := &p.nodes[child]
	n.kind = v.kind
	if v.kind != kindObject {
		n.val, n.valLen, n.size = v.val, v.valLen, v.size
		n.flags |= v.flags
	}
	return false, true
}

// value parses the value at p.i. An object is added below the node at.
func (p *parser) value(at uint32, inArray bool, l *leaf) bool {
	if p.i >= len(p.body) {
		return p.invalid("a value is missing")
	}
	switch p.body[p.i] {
	case '"':
		return p.text(l)
	case '{':
		l.kind = kindObject
		if !p.enter() || !p.object(at, inArray, l) {
			return false
		}
		p.level--
		return true
	case '[':
		if !p.enter() || !p.array(l) {
			return false
		}
		p.level--
		return true
	case 't':
		l.kind, l.size = kindTrue, 4
		return p.word("true")
	case 'f':
		l.kind, l.size = kindFalse, 4
		return p.word("false")
	case 'n':
		l.kind = kindNull
		if !p.word("null") {
			return false
		}
		if inArray {
			return p.nullInArray()
		}
		return true
	}
	return p.number(l)
}

// enter opens a container inside the current one (wire §2.5: depth).
func (p *parser) enter() bool {
	if p.level == maxDepth {
		return p.refuse("Nested depth of twin property exceeds %d", maxDepth)
	}
	p.level++
	return true
}

func (p *parser) word(w string) bool {
	end, ok := scanWord(p.body, p.i, w)
	if !ok {
		return p.invalid("a value is malformed")
	}
	p.i = end
	return true
}

// text parses a string value.
func (p *parser) text(l *leaf) bool {
	start := p.i + 1
	t, ok := scanString(p.body, start)
	if !ok {
		p.i = t.end
		return p.invalid("a string is malformed or not UTF-8")
	}
	if t.length > maxString {
		return p.refuse("Value associated with property name %s has length %d that exceeds maximum length of %d", p.shownName(), t.length, maxString)
	}
	l.kind = t.kind()
	l.val, l.valLen, l.size = uint32(start), uint32(t.end-start), uint32(t.length-t.control)
	p.i = t.end + 1
	return true
}

// number parses a number and keeps its text, unless that is very long.
func (p *parser) number(l *leaf) bool {
	end, how := scanNumber(p.body, p.i)
	if how == noNumber {
		p.i = end
		return p.invalid("a value is malformed")
	}
	raw := p.body[p.i:end]
	if !inRange(raw, how) {
		if how == integer {
			return p.refuse("Property %s has an out of bound value. Valid values are between %d and %d", p.shownName(), int64(minInt), int64(maxInt))
		}
		return p.refuse("Property %s has an out of bound value. Valid values are between -1.7976931348623157e+308 and 1.7976931348623157e+308", p.shownName())
	}
	l.kind, l.size = kindNumber, 8
	l.val, l.valLen = uint32(p.i), uint32(len(raw))
	if len(raw) > maxNumber {
		f, _ := strconv.ParseFloat(string(raw), 64) // inRange has accepted it
		at := len(p.made)
		p.made = strconv.AppendFloat(p.made, f, 'g', -1, 64)
		l.val, l.valLen = uint32(at), uint32(len(p.made)-at)
		l.flags = valMade
	}
	p.i = end
	return true
}

// array parses an array, which is one leaf: its compact JSON text.
func (p *parser) array(l *leaf) bool {
	st := &p.steps[p.level]
	*st = step{array: true}
	nodes, index := len(p.nodes), len(p.index)
	start := p.i
	p.i++
	for first := true; ; first = false {
		i := skipSpace(p.body, p.i)
		l.spaced = l.spaced || i != p.i
		p.i = i
		if first && i < len(p.body) && p.body[i] == ']' {
			break
		}
		var v leaf
		// Members of objects need nodes while they are checked for repeated
		// keys; the first of them stands for the element itself.
		p.nodes = append(p.nodes, node{kind: kindObject})
		if !p.value(uint32(nodes), true, &v) {
			return false
		}
		p.nodes, p.index = p.nodes[:nodes], p.index[:index]
		l.size += v.size
		i = skipSpace(p.body, p.i)
		l.spaced = l.spaced || v.spaced || i != p.i
		p.i = i
		if i < len(p.body) && p.body[i] == ']' {
			break
		}
		if i >= len(p.body) || p.body[i] != ',' {
			return p.invalid("a comma or the end of an array is missing")
		}
		p.i++
		st.element++
	}
	p.i++
	l.kind = kindArray
	l.val, l.valLen = uint32(start), uint32(p.i-start)
	l.flags = 0
	// Only the outermost array is kept, so only it need be made compact.
	if l.spaced && !p.insideArray() {
		at := len(p.made)
		p.made = appendCompact(p.made, p.body[start:p.i])
		l.val, l.valLen = uint32(at), uint32(len(p.made)-at)
		l.flags = valMade
	}
	return true
}

// insideArray reports whether a container around the current one is an array.
func (p *parser) insideArray() bool {
	for _, s := range p.steps[:p.level] {
		if s.array {
			return true
		}
	}
	return false
}

// appendCompact appends valid JSON text without its insignificant white space.
func appendCompact(dst, b []byte) []byte {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case ' ', '\n', '\r', '\t':
			continue
		case '"':
			t, _ := scanString(b, i+1)
			dst = append(dst, b[i:t.end]...)
			i = t.end
		}
		dst = append(dst, b[i])
	}
	return dst
}
