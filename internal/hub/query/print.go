package query

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// String returns the query in canonical spelling: keywords in upper case, one
// space between words, only the parentheses that are needed. Parsing it gives
// the same tree.
func (s *Statement) String() string {
	p := &printer{}
	if s.Explain {
		p.text("EXPLAIN ")
	}
	p.text("SELECT ")
	if s.Top > 0 {
		p.text("TOP ", strconv.Itoa(s.Top), " ")
	}
	if s.Items == nil {
		p.text("*")
	}
	for i, item := range s.Items {
		if i > 0 {
			p.text(", ")
		}
		p.expr(item.Expr, 0)
		if item.Alias != "" {
			p.text(" AS ")
			p.segment(item.Alias)
		}
	}
	p.text(" FROM ")
	p.expr(s.From, 0)
	if s.Join != nil {
		p.text(" JOIN ")
		p.expr(s.Join, 0)
	}
	if s.Where != nil {
		p.text(" WHERE ")
		p.expr(s.Where, 0)
	}
	if s.GroupBy != nil {
		p.text(" GROUP BY ")
		p.list(s.GroupBy)
	}
	for i, o := range s.OrderBy {
		if i == 0 {
			p.text(" ORDER BY ")
		} else {
			p.text(", ")
		}
		p.expr(o.Expr, 0)
		if o.Descending {
			p.text(" DESC")
		}
	}
	return p.out.String()
}

// The binding powers of the productions of expression, weakest first.
const (
	bindOr = iota
	bindAnd
	bindNot
	bindComparison
	bindSum
	bindProduct
	bindNegative
	bindPrimary
)

// binding returns how strongly the outermost operator of e binds.
func binding(e Expr) int {
	switch e := e.(type) {
	case *Or:
		return bindOr
	case *And:
		return bindAnd
	case *Not:
		return bindNot
	case *In, *Like:
		return bindComparison
	case *Binary:
		switch e.Op {
		case Add, Subtract:
			return bindSum
		case Multiply, Divide, Modulo:
			return bindProduct
		case Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual:
			return bindComparison
		}
	case *Negative:
		return bindNegative
	}
	return bindPrimary
}

// printer writes a tree as text.
type printer struct {
	out strings.Builder
	// canonical, if set, gives the segments to write for a path.
	canonical func(*Path) []string
}

func (p *printer) segments(e *Path) []string {
	if p.canonical != nil {
		return p.canonical(e)
	}
	return e.Segments
}

func (p *printer) text(parts ...string) {
	for _, s := range parts {
		p.out.WriteString(s)
	}
}

// expr writes e, in parentheses when it binds weaker than least.
func (p *printer) expr(e Expr, least int) {
	if binding(e) < least {
		p.text("(")
		defer p.text(")")
	}
	switch e := e.(type) {
	case *Or:
		p.chain(e.Terms, " OR ", bindAnd)
	case *And:
		p.chain(e.Terms, " AND ", bindNot)
	case *Not:
		p.text("NOT ")
		p.expr(e.X, bindNot)
	case *In:
		p.expr(e.X, bindSum)
		if e.Negated {
			p.text(" NOT")
		}
		p.text(" IN ")
		p.expr(e.Items, bindPrimary)
	case *Like:
		p.expr(e.X, bindSum)
		if e.Negated {
			p.text(" NOT")
		}
		p.text(" LIKE ")
		p.quoted(e.Pattern)
	case *Binary:
		// Arithmetic binds to the left and comparisons not at all, so the right
		// side must bind stronger, and of a comparison the left side, too.
		left, right := binding(e), binding(e)+1
		if e.Op.comparison() {
			left = right
		}
		p.expr(e.Left, left)
		p.text(" ", string(e.Op), " ")
		p.expr(e.Right, right)
	case *Negative:
		p.text("-")
		p.expr(e.X, bindNegative)
	case *Call:
		p.text(e.Name, "(")
		p.list(e.Args)
		p.text(")")
	case *Path:
		for i, s := range p.segments(e) {
			if i > 0 {
				p.text(".")
			}
			p.segment(s)
		}
	case *Array:
		p.text("[")
		for i, c := range e.Items {
			if i > 0 {
				p.text(", ")
			}
			p.constant(c)
		}
		p.text("]")
	case *Constant:
		p.constant(e)
	}
}

func (p *printer) chain(terms []Expr, between string, least int) {
	for i, t := range terms {
		if i > 0 {
			p.text(between)
		}
		p.expr(t, least)
	}
}

func (p *printer) list(list []Expr) {
	for i, e := range list {
		if i > 0 {
			p.text(", ")
		}
		p.expr(e, 0)
	}
}

// segment writes a name, escaped unless it is a bare identifier.
func (p *printer) segment(s string) {
	if bare(s) {
		p.text(s)
	} else {
		p.text("[[", s, "]]")
	}
}

// bare reports whether s can be written without [[ ]] at every place.
func bare(s string) bool {
	for _, r := range s {
		if !wordRune(r) {
			return false
		}
	}
	return s != "" && (s[0] < '0' || s[0] > '9') && !reserved[upperASCII(s)]
}

func (p *printer) constant(c *Constant) {
	switch c.Kind {
	case Null:
		p.text("null")
	case Bool:
		p.text(strconv.FormatBool(c.Bool))
	case Number:
		p.text(strconv.FormatFloat(c.Number, 'g', -1, 64))
	case String:
		p.quoted(c.Text)
	case Undefined, Time, Object, List:
		p.text("undefined")
	}
}

func (p *printer) quoted(s string) {
	p.text("'")
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == '\'' || r == '\\':
			p.text(`\`, s[:n])
		case r < ' ':
			p.text(`\u00`, string("0123456789abcdef"[r>>4]), string("0123456789abcdef"[r&15]))
		default:
			p.text(s[:n])
		}
		s = s[n:]
	}
	p.text("'")
}
