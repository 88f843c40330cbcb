package query

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

// comparison := sum [operator sum | [NOT] IN array | NIN array | [NOT] LIKE string]
func (p *parser) comparison() (Expr, error) {
	left, err := p.sum()
	if err != nil {
		return nil, err
	}
	at := Pos(p.token.at)
	if p.token.keyword("NOT") || p.token.keyword("IN") || p.token.keyword("NIN") || p.wordHere("LIKE") {
		return p.predicate(left)
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

// predicate := [NOT] IN array | NIN array | [NOT] LIKE string
func (p *parser) predicate(x Expr) (Expr, error) {
	at := Pos(p.token.at)
	negated, err := p.skip("NOT")
	if err != nil {
		return nil, err
	}
	if like, err := p.skipWord("LIKE"); err != nil {
		return nil, err
	} else if like {
		return p.like(&Like{Pos: at, X: x, Negated: negated})
	}
	return p.membership(&In{Pos: at, X: x, Negated: negated})
}

// like := string, with what stands before it already read
func (p *parser) like(l *Like) (Expr, error) {
	if p.token.kind != tokenString {
		return nil, p.unexpected("a pattern in quotes after LIKE, such as 'press-%'")
	}
	l.Pattern, l.PatternAt = p.token.text, Pos(p.token.at)
	return l, p.advance()
}

// membership := (IN | NIN) array, with NOT already read
func (p *parser) membership(in *In) (Expr, error) {
	if nin, err := p.skip("NIN"); err != nil {
		return nil, err
	} else if nin && in.Negated {
		return nil, invalid(p.lexer.text, in.At(), "NOT NIN is a double negation; write IN.")
	} else if nin {
		in.Negated = true
	} else if err := p.expect("IN", "IN or LIKE after NOT"); err != nil {
		return nil, err
	}
	if p.token.is("(") {
		return nil, invalid(p.lexer.text, p.token.at, "the values of IN stand in square brackets: IN ['a', 'b'].")
	}
	if !p.token.is("[") {
		return nil, p.unexpected("an array of constants, such as ['a', 'b']")
	}
	var err error
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
