package query

// Statement is the syntax tree of one query.
type Statement struct {
	// Explain says that the query is to be explained.
	Explain bool
	// Top limits the rows of the whole result; 0 means no limit.
	Top int
	// Items are the selected columns; none means "*".
	Items []Item
	// From is the collection as written: devices, devices.modules, ….
	From *Path
	// Join is the collection after JOIN, nil without one.
	Join    *Path
	Where   Expr // nil without a condition
	GroupBy []Expr
	OrderBy []Ordering
}

// Ordering is one term of ORDER BY.
type Ordering struct {
	Expr       Expr
	Descending bool
}

// Item is one selected column.
type Item struct {
	Expr Expr
	// Alias is the name given by AS, "" without one.
	Alias string
}

// Expr is a node of an expression. At returns its byte offset in the query.
type Expr interface{ At() int }

// Pos is the byte offset of a node in the text of its query.
type Pos int

// At returns p as an int.
func (p Pos) At() int { return int(p) }

// Path names a member of a twin, one segment per level, as written but without
// the [[ ]] around escaped segments.
type Path struct {
	Pos

	Segments []string
}

// Constant is a literal. Kind is Undefined, Null, Bool, Number or String and
// says which of the other fields counts.
type Constant struct {
	Pos

	Kind   Kind
	Bool   bool
	Number float64
	Text   string
}

// Array is a literal array of constants.
type Array struct {
	Pos

	Items []*Constant
}

// Call is a function or aggregate with its arguments. Name is in upper case.
type Call struct {
	Pos

	Name string
	Args []Expr
}

// Op is an operator between two values, in its canonical spelling.
type Op string

// The operators. "<>" is another spelling of NotEqual.
const (
	Equal        Op = "="
	NotEqual     Op = "!="
	Less         Op = "<"
	LessEqual    Op = "<="
	Greater      Op = ">"
	GreaterEqual Op = ">="
	Add          Op = "+"
	Subtract     Op = "-"
	Multiply     Op = "*"
	Divide       Op = "/"
	Modulo       Op = "%"
)

// comparison reports whether o compares, rather than computes.
func (o Op) comparison() bool {
	switch o {
	case Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual:
		return true
	case Add, Subtract, Multiply, Divide, Modulo:
		return false
	}
	return false
}

// Binary is a comparison or an arithmetic operation. Its position is that of
// the operator.
type Binary struct {
	Pos

	Op          Op
	Left, Right Expr
}

// Negative is the arithmetic negation of an expression that is no number literal.
type Negative struct {
	Pos

	X Expr
}

// And holds two or more terms; a chain of equal operators is one node.
type And struct {
	Pos

	Terms []Expr
}

// Or holds two or more terms; a chain of equal operators is one node.
type Or struct {
	Pos

	Terms []Expr
}

// Not is the logical negation.
type Not struct {
	Pos

	X Expr
}

// In asks whether X is one of the items, or, Negated (NOT IN, NIN), none of
// them. Its position is that of the operator.
type In struct {
	Pos

	X       Expr
	Items   *Array
	Negated bool
}

// Like asks whether the text X is of a pattern, or, Negated (NOT LIKE), not of
// it. Its position is that of the operator.
type Like struct {
	Pos

	X       Expr
	Pattern string
	Negated bool
	// PatternAt is the place of the pattern.
	PatternAt Pos
}
