package investigate

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
)

const (
	// MaxPredicates is how many conditions one question may have.
	MaxPredicates = 16
	// MaxPredicate is the longest condition, in bytes.
	MaxPredicate = 1024
)

// extra begins the name of a member of ExtraDetails.
const extra = "ExtraDetails."

type operator uint8

const (
	equal operator = iota
	unequal
	less
	lessOrEqual
	greater
	greaterOrEqual
	contains
	startsWith
)

// operators in the order in which they are tried: longer ones first.
var operators = []struct {
	text string
	op   operator
	word bool
}{
	{"<=", lessOrEqual, false},
	{">=", greaterOrEqual, false},
	{"!=", unequal, false},
	{"==", equal, false},
	{"=", equal, false},
	{"<", less, false},
	{">", greater, false},
	{"contains", contains, true},
	{"startswith", startsWith, true},
}

// Predicate is a condition on an item of a payload.
type Predicate struct {
	field  event.Field
	detail string // of ExtraDetails; then field is NoField
	op     operator
	text   string
	lower  string
	number int64
	// isNumber says that text is a whole number.
	isNumber bool
}

// ParsePredicate reads "Field operator value". Field is the name of a member
// on the wire, or ExtraDetails.Name; the operators are = (or ==), !=, <, <=, >, >=,
// contains and startswith. The value is the rest, without blanks around it; in
// double quotes it may be empty, begin or end with a blank, and have \" and \\.
//
// Numbers compare as numbers if both sides are whole numbers, anything else
// as text, byte by byte; contains and startswith ignore letter case. A member
// that was not sent counts as an empty text, and is neither less nor greater
// than anything.
func ParsePredicate(s string) (Predicate, error) {
	if len(s) > MaxPredicate {
		return Predicate{}, malformed("A condition may have at most %d bytes; this one has %d.", MaxPredicate, len(s))
	}
	rest := strings.TrimSpace(s)
	end := strings.IndexAny(rest, " \t=<>!")
	if end <= 0 {
		return Predicate{}, malformed("The condition %q is not of the form: Field operator value, as LocalPort <= 1024.", rest)
	}
	var p Predicate
	name := rest[:end]
	if detail, ok := strings.CutPrefix(name, extra); ok && detail != "" {
		p.detail = detail
	} else if p.field, ok = event.FieldOf(name); !ok {
		return Predicate{}, malformed("There is no member %q; use the names of the message schema, as CommandLine, or ExtraDetails.Name.", name)
	}
	value, err := p.operator(strings.TrimLeft(rest[end:], " \t"))
	if err != nil {
		return Predicate{}, err
	}
	if p.text, err = unquote(strings.TrimSpace(value)); err != nil {
		return Predicate{}, err
	}
	p.lower = strings.ToLower(p.text)
	p.number, err = strconv.ParseInt(p.text, 10, 64)
	p.isNumber = err == nil
	return p, nil
}

// operator takes the operator off s and returns what follows it.
func (p *Predicate) operator(s string) (string, error) {
	for _, o := range operators {
		rest, ok := strings.CutPrefix(s, o.text)
		if o.word {
			ok = len(s) >= len(o.text) && strings.EqualFold(s[:len(o.text)], o.text)
			if ok {
				rest = s[len(o.text):]
				ok = rest == "" || rest[0] == ' ' || rest[0] == '\t' || rest[0] == '"'
			}
		}
		if ok {
			p.op = o.op
			return rest, nil
		}
	}
	word, _, _ := strings.Cut(s, " ")
	return "", malformed("%q is not an operator; there are =, !=, <, <=, >, >=, contains and startswith.", word)
}

func unquote(s string) (string, error) {
	if s == "" {
		return "", malformed(`The condition has no value; write "" for an empty one.`)
	}
	if s[0] != '"' {
		return s, nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"' && i == len(s)-1:
			return b.String(), nil
		case s[i] == '"':
			return "", malformed(`The value goes on behind its closing quote; write \" for a quote inside.`)
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", malformed("The value has no closing quote.")
}

func malformed(format string, args ...any) error {
	return &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read condition", Path: "where", Message: fmt.Sprintf(format, args...)}
}

// Holds reports whether an item meets the condition.
func (p *Predicate) Holds(it event.Item) bool {
	v, sent := p.value(it)
	switch p.op {
	case contains:
		return strings.Contains(strings.ToLower(v.Text), p.lower)
	case startsWith:
		return strings.HasPrefix(strings.ToLower(v.Text), p.lower)
	default: // the others compare
	}
	c := strings.Compare(v.Text, p.text)
	if v.IsNumber && p.isNumber {
		c = cmp.Compare(v.Number, p.number)
	}
	switch p.op {
	case equal:
		return c == 0
	case unequal:
		return c != 0
	case less:
		return sent && c < 0
	case lessOrEqual:
		return sent && c <= 0
	case greater:
		return sent && c > 0
	default:
		return sent && c >= 0
	}
}

func (p *Predicate) value(it event.Item) (event.Value, bool) {
	if p.detail == "" {
		return it.Field(p.field)
	}
	text, ok := it.Details().Get(p.detail)
	v := event.Value{Text: text}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		v.Number, v.IsNumber = n, true
	}
	return v, ok
}

// Where is a list of conditions that must all hold for the same item.
type Where []Predicate

// ParseWhere reads the conditions of a question, at most [MaxPredicates].
func ParseWhere(list []string) (Where, error) {
	if len(list) > MaxPredicates {
		return nil, malformed("There may be at most %d conditions; there are %d.", MaxPredicates, len(list))
	}
	var w Where
	for _, s := range list {
		p, err := ParsePredicate(s)
		if err != nil {
			return nil, err
		}
		w = append(w, p)
	}
	return w, nil
}

// Holds reports whether an item meets all conditions.
func (w Where) Holds(it event.Item) bool {
	for i := range w {
		if !w[i].Holds(it) {
			return false
		}
	}
	return true
}

// Parts returns the condition in its parts: the name of the member, the
// operator in its usual spelling, the value as it is compared.
func (p *Predicate) Parts() (member, op, value string) {
	member = p.field.String()
	if p.detail != "" {
		member = extra + p.detail
	}
	for _, o := range operators {
		if o.op == p.op {
			op = o.text // of two spellings the later one is the usual
		}
	}
	return member, op, p.text
}
