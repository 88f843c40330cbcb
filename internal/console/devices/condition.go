package devices

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
)

// What a condition is about: devices with their security modules, or, to find
// those that have none, devices alone.
const (
	withModules = "devices JOIN devices.modules"
	alone       = "devices"
)

// only leaves the security modules of all modules.
const only = "moduleId = '" + string(tvilling.SecurityModule) + "'"

// condition is what stands behind WHERE in the query field.
type condition struct {
	// text is as it was typed, without blanks around it.
	text string
	// terms all hold; none finds every device.
	terms []query.Expr
}

// readCondition reads a condition. What is wrong is told by its column.
func readCondition(text string) (condition, error) {
	c := condition{text: strings.TrimSpace(text)}
	if rest, ok := cutFold(c.text, "where "); ok {
		c.text = strings.TrimSpace(rest)
	}
	if c.text == "" {
		return c, nil
	}
	s, err := query.Parse("SELECT * FROM devices WHERE\n" + c.text)
	switch {
	case err != nil:
		return c, inField(err)
	case s.GroupBy != nil || s.OrderBy != nil:
		return c, &tvilling.Error{
			Code: tvilling.InvalidArgument, Op: "read condition", Path: "q",
			Message: "The field takes a condition alone. Sort by the heads of the table; groups are for the query page.",
		}
	}
	if and, ok := s.Where.(*query.And); ok {
		c.terms = and.Terms
	} else {
		c.terms = []query.Expr{s.Where}
	}
	return c, nil
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
		return s[len(prefix):], true
	}
	return s, false
}

var place = regexp.MustCompile(`at line (\d+), column (\d+)`)

// inField tells the place of an error as it is in the field, whose text stands
// on the second line of the query.
func inField(err error) error {
	message := place.ReplaceAllStringFunc(tvilling.MessageOf(err), func(s string) string {
		m := place.FindStringSubmatch(s)
		line, convErr := strconv.Atoi(m[1])
		if convErr != nil || line <= 2 {
			return "at column " + m[2]
		}
		return "at line " + strconv.Itoa(line-1) + ", column " + m[2]
	})
	return &tvilling.Error{Code: tvilling.CodeOf(err), Op: "read condition", Path: "q", Message: strings.Replace(message, "The query is invalid", "The condition is invalid", 1), Err: err}
}

// compile makes the query that finds the devices of a condition in an order.
func (c condition) compile(from, order string) (*query.Query, error) {
	q, err := query.Compile(c.query(from, order))
	if err != nil {
		return nil, inField(err)
	}
	return q, nil
}

// query is the text that is run: the condition has its second line.
func (c condition) query(from, order string) string {
	var b strings.Builder
	b.WriteString("SELECT deviceId FROM " + from)
	switch {
	case from == withModules && c.text == "":
		b.WriteString(" WHERE " + only)
	case from == withModules:
		b.WriteString(" WHERE " + only + " AND (\n" + c.text + "\n)")
	case c.text != "":
		b.WriteString(" WHERE\n" + c.text)
	}
	if order != "" {
		b.WriteString(" ORDER BY " + order)
	}
	return b.String()
}

// whole is the query as the query page takes it: one line.
func (c condition) whole(order string) string {
	return strings.ReplaceAll(strings.ReplaceAll(c.query(withModules, order), "(\n", "("), "\n)", ")")
}

// without is the text of the condition that is left without one of its terms.
func (c condition) without(i int) string {
	rest := make([]query.Expr, 0, len(c.terms))
	rest = append(append(rest, c.terms[:i]...), c.terms[i+1:]...)
	return written(rest)
}

// and is the text of the condition with one more term.
func (c condition) and(term query.Expr) string {
	return written(append(append([]query.Expr(nil), c.terms...), term))
}

// written is terms as text.
func written(terms []query.Expr) string {
	s := query.Statement{From: &query.Path{Segments: []string{"devices"}}}
	switch len(terms) {
	case 0:
		return ""
	case 1:
		s.Where = terms[0]
	default:
		s.Where = &query.And{Terms: terms}
	}
	return strings.TrimPrefix(s.String(), "SELECT * FROM devices WHERE ")
}
