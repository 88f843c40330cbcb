package sigma

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling"
)

// condition is a condition with its text.
type condition struct {
	text string
	tree *clause
}

// clauseKind says how a clause joins its parts.
type clauseKind uint8

const (
	refers  clauseKind = iota // one selection
	anyOf                     // or
	allOf                     // and
	negated                   // not
	countOf                   // count of the selections
)

// clause is a node of a condition.
type clause struct {
	kind  clauseKind
	of    []*clause // anyOf, allOf, negated
	refs  []int     // refers, countOf: selections
	count int
}

type conditionError struct {
	code    tvilling.Code
	message string
}

func (e *conditionError) Error() string { return e.message }

func wrongCondition(format string, args ...any) error {
	return &conditionError{tvilling.InvalidArgument, fmt.Sprintf(format, args...)}
}

// words are those that cannot name a selection.
var words = []string{"and", "or", "not", "of", "them", "all", "any"}

func reserved(name string) bool { return slices.Contains(words, strings.ToLower(name)) }

func identifier(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c != '-' && c != '.' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != "" && len(s) <= 128
}

// parser reads a condition by recursive descent: or binds least, then and,
// not, x of.
type parser struct {
	tokens []string
	names  []string
	depth  int
}

func parseCondition(text string, names []string) (*clause, error) {
	if len(text) > MaxConditionBytes {
		return nil, &conditionError{tvilling.TooLarge, fmt.Sprintf("The condition has %d bytes; at most %d are taken.", len(text), MaxConditionBytes)}
	}
	p := &parser{names: names}
	if err := p.lex(text); err != nil {
		return nil, err
	}
	if len(p.tokens) == 0 {
		return nil, wrongCondition("The condition is empty.")
	}
	c, err := p.or()
	if err != nil {
		return nil, err
	}
	if len(p.tokens) > 0 {
		return nil, wrongCondition("The condition goes on with %s where and, or or its end is expected.", show(p.tokens[0]))
	}
	return c, nil
}

func (p *parser) lex(text string) error {
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case ' ', '\t', '\n', '\r':
			i++
		case '(', ')':
			p.tokens = append(p.tokens, text[i:i+1])
			i++
		case '|':
			what := "a pipe"
			if f := strings.FieldsFunc(text[i+1:], func(r rune) bool { return r == ' ' || r == '(' }); len(f) > 0 {
				what = "| " + f[0]
			}
			return &conditionError{tvilling.Unsupported, fmt.Sprintf("The condition has an aggregation (%s), which is not supported: what counts events is a stateful detection, which is built in.", show(what))}
		default:
			from := i
			for i < len(text) && (nameByte(text[i]) || text[i] == '*') {
				i++
			}
			if i == from {
				return wrongCondition("The condition has %s, which does not belong there.", show(string([]rune(text[i:])[:1])))
			}
			p.tokens = append(p.tokens, text[from:i])
		}
	}
	return nil
}

func (p *parser) is(word string) bool {
	return len(p.tokens) > 0 && strings.EqualFold(p.tokens[0], word)
}

func (p *parser) take(word string) bool {
	if !p.is(word) {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

func (p *parser) or() (*clause, error) {
	return p.chain("or", anyOf, p.and)
}

func (p *parser) and() (*clause, error) {
	return p.chain("and", allOf, p.not)
}

// chain reads one or more operands with a word between them.
func (p *parser) chain(word string, kind clauseKind, operand func() (*clause, error)) (*clause, error) {
	first, err := operand()
	if err != nil || !p.is(word) {
		return first, err
	}
	c := &clause{kind: kind, of: []*clause{first}}
	for p.take(word) {
		next, err := operand()
		if err != nil {
			return nil, err
		}
		c.of = append(c.of, next)
	}
	if p.is("near") {
		return nil, &conditionError{tvilling.Unsupported, "near is not supported: what needs several events is a stateful detection, which is built in."}
	}
	return c, nil
}

func (p *parser) not() (*clause, error) {
	if !p.is("not") && !p.is("(") {
		return p.atom()
	}
	if p.depth++; p.depth > MaxNesting {
		return nil, &conditionError{tvilling.TooLarge, fmt.Sprintf("The condition is nested more than %d deep.", MaxNesting)}
	}
	defer func() { p.depth-- }()
	if p.take("not") {
		c, err := p.not()
		if err != nil {
			return nil, err
		}
		return &clause{kind: negated, of: []*clause{c}}, nil
	}
	p.take("(")
	c, err := p.or()
	if err != nil {
		return nil, err
	}
	if !p.take(")") {
		return nil, wrongCondition("The condition lacks a closing parenthesis%s.", p.before())
	}
	return c, nil
}

func (p *parser) before() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return " before " + show(p.tokens[0])
}

// atom reads a selection, or x of some.
func (p *parser) atom() (*clause, error) {
	if len(p.tokens) == 0 {
		return nil, wrongCondition("The condition ends where a selection is expected.")
	}
	t := p.tokens[0]
	if len(p.tokens) > 1 && strings.EqualFold(p.tokens[1], "of") {
		p.tokens = p.tokens[2:]
		return p.of(t)
	}
	if strings.EqualFold(t, "near") {
		return nil, &conditionError{tvilling.Unsupported, "near is not supported: what needs several events is a stateful detection, which is built in."}
	}
	if reserved(t) || t == ")" {
		return nil, wrongCondition("The condition has %s where a selection is expected.", show(t))
	}
	i := slices.Index(p.names, t)
	if i < 0 {
		if strings.Contains(t, "*") {
			return nil, wrongCondition("%s names several selections; say 1 of %s or all of %s.", show(t), t, t)
		}
		return nil, wrongCondition("The condition names %s; there is no such selection (%s)", show(t), suggest(t, p.names))
	}
	p.tokens = p.tokens[1:]
	return &clause{kind: refers, refs: []int{i}}, nil
}

func (p *parser) of(count string) (*clause, error) {
	if len(p.tokens) == 0 {
		return nil, wrongCondition("The condition ends after of; a pattern like selection* or them is expected.")
	}
	what := p.tokens[0]
	p.tokens = p.tokens[1:]
	c := &clause{kind: countOf}
	for i, name := range p.names {
		// Names that begin with an underscore are no part of them.
		if strings.EqualFold(what, "them") && !strings.HasPrefix(name, "_") || !strings.EqualFold(what, "them") && glob(what, name) {
			c.refs = append(c.refs, i)
		}
	}
	if len(c.refs) == 0 {
		return nil, wrongCondition("%s of %s means no selection: none has such a name.", count, what)
	}
	switch n, err := strconv.Atoi(count); {
	case strings.EqualFold(count, "all"):
		c.count = len(c.refs)
	case strings.EqualFold(count, "any"):
		c.count = 1
	case err != nil || n < 1:
		return nil, wrongCondition("%s before of is not a count; say 1, another number, or all.", show(count))
	case n > len(c.refs):
		return nil, wrongCondition("%s of %s can never hold: it means %d selections.", count, what, len(c.refs))
	default:
		c.count = n
	}
	return c, nil
}

// glob reports whether name is what pattern says, * being any text.
func glob(pattern, name string) bool {
	head, rest, more := strings.Cut(pattern, "*")
	if !more {
		return pattern == name
	}
	if !strings.HasPrefix(name, head) {
		return false
	}
	name = name[len(head):]
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(name, part)
		}
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name, rest = name[i+len(part):], after
	}
}
