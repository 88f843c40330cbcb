// Package index answers queries over all twins from memory: which twins a
// condition may find, how many, in which groups, in which order.
//
// It holds a column for each path of tags, desired, reported and owned members
// and for the members of the root. A cell is a code of the column's dictionary,
// or, where there are too many distinct values for one, a number, or the hash of
// a string. What a cell does not tell (the inside of an array, a string beyond
// its hash, a path without a column) makes a row a candidate: it may match, and
// whoever asked looks at its document. Nothing is left out silently.
//
// What a condition means is the business of package query alone: the index runs
// its tests once on each value of a dictionary instead of on each row, and joins
// the outcomes, a bit a row, by AND and OR.
//
// The index is told of every durable change by the committer, before the change
// is answered ([Index.Committed]), and is filled from a scan after the start
// ([Index.Build]); until then it is not [Index.Ready]. It keeps no documents and
// writes nothing.
package index
