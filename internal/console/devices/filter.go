package devices

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/query"
)

// operator is what a filter says of its field.
type operator struct{ Name, Label string }

var operators = []operator{
	{"is", "is"},
	{"not", "is set, but not"},
	{"begins", "begins with"},
	{"contains", "contains"},
	{"above", "is at least"},
	{"below", "is at most"},
	{"set", "is set"},
	{"unset", "is not set"},
}

// addFilter is GET /devices/filter: it writes a filter into the query and shows
// that.
func (p *pages) addFilter(c *web.Call) error {
	q := url.Values{}
	for _, name := range []string{"q", "sort", "from"} {
		if v := c.Query(name); v != "" {
			q.Set(name, v)
		}
	}
	text, err := withFilter(c.Query("q"), c.Query("field"), c.Query("key"), c.Query("op"), c.Query("value"))
	if err != nil {
		return p.list(c, q, err)
	}
	q.Set("q", text)
	return c.Redirect(address(q), "")
}

// withFilter is a condition with one more filter.
func withFilter(text, name, key, op, value string) (string, error) {
	c, err := readCondition(text)
	if err != nil {
		return "", err
	}
	path, number, err := filterPath(name, strings.TrimSpace(key))
	if err != nil {
		return "", err
	}
	term, err := filterTerm(path, number, op, strings.TrimSpace(value))
	if err != nil {
		return "", err
	}
	return c.and(term), nil
}

func filterPath(name, key string) (path *query.Path, number bool, err error) {
	if name == "tag" {
		if key == "" {
			return nil, false, filterError("key", "Which tag? Type its name, such as site.")
		}
		return &query.Path{Segments: append([]string{"tags"}, strings.Split(key, ".")...)}, false, nil
	}
	i := slices.IndexFunc(fields, func(f field) bool { return f.Name == name })
	if i < 0 {
		return nil, false, filterError("field", "Choose what to filter by.")
	}
	return &query.Path{Segments: strings.Split(fields[i].path, ".")}, fields[i].number, nil
}

func filterTerm(path *query.Path, number bool, op, value string) (query.Expr, error) {
	defined := &query.Call{Name: "IS_DEFINED", Args: []query.Expr{path}}
	switch op {
	case "set":
		return defined, nil
	case "unset":
		return &query.Not{X: defined}, nil
	}
	if value == "" {
		return nil, filterError("value", "Type a value, or choose “is set” or “is not set”.")
	}
	text := &query.Constant{Kind: query.String, Text: value}
	values := []*query.Constant{text}
	n, err := strconv.ParseFloat(value, 64)
	numeric := err == nil
	switch {
	case number && !numeric:
		return nil, filterError("value", "This is compared with a number, such as 40.")
	case number:
		values = []*query.Constant{{Kind: query.Number, Number: n}}
	case op == "not":
		// What is of another kind than a value is neither equal nor unequal.
	case numeric && path.Segments[0] == "tags":
		// Some write the tag as 3, some as "3".
		values = append(values, &query.Constant{Kind: query.Number, Number: n})
	case (value == "true" || value == "false") && path.Segments[0] == "tags":
		values = append(values, &query.Constant{Kind: query.Bool, Bool: value == "true"})
	}
	last := values[len(values)-1]
	switch op {
	case "is", "not":
		if len(values) > 1 {
			return &query.In{X: path, Items: &query.Array{Items: values}}, nil
		}
		if op == "not" {
			return &query.Binary{Op: query.NotEqual, Left: path, Right: values[0]}, nil
		}
		return &query.Binary{Op: query.Equal, Left: path, Right: values[0]}, nil
	case "above":
		return &query.Binary{Op: query.GreaterEqual, Left: path, Right: last}, nil
	case "below":
		return &query.Binary{Op: query.LessEqual, Left: path, Right: last}, nil
	case "begins":
		return &query.Call{Name: "STARTSWITH", Args: []query.Expr{path, text}}, nil
	case "contains":
		return &query.Call{Name: "CONTAINS", Args: []query.Expr{path, text}}, nil
	}
	return nil, filterError("op", "Choose how to compare.")
}

func filterError(path, message string) error {
	return &tvilling.Error{Code: tvilling.InvalidArgument, Op: "add filter", Path: path, Message: message}
}
