// Package query is the query language of a hub over its twins (wire §7): one
// lexer, one parser, a checker that turns the syntax tree into a [Query], and
// the evaluation of that query row by row. What the language has beyond that of
// IoT Hub (ORDER BY, LIKE, JOIN, EXPLAIN, the functions of message routing,
// columns that are computed) changes nothing for a query that does without.
//
// Conditions have three values: a path that a twin does not have is undefined,
// a comparison with undefined is undefined, and only rows whose condition is
// true are found.
//
// [Query.Run] answers a query by looking at every row, and is what any other way
// to answer it is held against; package querytest has scripts that do so. The
// parts are there for engines that know of better ways: [Condition] and its
// nodes to plan by, [Groups] and [Sorted] to collect results in parts.
//
// Every evaluation is bounded by the length of the query: nothing in it repeats.
//
// The package does not read a store and plans nothing: the caller passes an
// iterator of rows. It is not the dialect of message routing.
package query
