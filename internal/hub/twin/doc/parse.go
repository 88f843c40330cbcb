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
	p := parser{Patch: &Patch{body: body}, body: body, part: part}
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
	body []byte // as in the patch, at hand
	part Part
	i    int // next byte of body
	// spaces counts the runs of white space that were skipped.
	spaces int
	// level is how many containers are open inside the section, and steps says
	// where in each of them, and in the section itself, the parser is.
	level int
	steps [maxDepth + 1]step
	err   *tvilling.Error
}

// step is a place in a container: a node of an object, 0 before its first
// member, or an element of an array.
type step struct {
	node    uint32
	element int32
	array   bool
}

// leaf is what a value turns out to be; of an object, only kind and size are said.
type leaf struct {
	val, valLen uint32
	size        uint32
	kind        kind
	flags       nodeFlags
}

func (p *parser) parse() {
	if p.skip() != '{' {
		p.invalid("it must be an object")
		return
	}
	p.nodes = append(p.nodes, node{kind: kindObject})
	if _, ok := p.object(0, false); ok && (p.skip() != 0 || p.i < len(p.body)) {
		p.invalid("there is something after its end")
	}
}

// skip goes over white space and returns the byte after it, 0 at the end.
func (p *parser) skip() byte {
	if p.i < len(p.body) && p.body[p.i] > ' ' {
		return p.body[p.i]
	}
	return p.skipRun()
}

func (p *parser) skipRun() byte {
	if i := skipSpace(p.body, p.i); i != p.i {
		p.i = i
		p.spaces++
	}
	if p.i < len(p.body) {
		return p.body[p.i]
	}
	return 0
}

// object parses the object at p.i, whose node is the one at, and returns what
// its members count to the size limit.
func (p *parser) object(at uint32, inArray bool) (size uint32, ok bool) {
	p.i++
	st := &p.steps[p.level]
	*st = step{}
	var mask uint64
	count := 0
	for {
		st.node = 0
		c := p.skip()
		if c == '}' && count == 0 {
			break
		}
		if c != '"' {
			return 0, p.invalid("a property name in quotation marks is missing")
		}
		child := uint32(len(p.nodes))
		n, dropped, ok := p.member(child, inArray)
		if !ok {
			return 0, false
		}
		size += n
		if !dropped && count < manyMembers {
			key := p.key(&p.nodes[child])
			bit := keyBit(key)
			if mask&bit != 0 && p.repeated(at, child, key) {
				return 0, p.twice(key)
			}
			mask |= bit
		}
		count++
		if c = p.skip(); c == '}' {
			break
		}
		if c != ',' {
			return 0, p.invalid("a comma or the end of an object is missing")
		}
		p.i++
	}
	p.i++
	p.nodes[at].end = uint32(len(p.nodes))
	if count > manyMembers {
		if again := p.indexMembers(at, count); again != 0 {
			st.node = again
			return 0, p.twice(p.key(&p.nodes[again]))
		}
	}
	return size, true
}

// repeated reports whether a member of the object at has the key of child,
// its last member.
func (p *parser) repeated(at, child uint32, key []byte) bool {
	for i := at + 1; i < child; i = p.nodes[i].end {
		if bytes.Equal(p.key(&p.nodes[i]), key) {
			return true
		}
	}
	return false
}

// member parses a member at p.i into a new node, the child-th, unless it is one
// that the service keeps itself and that is dropped. It returns what the
// member counts to the size limit.
func (p *parser) member(child uint32, inArray bool) (size uint32, dropped, ok bool) {
	p.nodes = append(p.nodes, node{})
	p.steps[p.level].node = child
	system, ok := p.name(&p.nodes[child])
	if !ok {
		return 0, false, false
	}
	if p.skip() != ':' {
		return 0, false, p.invalid("a colon is missing")
	}
	p.i++
	p.skip()
	if system {
		if p.i, ok = scanValue(p.body, p.i, 0); !ok {
			return 0, false, p.invalid("a value is malformed")
		}
		p.nodes = p.nodes[:child]
		return 0, true, true
	}
	v, ok := p.value(child, inArray)
	if !ok {
		return 0, false, false
	}
	n := &p.nodes[child]
	n.kind = v.kind
	if v.kind != kindObject {
		n.val, n.valLen, n.size = v.val, v.valLen, v.size
		n.flags |= v.flags
		n.end = child + 1
	}
	return v.size + n.keyLen, false, true
}

// value parses the value at p.i. An object becomes that of the node at.
func (p *parser) value(at uint32, inArray bool) (leaf, bool) {
	if p.i >= len(p.body) {
		return leaf{}, p.invalid("a value is missing")
	}
	switch p.body[p.i] {
	case '"':
		return p.text()
	case '{':
		if !p.enter() {
			return leaf{}, false
		}
		size, ok := p.object(at, inArray)
		if ok {
			p.level--
		}
		return leaf{kind: kindObject, size: size}, ok
	case '[':
		if !p.enter() {
			return leaf{}, false
		}
		l, ok := p.array()
		if ok {
			p.level--
		}
		return l, ok
	case 't':
		return leaf{kind: kindTrue, size: 4}, p.word("true")
	case 'f':
		return leaf{kind: kindFalse, size: 4}, p.word("false")
	case 'n':
		return leaf{kind: kindNull}, p.word("null") && (!inArray || p.nullInArray())
	}
	return p.number()
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
func (p *parser) text() (leaf, bool) {
	start := p.i + 1
	if i := skipPlain(p.body, start); i < len(p.body) && p.body[i] == '"' && i-start <= maxString {
		p.i = i + 1
		n := uint32(i - start)
		return leaf{kind: kindText, val: uint32(start), valLen: n, size: n}, true
	}
	t, ok := scanString(p.body, start)
	if !ok {
		p.i = t.end
		return leaf{}, p.invalid("a string is malformed or not UTF-8")
	}
	if t.length > maxString {
		return leaf{}, p.refuse("Value associated with property name %s has length %d that exceeds maximum length of %d", p.shownName(), t.length, maxString)
	}
	p.i = t.end + 1
	return leaf{
		kind: t.kind(),
		val:  uint32(start), valLen: uint32(t.end - start),
		size: uint32(t.length - t.control),
	}, true
}

// number parses a number and keeps its text, unless that is very long.
func (p *parser) number() (leaf, bool) {
	end, how := scanNumber(p.body, p.i)
	if how == noNumber {
		p.i = end
		return leaf{}, p.invalid("a value is malformed")
	}
	raw := p.body[p.i:end]
	if !inRange(raw, how) {
		if how == integer {
			return leaf{}, p.refuse("Property %s has an out of bound value. Valid values are between %d and %d", p.shownName(), int64(minInt), int64(maxInt))
		}
		return leaf{}, p.refuse("Property %s has an out of bound value. Valid values are between -1.7976931348623157e+308 and 1.7976931348623157e+308", p.shownName())
	}
	l := leaf{kind: kindNumber, size: 8, val: uint32(p.i), valLen: uint32(len(raw))}
	if len(raw) > maxNumber {
		f, _ := strconv.ParseFloat(string(raw), 64) // inRange has accepted it
		l.val = uint32(len(p.made))
		p.made = strconv.AppendFloat(p.made, f, 'g', -1, 64)
		l.valLen = uint32(len(p.made)) - l.val
		l.flags = valMade
	}
	p.i = end
	return l, true
}

// array parses an array, which is one leaf: its compact JSON text.
func (p *parser) array() (leaf, bool) {
	st := &p.steps[p.level]
	*st = step{array: true}
	nodes, index := len(p.nodes), len(p.index)
	start, spaces := p.i, p.spaces
	var size uint32
	p.i++
	for first := true; ; first = false {
		if p.skip() == ']' && first {
			break
		}
		// Members of objects need nodes while they are checked for repeated
		// keys; the first of them stands for the element itself.
		p.nodes = append(p.nodes, node{kind: kindObject})
		v, ok := p.value(uint32(nodes), true)
		if !ok {
			return leaf{}, false
		}
		p.nodes, p.index = p.nodes[:nodes], p.index[:index]
		size += v.size
		c := p.skip()
		if c == ']' {
			break
		}
		if c != ',' {
			return leaf{}, p.invalid("a comma or the end of an array is missing")
		}
		p.i++
		st.element++
	}
	p.i++
	l := leaf{kind: kindArray, size: size, val: uint32(start), valLen: uint32(p.i - start)}
	// Only the outermost array is kept, so only it need be made compact.
	if p.spaces != spaces && !p.insideArray() {
		l.val = uint32(len(p.made))
		p.made = appendCompact(p.made, p.body[start:p.i])
		l.valLen = uint32(len(p.made)) - l.val
		l.flags = valMade
	}
	return l, true
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
