package rest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
)

// checkQuery refuses parameters that the route does not have, and those given
// twice that are not lists: what is misspelt would otherwise widen an answer
// in silence.
func (c *Call) checkQuery() error {
	if c.Route.Parameters == nil {
		return nil
	}
	for name, values := range c.Query {
		if name == "api-version" {
			continue
		}
		i := slices.IndexFunc(c.Route.Parameters, func(p Parameter) bool { return p.Name == name })
		if i < 0 {
			return BadParameter(clip(name), "There is no such parameter here; there are "+c.known()+".")
		}
		if len(values) > 1 && !c.Route.Parameters[i].Many {
			return BadParameter(name, "The parameter is given more than once.")
		}
	}
	return nil
}

func (c *Call) known() string {
	if len(c.Route.Parameters) == 0 {
		return "none"
	}
	names := make([]string, len(c.Route.Parameters))
	for i, p := range c.Route.Parameters {
		names[i] = p.Name
	}
	return strings.Join(names, ", ")
}

// clip bounds what of a request is repeated in an answer.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// BadParameter is the refusal of a parameter of the query string.
func BadParameter(name, message string) error {
	return &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read query string", Path: name, Message: message}
}

// BadMember is the refusal of a member of the body.
func BadMember(path, message string) error {
	return &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read body", Path: path, Message: message}
}

// Number reads a whole number of the query string; missing is def.
func (c *Call) Number(name string, def uint64) (uint64, error) {
	s := c.Query.Get(name)
	if s == "" {
		return def, nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, BadParameter(name, "The value must be a whole number of 0 or more.")
	}
	return n, nil
}

// Within reads a whole number of the query string that lies between limits;
// missing is def.
func (c *Call) Within(name string, def, least, most int) (int, error) {
	s := c.Query.Get(name)
	if s == "" {
		return def, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		return 0, BadParameter(name, fmt.Sprintf("The value must be a whole number from %d to %d.", least, most))
	}
	return n, nil
}

// Flag reads a yes or no of the query string; missing is no.
func (c *Call) Flag(name string) (bool, error) {
	s := c.Query.Get(name)
	if s == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		return false, BadParameter(name, `The value must be "true" or "false".`)
	}
	return b, nil
}

// Time reads a time of the query string; missing is the zero time.
func (c *Call) Time(name string) (time.Time, error) {
	s := c.Query.Get(name)
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, BadParameter(name, "The value must be a time as 2026-01-31T12:00:00Z (RFC 3339).")
	}
	return t.UTC(), nil
}

// Words reads a list of the query string, given as a,b or several times; each
// word must be one of those known.
func (c *Call) Words(name string, known ...string) ([]string, error) {
	var list []string
	for _, value := range c.Query[name] {
		for word := range strings.SplitSeq(value, ",") {
			if !slices.Contains(known, word) {
				return nil, BadParameter(name, fmt.Sprintf("%q is not one of %s.", clip(word), strings.Join(known, ", ")))
			}
			if !slices.Contains(list, word) {
				list = append(list, word)
			}
		}
	}
	return list, nil
}

// After reads the query string's after: a sequence, or "latest" for what comes
// from now on.
func (c *Call) After(head func() uint64) (uint64, error) {
	if c.Query.Get("after") == "latest" {
		return head(), nil
	}
	return c.Number("after", 0)
}

// follows reports whether a stream is asked for.
func (c *Call) follows() bool {
	follow, err := c.Flag("follow")
	return err == nil && follow // what is malformed is refused by the route
}
