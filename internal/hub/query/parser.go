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

// Parse reads the text of a query. An error is of code InvalidArgument and
// names line and column, what was expected and what was found.
func Parse(text string) (*Statement, error) {
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}
	return p.statement()
}

// newParser returns a parser at the first token of a text.
func newParser(text string) (*parser, error) {
	if !utf8.ValidString(text) {
		return nil, invalid("", 0, "its text is not valid UTF-8.")
	}
	if n := utf8.RuneCountInString(text); n > MaxLength {
		return nil, invalid("", 0, "it has %d characters; the limit is %d.", n, MaxLength)
	}
	p := &parser{lexer: lexer{text: text}}
	return p, p.advance()
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

// statement := [EXPLAIN] SELECT [TOP n] selection FROM collection [WHERE expression] [GROUP BY list] [ORDER BY orderings]
func (p *parser) statement() (*Statement, error) {
	s := &Statement{}
	var err error
	if s.Explain, err = p.skipWord("EXPLAIN"); err != nil {
		return nil, err
	}
	if err := p.expect("SELECT", "SELECT"); err != nil {
		return nil, err
	}
	if s.Top, err = p.top(); err != nil {
		return nil, err
	}
	if s.Items, err = p.selection(); err != nil {
		return nil, err
	}
	if err := p.from(s.Items); err != nil {
		return nil, err
	}
	if s.From, s.Join, err = p.collections(); err != nil {
		return nil, err
	}
	if s.Where, err = p.where(); err != nil {
		return nil, err
	}
	if s.GroupBy, err = p.grouping(); err != nil {
		return nil, err
	}
	if s.OrderBy, err = p.ordering(); err != nil {
		return nil, err
	}
	if p.token.kind == tokenEnd {
		return s, nil
	}
	if p.token.kind == tokenWord && s.Join == nil && s.Where == nil && s.GroupBy == nil && s.OrderBy == nil && p.hint() == "" {
		return nil, invalid(p.lexer.text, p.token.at, "expected %s, found %s. A collection has no alias.", s.follow(), clip(p.token.raw))
	}
	return nil, p.unexpected(s.follow())
}

// from moves behind FROM, which follows the columns.
func (p *parser) from(items []Item) error {
	if n := len(items); n > 0 && p.token.kind == tokenWord {
		if last, ok := items[n-1].Expr.(*Path); ok && len(last.Segments) == 1 && upperASCII(last.Segments[0]) == "DISTINCT" {
			return invalid(p.lexer.text, last.At(), "there is no DISTINCT; GROUP BY gives each combination of values once.")
		}
	}
	return p.expect("FROM", "a comma, AS or FROM")
}

// follow says what may stand behind the clauses of s that are there.
func (s *Statement) follow() string {
	switch {
	case s.OrderBy != nil:
		return "ASC, DESC, a comma or the end of the query"
	case s.GroupBy != nil:
		return "a comma, ORDER BY or the end of the query"
	case s.Where != nil:
		return "an operator, GROUP BY, ORDER BY or the end of the query"
	case s.Join != nil:
		return "WHERE, GROUP BY, ORDER BY or the end of the query"
	}
	return "WHERE, GROUP BY, ORDER BY, JOIN or the end of the query"
}

// condition := [FROM collections WHERE] expression
func (p *parser) condition() (*Statement, error) {
	s := &Statement{}
	from, err := p.skip("FROM")
	if err != nil {
		return nil, err
	}
	if from {
		if s.From, s.Join, err = p.collections(); err != nil {
			return nil, err
		}
		if err := p.expect("WHERE", "WHERE"); err != nil {
			return nil, err
		}
	}
	if s.Where, err = p.expression(); err != nil {
		return nil, err
	}
	if p.token.kind != tokenEnd {
		return nil, p.unexpected("an operator or the end of the condition")
	}
	return s, nil
}

// skipWord moves behind a word that has a meaning only here.
func (p *parser) skipWord(word string) (bool, error) {
	if p.wordHere(word) {
		return true, p.advance()
	}
	return false, nil
}

// wordHere reports whether the token is the given word, which is not reserved.
func (p *parser) wordHere(word string) bool {
	return p.token.kind == tokenWord && upperASCII(p.token.text) == word
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
	if p.token.kind == tokenEnd {
		return nil, p.unexpected("*, a path, a function or an aggregate")
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

// collections := path [JOIN path]
func (p *parser) collections() (from, join *Path, err error) {
	if from, err = p.collection("devices, devices.modules or devices.jobs"); err != nil {
		return nil, nil, err
	}
	if joined, err := p.skipWord("JOIN"); err != nil || !joined {
		return from, nil, err
	}
	join, err = p.collection("devices.modules")
	return from, join, err
}

// collection := path
func (p *parser) collection(wanted string) (*Path, error) {
	if p.token.kind != tokenWord {
		return nil, p.unexpected(wanted)
	}
	return p.path()
}

// where := [WHERE expression]
func (p *parser) where() (Expr, error) {
	if given, err := p.skip("WHERE"); err != nil || !given {
		return nil, err
	}
	return p.expression()
}

// ordering := [ORDER BY expression [ASC | DESC] (',' expression [ASC | DESC])*]
func (p *parser) ordering() ([]Ordering, error) {
	if given, err := p.skip("ORDER"); err != nil || !given {
		return nil, err
	}
	if err := p.expect("BY", "BY after ORDER"); err != nil {
		return nil, err
	}
	var list []Ordering
	for {
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		o := Ordering{Expr: e}
		if o.Descending, err = p.skipWord("DESC"); err != nil {
			return nil, err
		}
		if !o.Descending {
			if _, err := p.skipWord("ASC"); err != nil {
				return nil, err
			}
		}
		list = append(list, o)
		if more, err := p.skip(","); err != nil || !more {
			return list, err
		}
	}
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
	if hint := p.hint(); hint != "" {
		return invalid(p.lexer.text, t.at, "expected %s, found %s. %s", wanted, found, hint)
	}
	return invalid(p.lexer.text, t.at, "expected %s, found %s.", wanted, found)
}

// hint returns what to do in place of the token, "" if nothing is known of it.
func (p *parser) hint() string { return hints[strings.ToUpper(p.token.raw)] }

// hints say what to do in place of things that other dialects of SQL have.
var hints = map[string]string{
	"BETWEEN": "There is no BETWEEN; write two comparisons joined by AND.",
	"IS":      "There is no IS; IS_DEFINED(path) tells whether a twin has a member.",
	"ILIKE":   "There is no ILIKE; write LOWER(path) LIKE 'pattern'.",
	"HAVING":  "There is no HAVING; order the groups by the aggregate and take the TOP ones.",
	"LIMIT":   "There is no LIMIT; write SELECT TOP n.",
	"OFFSET":  "There is no OFFSET; results come in pages.",
	"UNION":   "A query reads one collection, or devices JOIN devices.modules.",
	"INNER":   "Write FROM devices JOIN devices.modules.",
	"LEFT":    "Write FROM devices JOIN devices.modules; a device without modules is not in it.",
	"ON":      "A module is joined with its device; there is nothing to say after ON.",
	"AS":      "A collection has no alias.",
	"GROUP":   "GROUP BY stands before ORDER BY. A reserved word that is the name of a member is written in [[ ]].",
	"WHERE":   "WHERE stands before GROUP BY and ORDER BY.",
	"ORDER":   "A reserved word that is the name of a member is written in [[ ]].",
}
