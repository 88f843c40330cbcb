package query

import "strings"

// checker turns a syntax tree into a query, or says what is wrong with it.
type checker struct {
	text string
	of   Collection
	// members are those met so far, byPath finds one by its canonical path.
	members []*Member
	byPath  map[string]*Member
}

// Limits of a query's lists.
const (
	// MaxKeys is the largest number of terms of GROUP BY and of ORDER BY.
	MaxKeys = 32
	// MaxAggregates is the largest number of aggregates in a query.
	MaxAggregates = 32
)

// aggregates are the functions over many rows.
var aggregates = map[string]Function{"COUNT": Count, "AVG": Avg, "SUM": Sum, "MIN": Min, "MAX": Max}

func (c *checker) statement(s *Statement) (*Query, error) {
	if err := c.collection(s.From, s.Join); err != nil {
		return nil, err
	}
	q := &Query{collection: c.of, explain: s.Explain, top: s.Top, star: s.Items == nil}
	q.grouped = s.GroupBy != nil || hasAggregate(s.Items)
	if err := c.clauses(s, q); err != nil {
		return nil, err
	}
	var err error
	if q.grouped {
		err = c.groups(q, s)
	} else {
		err = c.rows(q, s)
	}
	if err != nil {
		return nil, err
	}
	if s.Where != nil {
		if q.where, err = c.condition(s.Where); err != nil {
			return nil, err
		}
		q.equals = equalities(q.where, c.of)
	}
	q.members = c.members
	q.loads = q.records()
	return q, nil
}

// clauses checks which clauses go together, and their lengths.
func (c *checker) clauses(s *Statement, q *Query) error {
	switch {
	case c.of == Jobs && (s.Items != nil || s.GroupBy != nil || s.OrderBy != nil):
		return invalid(c.text, s.From.At(), "jobs are read whole and as they come: write SELECT * FROM devices.jobs, with WHERE.")
	case len(s.GroupBy) > MaxKeys:
		return invalid(c.text, s.GroupBy[MaxKeys].At(), "GROUP BY has %d terms; the limit is %d.", len(s.GroupBy), MaxKeys)
	case len(s.OrderBy) > MaxKeys:
		return invalid(c.text, s.OrderBy[MaxKeys].Expr.At(), "ORDER BY has %d terms; the limit is %d.", len(s.OrderBy), MaxKeys)
	case s.GroupBy != nil && s.Items == nil:
		return invalid(c.text, s.GroupBy[0].At(), "SELECT * has no groups; select the terms of GROUP BY and aggregates.")
	case q.grouped && s.GroupBy == nil && s.Top > 0:
		return invalid(c.text, s.Items[0].Expr.At(), "aggregates without GROUP BY give one row; leave TOP away.")
	case q.grouped && s.GroupBy == nil && s.OrderBy != nil:
		return invalid(c.text, s.OrderBy[0].Expr.At(), "aggregates without GROUP BY give one row; leave ORDER BY away.")
	}
	return nil
}

func hasAggregate(items []Item) bool {
	for _, item := range items {
		if call, ok := item.Expr.(*Call); ok {
			if _, ok := aggregates[call.Name]; ok {
				return true
			}
		}
	}
	return false
}

// rows checks the columns and the order of a query that shows rows.
func (c *checker) rows(q *Query, s *Statement) error {
	names := map[string]bool{}
	for _, item := range s.Items {
		x, err := c.operand(item.Expr)
		if err != nil {
			return err
		}
		label, err := c.label(item, names)
		if err != nil {
			return err
		}
		q.columns = append(q.columns, column{label: label, operand: x})
	}
	for _, o := range s.OrderBy {
		x, err := c.operand(named(o.Expr, s.Items))
		if err != nil {
			return err
		}
		q.order = append(q.order, Sort{Operand: x, Descending: o.Descending})
	}
	return nil
}

// named returns the column that an expression names, by its alias or, if it is
// no member of a twin, by the name that the column has without one; else e.
func named(e Expr, items []Item) Expr {
	p, ok := e.(*Path)
	if !ok || len(p.Segments) != 1 {
		return e
	}
	name := p.Segments[0]
	for _, item := range items {
		if item.Alias == name {
			return item.Expr
		}
	}
	if root := upperASCII(name); rootMembers[root] != "" || root == "ID" {
		return e
	}
	for _, item := range items {
		if item.Alias == "" && implicitName(item.Expr) == name {
			return item.Expr
		}
	}
	return e
}

// implicitName returns the name of a column without an alias, "" if it needs one.
func implicitName(e Expr) string {
	switch e := e.(type) {
	case *Path:
		return e.Segments[len(e.Segments)-1]
	case *Call:
		if _, ok := aggregates[e.Name]; ok {
			return strings.ToLower(e.Name)
		}
	}
	return ""
}

// label checks the name of a column, and returns it as the beginning of a JSON
// member.
func (c *checker) label(item Item, names map[string]bool) ([]byte, error) {
	name := item.Alias
	if name == "" {
		name = implicitName(item.Expr)
		if p, ok := item.Expr.(*Path); ok {
			canonical, _, err := c.path(p)
			if err != nil {
				return nil, err
			}
			// A system member is called as it is, whichever case it was written in.
			if len(canonical) > 1 || upperASCII(name) != "ID" {
				name = canonical[len(canonical)-1]
			} else {
				name = "id"
			}
		}
	}
	switch {
	case name == "":
		return nil, invalid(c.text, item.Expr.At(), "a column that is computed needs a name; write AS and a name behind it.")
	case names[name]:
		return nil, invalid(c.text, item.Expr.At(), "two columns are named %q; name one of them with AS.", clip(name))
	}
	names[name] = true
	return append(appendString(nil, name), ':'), nil
}

// groups checks the columns, the keys and the order of a query that shows
// groups or one row of aggregates.
func (c *checker) groups(q *Query, s *Statement) error {
	slots := map[string]int{} // keys and aggregates by their text
	for i, e := range s.GroupBy {
		x, err := c.operand(e)
		if err != nil {
			return err
		}
		q.keys = append(q.keys, x)
		if key := c.print(e); slots[key] == 0 {
			slots[key] = i + 1
		}
	}
	names := map[string]bool{}
	for _, item := range s.Items {
		slot, err := c.slot(q, item.Expr, slots)
		if err != nil {
			return err
		}
		label, err := c.label(item, names)
		if err != nil {
			return err
		}
		q.columns = append(q.columns, column{label: label, slot: slot})
	}
	for _, o := range s.OrderBy {
		slot, err := c.slot(q, named(o.Expr, s.Items), slots)
		if err != nil {
			return err
		}
		q.groupOrder = append(q.groupOrder, slotOrder{slot: slot, descending: o.Descending})
	}
	return nil
}

// slot returns which of a group's keys and aggregates, counted through, an
// expression is, and adds an aggregate that is new.
func (c *checker) slot(q *Query, e Expr, slots map[string]int) (int, error) {
	call, _ := e.(*Call)
	aggregate := false
	if call != nil {
		_, aggregate = aggregates[call.Name]
	}
	var text string
	if !aggregate {
		if _, err := c.operand(e); err != nil { // before its text is compared: it may not be of the language
			return 0, err
		}
	}
	text = c.print(e)
	if slot := slots[text]; slot > 0 {
		return slot - 1, nil
	}
	if !aggregate {
		return 0, invalid(c.text, e.At(), "it is neither a term of GROUP BY nor an aggregate, so a group has many of it; add it to GROUP BY, or write MIN(…) or MAX(…).")
	}
	a, err := c.aggregate(call)
	if err != nil {
		return 0, err
	}
	if len(q.aggregates) == MaxAggregates {
		return 0, invalid(c.text, e.At(), "it has more than %d aggregates.", MaxAggregates)
	}
	q.aggregates = append(q.aggregates, a)
	slots[text] = len(q.keys) + len(q.aggregates)
	return slots[text] - 1, nil
}

// aggregate compiles an aggregate.
func (c *checker) aggregate(e *Call) (Aggregate, error) {
	a := Aggregate{Func: aggregates[e.Name]}
	switch {
	case a.Func == Count && len(e.Args) > 0:
		return a, invalid(c.text, e.At(), "COUNT takes no argument: write COUNT().")
	case a.Func == Count:
		return a, nil
	case len(e.Args) != 1:
		return a, invalid(c.text, e.At(), "%s takes 1 argument, not %d.", e.Name, len(e.Args))
	}
	var err error
	a.Operand, err = c.operand(e.Args[0])
	return a, err
}

// print returns the text of an expression whose paths were checked, the same
// for every spelling.
func (c *checker) print(e Expr) string {
	p := &printer{canonical: func(p *Path) []string {
		canonical, module, err := c.path(p)
		if err != nil {
			return p.Segments
		}
		if module {
			return append([]string{"modules"}, canonical...)
		}
		return canonical
	}}
	p.expr(e, 0)
	return p.out.String()
}

// member returns the member that a path names.
func (c *checker) member(p *Path) (*Member, error) {
	canonical, module, err := c.path(p)
	if err != nil {
		return nil, err
	}
	key := strings.Join(canonical, "\x00")
	if module {
		key = "\x00" + key
	}
	m := c.byPath[key]
	if m == nil {
		m = newMember(len(c.members), canonical, module)
		if c.byPath == nil {
			c.byPath = make(map[string]*Member)
		}
		c.byPath[key] = m
		c.members = append(c.members, m)
	}
	return m, nil
}

// equalities returns the root members that the condition ties to one string.
func equalities(where Condition, of Collection) map[string]string {
	terms, ok := where.(All)
	if !ok {
		terms = All{where}
	}
	equals := map[string]string{}
	for _, t := range terms {
		comparison, ok := t.(Comparison)
		if !ok || comparison.Op != Equal {
			continue
		}
		m, isMember := comparison.Left.(*Member)
		l, isLiteral := comparison.Right.(Literal)
		if !isMember || !isLiteral {
			m, isMember = comparison.Right.(*Member)
			l, isLiteral = comparison.Left.(Literal)
		}
		if !isMember || !isLiteral || l.V.kind != String || len(m.Segments) != 1 {
			continue
		}
		name := m.Segments[0]
		// Of a pair's two twins only the ids are known to be the pair's.
		if of == Joined && name != "deviceId" && name != "moduleId" {
			continue
		}
		if _, known := equals[name]; !known {
			equals[name] = l.V.text
		}
	}
	return equals
}
