// Package eventdb keeps the events of security messages: one SQLite file for
// every day on which messages were received, so that retention is the removal
// of files.
//
//	lock              held by the process that has the store open
//	2026-11-24.db     what was received on that day (SQLite, WAL)
//
// Events gather in memory, in the open batch, and go to the file of their day
// in one durable transaction when there are enough of them or they have waited
// long enough. Until then they are found by queries like any other, but a
// crash loses them: [DB.Durable] says up to which message everything is on
// disk, and the caller gives the messages after it once more.
//
// In a file, events lie in blocks of about 32 KiB before compression, whole
// messages in the order of their sequence. Ids take 16 bytes, times are
// differences, names are numbers, payloads are the JSON that was sent; a block
// carries its checksum. For each device there is a list of its messages: in
// which block each lies, what kinds of event it has, of what time they are,
// and a short keyed hash of the id of every event. So a device's events are
// read without touching the blocks of others, and an event that was sent again
// is found with one search for each message and day. A hash alone decides
// nothing: the id is compared in the block.
//
// What is damaged is reported as an error of code Corrupt that names the file
// and the block, and everything else is served.
//
// The package does not know what is in a payload, makes no alerts and keeps no
// cursor but its own position. It serves one process and one writer.
package eventdb
