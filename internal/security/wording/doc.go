// Package wording puts security events into sentences: what happened, in words,
// around the values that the device sent, which stay apart so that whoever
// shows them can mark them and keep them from doing harm.
//
// A kind of event without a sentence fails the tests of this package.
package wording
