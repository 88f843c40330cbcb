package query

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tvilling/tvilling"
)

const operation = "read query"

// invalid returns the error for a query that is not of the language. The text
// goes on a sentence that names the place.
func invalid(query string, at int, format string, args ...any) *tvilling.Error {
	e := tvilling.Errorf(tvilling.InvalidArgument, "The query is invalid at %s: %s", location(query, at), fmt.Sprintf(format, args...))
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
