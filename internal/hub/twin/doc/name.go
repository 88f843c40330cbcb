package doc

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// name parses the property name at p.i into n. It reports whether the name is
// one of those that the service keeps itself and ignores in what it is sent:
// $version and $metadata of the section (wire §2.4).
func (p *parser) name(n *node) (system, ok bool) {
	b := p.body
	start := p.i + 1
	i := skipKey(b, start)
	if i < len(b) && b[i] == '"' {
		n.key, n.keyLen = uint32(start), uint32(i-start)
		p.i = i + 1
		return false, i-start <= maxKey || p.longName(n)
	}
	t, ok := scanString(b, start)
	if !ok {
		p.i = t.end
		p.steps[p.level].node = 0
		return false, p.invalid("a property name is malformed or not UTF-8")
	}
	p.i = t.end + 1
	n.key, n.keyLen = uint32(start), uint32(t.end-start)
	if t.escaped {
		at := len(p.made)
		p.made = appendUnescaped(p.made, b[start:t.end])
		n.key, n.keyLen = uint32(at), uint32(len(p.made)-at)
		n.flags |= keyMade
	}
	key := p.key(n)
	if p.level == 0 && (string(key) == "$version" || string(key) == "$metadata") {
		return true, true
	}
	if len(key) > maxKey {
		return false, p.longName(n)
	}
	if c, found := forbidden(key, p.part); found {
		return false, p.refuse("Property name %s contains invalid character %s", shown(key, 64), quoteRune(c))
	}
	if needsQuoting(key) {
		n.flags |= keyQuoted
	}
	return false, true
}

// forbidden returns the first character of key that no property name may hold.
// The keys of an owned member are names that the hub gives, ids among them, so
// dots are allowed there, and dollars but for the first character.
func forbidden(key []byte, part Part) (rune, bool) {
	for i := 0; i < len(key); {
		if keyByte[key[i]] {
			i++
			continue
		}
		r, n := utf8.DecodeRune(key[i:])
		if part == Owned && (r == '.' || r == '$' && i > 0) {
			i += n
			continue
		}
		if r == '.' || r == '$' || r == ' ' || isControl(r) {
			return r, true
		}
		i += n
	}
	return 0, false
}

// needsQuoting reports whether key holds what JSON demands an escape for;
// control characters cannot be in it.
func needsQuoting(key []byte) bool {
	for _, c := range key {
		if c == '"' || c == '\\' {
			return true
		}
	}
	return false
}

func quoteRune(r rune) string {
	if isControl(r) {
		return fmt.Sprintf("'\\u%04x'", r)
	}
	return "'" + string(r) + "'"
}

func (p *parser) longName(n *node) bool {
	return p.refuse("Length of property name %s exceeds maximum length of %d", shown(p.key(n), 10), maxKey)
}

func (p *parser) twice(key []byte) bool {
	return p.refuse("Property name %s is given more than once", shown(key, 64))
}

func (p *parser) nullInArray() bool {
	if p.steps[p.level].array {
		return p.refuse("Arrays cannot contain 'null' as value")
	}
	return p.refuse("Property %s of an object in an array cannot be 'null'", p.shownName())
}

// invalid refuses text that is not JSON, or not an object.
func (p *parser) invalid(why string) bool {
	return p.refuse("Provided json is not a valid 'tags' or 'properties' object: %s at byte %d", why, p.i)
}

// refuse sets the error of the parse, unless there is one, and returns false.
func (p *parser) refuse(text string, args ...any) bool {
	if p.err == nil {
		p.err = refuse(p.path(), text, args...)
	}
	return false
}

// shownName is the name of the current property: of the member, or of the
// nearest one around the array.
func (p *parser) shownName() string {
	for l := p.level; l >= 0; l-- {
		if s := p.steps[l]; !s.array && s.node != 0 {
			return shown(p.key(&p.nodes[s.node]), 64)
		}
	}
	return ""
}

// path says where in the twin the parser is: properties.desired.a[2].b.
func (p *parser) path() string {
	var b strings.Builder
	b.WriteString(p.part.String())
	for _, s := range p.steps[:p.level+1] {
		switch {
		case s.array:
			b.WriteByte('[')
			b.WriteString(strconv.Itoa(int(s.element)))
			b.WriteByte(']')
		case s.node != 0 && int(s.node) < len(p.nodes):
			b.WriteByte('.')
			b.WriteString(shown(p.key(&p.nodes[s.node]), 64))
		}
	}
	return b.String()
}
