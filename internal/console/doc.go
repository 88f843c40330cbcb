// Package console is the hub's pages for people: one package below it for each
// area of them, put together here. Pages are made on the server, work without
// JavaScript, and are kept current by a stream where a browser has it. All that
// they show and do, they ask of the same services of the core as the REST
// interface does.
package console
