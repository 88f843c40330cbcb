// Package search answers queries over the twins of a hub as they are now: a page
// of their result, how many twins they find, which. It chooses how: by reading
// the one device that a query names, from the memory index, from the index and
// then the documents of what it could not rule out, or by looking at all twins.
//
// Whatever way is taken, a query sees every change that was answered before it
// began. Pages are by key: a continuation holds where the next page begins, and
// the hub holds nothing. So it is good after a restart, with another page size
// and after changes; a page shows its twins as they are when it is made.
//
// What a query means is the business of package query, which also writes the
// rows; what is in the index, that of package index. Who may ask is decided by
// whoever calls.
package search
