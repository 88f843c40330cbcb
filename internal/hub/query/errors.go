package query

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tvilling/tvilling"
)

const operation = "read query"

// language is what this version evaluates, for the people who asked for more.
const language = "Supported is SELECT [TOP n] followed by * or paths [AS name] or COUNT() AS name, FROM devices or devices.modules, " +
	"WHERE with AND, OR, NOT, =, !=, <>, <, <=, >, >=, IN, NOT IN, NIN and the functions " + functionNames + "."

// invalid returns the error for a query that is not of the language. The text
// goes on a sentence that names the place.
func invalid(query string, at int, format string, args ...any) *tvilling.Error {
	e := tvilling.Errorf(tvilling.InvalidArgument, "The query is invalid at %s: %s", location(query, at), fmt.Sprintf(format, args...))
	e.Op = operation
	return e
}

// unsupported returns the error for what the language has and this version
// does not evaluate.
func unsupported(query string, at int, construct string) *tvilling.Error {
	e := tvilling.Errorf(tvilling.Unsupported, "The query uses %s at %s, which this version of the hub does not support. %s",
		construct, location(query, at), language)
	e.Op = operation
	return e
}

// location returns the line and column, in characters from 1 on, of an offset.
func location(query string, at int) string {
	before := query[:at]
	line := strings.Count(before, "\n")
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	return fmt.Sprintf("line %d, column %d", line+1, column+1)
}

// clip shortens a piece of a query for a message.
func clip(s string) string {
	const most = 40
	for i := range s {
		if i >= most {
			return s[:i] + "…"
		}
	}
	return s
}
