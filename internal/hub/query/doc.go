// Package query is the query language of a hub over its twins (wire §7): one
// lexer, one parser, a checker that turns the syntax tree into a [Query], and
// the evaluation of that query row by row.
//
// The parser knows the whole language; the checker names what this version
// does not evaluate (GROUP BY, aggregates other than COUNT, arithmetic,
// devices.jobs), with its place in the text, so nothing is misread in silence.
//
// Conditions have three values: a path that a twin does not have is undefined,
// a comparison with undefined is undefined, and only rows whose condition is
// true are found.
//
// The package does not read a store and plans nothing: the caller passes an
// iterator of rows and may narrow it by what [Query.EqualityOn] tells. It is
// not the dialect of message routing.
package query
