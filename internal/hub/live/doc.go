// Package live keeps the results of queries current: whoever opens a live query
// gets the rows that it finds and then, as they are made durable, the changes
// of that result: rows that entered it, changed or left it, in the order of the
// journal. Applied in order, they always lead to what the query would find.
//
// A subscription holds one hash for each row of its result and no documents. It
// hears from the committer which identities each durable round touched, looks
// at those that the change can concern as they are now, and tells what is
// different. One list of touched identities serves all subscriptions; whoever
// is behind it goes on from the journal.
//
// A cursor says up to where changes were told, so that a client that lost its
// connection, or the hub, goes on from there: what was touched since is
// compared with the journal's history. Where that cannot be told any more the
// client is told to begin anew. Nothing is ever left out in silence.
//
// The package runs no goroutine: a subscription works in that of its reader.
// It knows no wire.
package live
