package query

import (
	"strings"
	"unicode/utf8"
)

// Limits of a query's text.
const (
	// MaxLength is the longest query, in characters (wire §7.1).
	MaxLength = 8192
	// maxDepth bounds parentheses, NOT and minus inside each other.
	maxDepth = 100
	// maxTop is the largest number that TOP takes.
	maxTop = 1 << 31
)

// Parse reads the text of a query. It knows the whole language, more than
// [Compile] evaluates. An error is of code InvalidArgument, or Unsupported for
// what is known and not even parsed (ORDER BY), and names line and column.
func Parse(text string) (*Statement, error) {
	if !utf8.ValidString(text) {
		return nil, invalid("", 0, "its text is not valid UTF-8.")
	}
	if n := utf8.RuneCountInString(text); n > MaxLength {
		return nil, invalid("", 0, "it has %d characters; the limit is %d.", n, MaxLength)
	}
	p := &parser{lexer: lexer{text: text}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	return p.statement()
}

// parser reads a query by recursive descent, one method per production. Each
// method begins at the first token of its production and ends behind the last.
type parser struct {
	lexer lexer
	token token
	depth int
}

// advance moves to the next token.
func (p *parser) advance() (err error) {
	p.token, err = p.lexer.next()
	return err
}

// expect moves behind the given symbol or keyword.
func (p *parser) expect(text, wanted string) error {
	if p.token.is(text) || p.token.keyword(text) {
		return p.advance()
	}
	return p.unexpected(wanted)
}

// skip moves behind the given symbol or keyword if it stands here.
func (p *parser) skip(text string) (bool, error) {
	if p.token.is(text) || p.token.keyword(text) {
		return true, p.advance()
	}
	return false, nil
}

// statement := SELECT [TOP n] selection FROM collection [WHERE expression] [GROUP BY list]
func (p *parser) statement() (*Statement, error) {
	if err := p.expect("SELECT", "SELECT"); err != nil {
		return nil, err
	}
	s := &Statement{}
	var err error
	if s.Top, err = p.top(); err != nil {
		return nil, err
	}
	if s.Items, err = p.selection(); err != nil {
		return nil, err
	}
	if err := p.expect("FROM", "a comma, AS or FROM"); err != nil {
		return nil, err
	}
	if s.From, err = p.collection(); err != nil {
		return nil, err
	}
	if where, err := p.skip("WHERE"); err != nil {
		return nil, err
	} else if where {
		if s.Where, err = p.expression(); err != nil {
			return nil, err
		}
	}
	s.GroupAt = Pos(p.token.at)
	if s.GroupBy, err = p.grouping(); err != nil {
		return nil, err
	}
	switch {
	case p.token.kind == tokenEnd:
		return s, nil
	case p.token.keyword("ORDER"):
		return nil, unsupported(p.lexer.text, p.token.at, "ORDER BY")
	case s.GroupBy != nil:
		return nil, p.unexpected("a comma or the end of the query")
	case s.Where != nil:
		return nil, p.unexpected("an operator, GROUP BY or the end of the query")
	}
	return nil, p.unexpected("WHERE, GROUP BY or the end of the query")
}

// top := [TOP n]
func (p *parser) top() (int, error) {
	if given, err := p.skip("TOP"); err != nil || !given {
		return 0, err
	}
	n := p.token.number
	if p.token.kind != tokenNumber || n < 1 || n > maxTop || n != float64(int(n)) {
		return 0, p.unexpected("a whole number from 1 on after TOP")
	}
	return int(n), p.advance()
}

// selection := '*' | item (',' item)*
func (p *parser) selection() ([]Item, error) {
	if all, err := p.skip("*"); err != nil || all {
		return nil, err
	}
	var items []Item
	for {
		item, err := p.item()
		if err != nil {
			return nil, err
		}
		items = append(items, item)
		if more, err := p.skip(","); err != nil || !more {
			return items, err
		}
	}
}

// item := expression [AS name]
func (p *parser) item() (Item, error) {
	e, err := p.expression()
	if err != nil {
		return Item{}, err
	}
	item := Item{Expr: e}
	if named, err := p.skip("AS"); err != nil || !named {
		return item, err
	}
	if item.Alias, err = p.segment("a name after AS"); err != nil {
		return Item{}, err
	}
	return item, nil
}

// collection := path
func (p *parser) collection() (*Path, error) {
	if p.token.kind != tokenWord {
		return nil, p.unexpected("devices or devices.modules")
	}
	return p.path()
}

// grouping := [GROUP BY expression (',' expression)*]
func (p *parser) grouping() ([]Expr, error) {
	if given, err := p.skip("GROUP"); err != nil || !given {
		return nil, err
	}
	if err := p.expect("BY", "BY after GROUP"); err != nil {
		return nil, err
	}
	return p.list()
}

// list := expression (',' expression)*
func (p *parser) list() ([]Expr, error) {
	var list []Expr
	for {
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		list = append(list, e)
		if more, err := p.skip(","); err != nil || !more {
			return list, err
		}
	}
}

// deeper counts one level of nesting; the caller undoes it with p.depth--.
func (p *parser) deeper() error {
	if p.depth++; p.depth > maxDepth {
		return invalid(p.lexer.text, p.token.at, "it is nested deeper than %d levels of parentheses, NOT and minus.", maxDepth)
	}
	return nil
}

// expression := conjunction (OR conjunction)*
func (p *parser) expression() (Expr, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	at, terms, err := p.chain("OR", p.conjunction)
	if err != nil || len(terms) == 1 {
		return first(terms), err
	}
	return &Or{Pos: at, Terms: terms}, nil
}

// conjunction := negation (AND negation)*
func (p *parser) conjunction() (Expr, error) {
	at, terms, err := p.chain("AND", p.negation)
	if err != nil || len(terms) == 1 {
		return first(terms), err
	}
	return &And{Pos: at, Terms: terms}, nil
}

// chain reads term (keyword term)* and returns the place of the first keyword.
func (p *parser) chain(keyword string, term func() (Expr, error)) (at Pos, terms []Expr, err error) {
	for {
		e, err := term()
		if err != nil {
			return 0, nil, err
		}
		terms = append(terms, e)
		if len(terms) == 1 {
			at = Pos(p.token.at)
		}
		if more, err := p.skip(keyword); err != nil || !more {
			return at, terms, err
		}
	}
}

// first returns the first of terms, nil of none.
func first(terms []Expr) Expr {
	if len(terms) == 0 {
		return nil
	}
	return terms[0]
}

// negation := NOT negation | comparison
func (p *parser) negation() (Expr, error) {
	at := Pos(p.token.at)
	if not, err := p.skip("NOT"); err != nil {
		return nil, err
	} else if !not {
		return p.comparison()
	}
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	x, err := p.negation()
	if err != nil {
		return nil, err
	}
	return &Not{Pos: at, X: x}, nil
}

// comparison := sum [operator sum | [NOT] IN array | NIN array]
func (p *parser) comparison() (Expr, error) {
	left, err := p.sum()
	if err != nil {
		return nil, err
	}
	at := Pos(p.token.at)
	if p.token.keyword("NOT") || p.token.keyword("IN") || p.token.keyword("NIN") {
		return p.membership(left)
	}
	op := Op(p.token.text)
	if p.token.kind != tokenSymbol || !op.comparison() {
		return left, nil
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	right, err := p.sum()
	if err != nil {
		return nil, err
	}
	if p.token.kind == tokenSymbol && Op(p.token.text).comparison() {
		return nil, invalid(p.lexer.text, p.token.at, "a comparison cannot follow a comparison; join them with AND, or set parentheses.")
	}
	return &Binary{Pos: at, Op: op, Left: left, Right: right}, nil
}

// membership := ([NOT] IN | NIN) array
func (p *parser) membership(x Expr) (Expr, error) {
	in := &In{Pos: Pos(p.token.at), X: x}
	negated, err := p.skip("NOT")
	if err != nil {
		return nil, err
	}
	in.Negated = negated
	if nin, err := p.skip("NIN"); err != nil {
		return nil, err
	} else if nin && negated {
		return nil, invalid(p.lexer.text, in.At(), "NOT NIN is a double negation; write IN.")
	} else if nin {
		in.Negated = true
	} else if err := p.expect("IN", "IN after NOT"); err != nil {
		return nil, err
	}
	if p.token.is("(") {
		return nil, invalid(p.lexer.text, p.token.at, "the values of IN stand in square brackets: IN ['a', 'b'].")
	}
	if !p.token.is("[") {
		return nil, p.unexpected("an array of constants, such as ['a', 'b']")
	}
	in.Items, err = p.array()
	return in, err
}

// sum := product (('+' | '-') product)*
func (p *parser) sum() (Expr, error) { return p.arithmetic(p.product, Add, Subtract) }

// product := negative (('*' | '/' | '%') negative)*
func (p *parser) product() (Expr, error) { return p.arithmetic(p.negative, Multiply, Divide, Modulo) }

// arithmetic := operand (op operand)*, the operators binding to the left.
func (p *parser) arithmetic(operand func() (Expr, error), ops ...Op) (Expr, error) {
	defer func(depth int) { p.depth = depth }(p.depth)
	left, err := operand()
	if err != nil {
		return nil, err
	}
	for {
		op, found := p.operator(ops)
		if !found {
			return left, nil
		}
		// The tree grows to the left with every operator, and every walk over it
		// recurses: count it.
		if err := p.deeper(); err != nil {
			return nil, err
		}
		at := Pos(p.token.at)
		if err := p.advance(); err != nil {
			return nil, err
		}
		right, err := operand()
		if err != nil {
			return nil, err
		}
		left = &Binary{Pos: at, Op: op, Left: left, Right: right}
	}
}

// operator returns which of ops stands here.
func (p *parser) operator(ops []Op) (Op, bool) {
	for _, op := range ops {
		if p.token.is(string(op)) {
			return op, true
		}
	}
	return "", false
}

// negative := '-' negative | primary. The minus of a number is part of it.
func (p *parser) negative() (Expr, error) {
	at := Pos(p.token.at)
	if minus, err := p.skip("-"); err != nil {
		return nil, err
	} else if !minus {
		return p.primary()
	}
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	x, err := p.negative()
	if err != nil {
		return nil, err
	}
	if c, ok := x.(*Constant); ok && c.Kind == Number {
		return &Constant{Pos: at, Kind: Number, Number: -c.Number}, nil
	}
	return &Negative{Pos: at, X: x}, nil
}

// primary := '(' expression ')' | array | constant | call | path
func (p *parser) primary() (Expr, error) {
	switch {
	case p.token.is("("):
		return p.parenthesis()
	case p.token.is("["):
		return p.array()
	case p.constantHere():
		return p.constant()
	case p.token.kind == tokenWord, p.token.kind == tokenEscaped:
		name := p.token
		path, err := p.path()
		if err != nil {
			return nil, err
		}
		switch {
		case p.token.is("(") && len(path.Segments) == 1 && name.kind == tokenWord:
			return p.call(name)
		case p.token.is("["):
			return nil, invalid(p.lexer.text, p.token.at, "a member is named with a point and, where its name needs it, [[ ]]: tags.[[my-name]].")
		case p.token.kind == tokenEscaped:
			return nil, invalid(p.lexer.text, p.token.at, "there must be a point before [[.")
		}
		return path, nil
	}
	return nil, p.unexpected("a path, a constant, a function or a parenthesis")
}

// parenthesis := '(' expression ')'
func (p *parser) parenthesis() (Expr, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	e, err := p.expression()
	if err != nil {
		return nil, err
	}
	return e, p.expect(")", "an operator or a closing parenthesis")
}

// array := '[' [constant (',' constant)*] ']'
func (p *parser) array() (*Array, error) {
	a := &Array{Pos: Pos(p.token.at)}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if empty, err := p.skip("]"); err != nil || empty {
		return a, err
	}
	for {
		c, err := p.element()
		if err != nil {
			return nil, err
		}
		a.Items = append(a.Items, c)
		if more, err := p.skip(","); err != nil {
			return nil, err
		} else if !more {
			return a, p.expect("]", "a comma or a closing bracket")
		}
	}
}

// element := ['-'] constant
func (p *parser) element() (*Constant, error) {
	at := Pos(p.token.at)
	minus, err := p.skip("-")
	if err != nil {
		return nil, err
	}
	if !p.constantHere() || minus && p.token.kind != tokenNumber {
		return nil, p.unexpected("a constant")
	}
	c, err := p.constant()
	if err != nil {
		return nil, err
	}
	if minus {
		c.Pos, c.Number = at, -c.Number
	}
	return c, nil
}

// constantHere reports whether the token is a constant.
func (p *parser) constantHere() bool {
	switch p.token.kind {
	case tokenNumber, tokenString:
		return true
	case tokenKeyword:
		switch p.token.text {
		case "TRUE", "FALSE", "NULL", "UNDEFINED":
			return true
		}
		return false
	case tokenEnd, tokenWord, tokenEscaped, tokenSymbol:
		return false
	}
	return false
}

// constant := number | string | true | false | null | undefined
func (p *parser) constant() (*Constant, error) {
	t := p.token
	c := &Constant{Pos: Pos(t.at)}
	switch {
	case t.kind == tokenNumber:
		c.Kind, c.Number = Number, t.number
	case t.kind == tokenString:
		c.Kind, c.Text = String, t.text
	case t.text == "TRUE", t.text == "FALSE":
		c.Kind, c.Bool = Bool, t.text == "TRUE"
	case t.text == "NULL":
		c.Kind = Null
	}
	return c, p.advance()
}

// call := name '(' [list] ')', with the name already read
func (p *parser) call(name token) (Expr, error) {
	c := &Call{Pos: Pos(name.at), Name: upperASCII(name.text)}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if empty, err := p.skip(")"); err != nil || empty {
		return c, err
	}
	if p.token.is("*") {
		return nil, invalid(p.lexer.text, p.token.at, "COUNT takes no argument: write COUNT().")
	}
	var err error
	if c.Args, err = p.list(); err != nil {
		return nil, err
	}
	return c, p.expect(")", "a comma, an operator or a closing parenthesis")
}

// path := segment ('.' segment)*
func (p *parser) path() (*Path, error) {
	path := &Path{Pos: Pos(p.token.at)}
	for {
		s, err := p.segment("a name after the point")
		if err != nil {
			return nil, err
		}
		path.Segments = append(path.Segments, s)
		if more, err := p.skip("."); err != nil || !more {
			return path, err
		}
	}
}

// segment := word | '[[' text ']]'. Where no keyword can stand, after a point
// or AS, reserved words are plain names.
func (p *parser) segment(wanted string) (string, error) {
	t := p.token
	switch t.kind {
	case tokenWord, tokenEscaped:
		return t.text, p.advance()
	case tokenKeyword:
		return t.raw, p.advance()
	case tokenNumber:
		return "", invalid(p.lexer.text, t.at, "a name that begins with a digit is written [[%s]].", clip(t.raw))
	case tokenEnd, tokenString, tokenSymbol:
	}
	return "", p.unexpected(wanted)
}

// unexpected returns the error for a token that the grammar does not allow here.
func (p *parser) unexpected(wanted string) error {
	t := p.token
	found := clip(t.raw)
	switch t.kind {
	case tokenEnd:
		found = "the end of the query"
	case tokenString:
		found = "the string " + found
	case tokenWord, tokenKeyword, tokenEscaped, tokenNumber, tokenSymbol:
	}
	if hint := hints[strings.ToUpper(t.raw)]; hint != "" {
		return invalid(p.lexer.text, t.at, "expected %s, found %s. %s", wanted, found, hint)
	}
	return invalid(p.lexer.text, t.at, "expected %s, found %s.", wanted, found)
}

// hints say what to do in place of things that other dialects of SQL have.
var hints = map[string]string{
	"LIKE":    "There is no LIKE; STARTSWITH, ENDSWITH and CONTAINS compare parts of strings.",
	"BETWEEN": "There is no BETWEEN; write two comparisons joined by AND.",
	"IS":      "There is no IS; IS_DEFINED(path) tells whether a twin has a member.",
	"JOIN":    "A query reads one collection.",
	"HAVING":  "There is no HAVING.",
	"LIMIT":   "There is no LIMIT; write SELECT TOP n.",
	"OFFSET":  "There is no OFFSET; results come in pages.",
	"UNION":   "A query reads one collection.",
	"AS":      "A collection has no alias.",
	"ORDER":   "A reserved word that is the name of a member is written in [[ ]].",
}
