package sigma

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// itemKind says how an item compares.
type itemKind uint8

const (
	textItem    itemKind = iota
	regexItem            // re
	cidrItem             // cidr
	compareItem          // lt, lte, gt, gte
	existsItem           // exists
	refItem              // fieldref
)

// modifiers is what the modifiers of a field say.
type modifiers struct {
	kind            itemKind
	all, neq, cased bool
	// op is that of a compareItem, flags are those of a regexItem.
	op    string
	flags string
	// before and after are contains, startswith and endswith of a refItem.
	before, after bool
	// transforms are applied to a text, in the order written.
	transforms []string
	names      []string
}

// The modifiers by what they do. times are known to the specification and not here.
var (
	transformers = []string{"contains", "startswith", "endswith", "windash", "base64", "base64offset", "wide", "utf16le", "utf16be", "utf16", "expand"}
	comparisons  = []string{"lt", "lte", "gt", "gte"}
	regexFlags   = []string{"i", "m", "s"}
	timeParts    = []string{"minute", "hour", "day", "week", "month", "year"}
	allModifiers = slices.Concat(transformers, comparisons, []string{"re", "i", "m", "s", "cidr", "exists", "fieldref", "all", "neq", "cased"})
)

// parseModifiers reads what follows the field's name. The text is a full
// sentence that says what is wrong, "" if nothing is.
func parseModifiers(names []string) (m modifiers, wrong string, unsupported bool) {
	m.names = names
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return m, fmt.Sprintf("The modifier %s is there twice.", name), false
		}
		switch {
		case name == "all":
			m.all = true
		case name == "neq":
			m.neq = true
		case name == "cased":
			m.cased = true
		case slices.Contains(transformers, name):
			m.transforms = append(m.transforms, name)
		case slices.Contains(regexFlags, name):
			if m.kind != regexItem {
				return m, fmt.Sprintf("The modifier %s belongs to a regular expression: re|%s.", name, name), false
			}
			m.flags += name
		case slices.Contains(timeParts, name):
			return m, fmt.Sprintf("The time modifier %s is not supported: fields are not compared as dates.", name), true
		default:
			kind, known := kindOf(name)
			if !known {
				return m, fmt.Sprintf("There is no modifier %s; %s", show(name), suggest(name, allModifiers)), true
			}
			if m.kind != textItem {
				return m, fmt.Sprintf("The modifiers %s and %s do not go together.", strings.Join(names[:i], "|"), name), false
			}
			if m.kind = kind; kind == compareItem {
				m.op = name
			}
		}
	}
	return m, m.conflict(), false
}

func kindOf(name string) (itemKind, bool) {
	switch {
	case name == "re":
		return regexItem, true
	case name == "cidr":
		return cidrItem, true
	case name == "exists":
		return existsItem, true
	case name == "fieldref":
		return refItem, true
	case slices.Contains(comparisons, name):
		return compareItem, true
	default:
		return textItem, false
	}
}

// conflict says what modifiers contradict each other.
func (m *modifiers) conflict() string {
	has := func(n string) bool { return slices.Contains(m.names, n) }
	places := 0
	for _, n := range []string{"contains", "startswith", "endswith"} {
		if has(n) {
			places++
		}
	}
	if places > 1 {
		return "Of contains, startswith and endswith only one can be said of a value."
	}
	if m.kind == refItem {
		m.before, m.after = has("contains") || has("endswith"), has("contains") || has("startswith")
		m.transforms = slices.DeleteFunc(m.transforms, func(t string) bool {
			return t == "contains" || t == "startswith" || t == "endswith"
		})
	}
	switch {
	case m.kind != textItem && len(m.transforms) > 0:
		return fmt.Sprintf("The modifier %s is for texts; it does not go together with %s.", m.transforms[0], m.kindName())
	case m.cased && m.kind != textItem && m.kind != refItem:
		return fmt.Sprintf("The modifier cased does not go together with %s.", m.kindName())
	case m.kind == existsItem && (m.all || m.neq):
		return "The modifier exists stands alone; its value is true or false."
	default:
		return ""
	}
}

func (m *modifiers) kindName() string {
	for _, n := range m.names {
		if k, ok := kindOf(n); ok && k == m.kind {
			return n
		}
	}
	return ""
}

// transform applies the modifiers that change a text. The message is a full
// sentence that says what is wrong.
func (m *modifiers) transform(p pattern) (alts []pattern, wrong string) {
	alts = []pattern{p}
	for _, name := range m.transforms {
		var out []pattern
		for _, a := range alts {
			next, wrong := transformOne(name, a)
			if wrong != "" {
				return nil, wrong
			}
			out = append(out, next...)
		}
		alts = out
	}
	for _, a := range alts {
		for _, t := range a {
			if t.kind == literal && !utf8.ValidString(t.text) {
				return nil, "The value becomes bytes that are no UTF-8 text, which no field holds; follow it with base64 or base64offset."
			}
		}
	}
	return alts, ""
}

func transformOne(name string, p pattern) ([]pattern, string) {
	switch name {
	case "contains", "startswith", "endswith":
		if len(p) == 0 {
			return nil, fmt.Sprintf("An empty text is in every value, so %s says nothing; use exists: true.", name)
		}
		return []pattern{p.open(name != "startswith", name != "endswith")}, ""
	case "windash":
		return []pattern{p.windash()}, ""
	case "expand":
		return []pattern{p.expand()}, ""
	}
	whole, ok := p.withoutDashes(MaxValues)
	if !ok {
		return nil, fmt.Sprintf("The dashes of the value make more than %d texts to encode.", MaxValues)
	}
	var out []pattern
	for _, w := range whole {
		s, ok := w.text()
		if !ok {
			return nil, fmt.Sprintf("The modifier %s encodes a text and cannot encode wildcards or placeholders; write contains and the like after it, and a backslash before * and ?.", name)
		}
		for _, e := range encode(name, s) {
			if e == "" {
				return nil, fmt.Sprintf("%s is too short for %s: nothing of it is certain to be seen.", show(s), name)
			}
			out = append(out, pattern{{literal, e}})
		}
	}
	return out, ""
}

func encode(name, s string) []string {
	switch name {
	case "base64":
		return []string{base64.StdEncoding.EncodeToString([]byte(s))}
	case "base64offset":
		o := offsets(s)
		return o[:]
	case "utf16be":
		return []string{encodeUTF16(s, binary.BigEndian, false)}
	case "utf16":
		return []string{encodeUTF16(s, binary.LittleEndian, true)}
	default: // wide, utf16le
		return []string{encodeUTF16(s, binary.LittleEndian, false)}
	}
}
