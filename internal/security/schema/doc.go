// Package schema reads and writes security messages: the JSON envelope with
// events that agents send. It is lenient where real agents break the published
// schema (time stamps, aggregated events, numbers for text and text for
// numbers, members that are missing or unknown) and strict in what protects
// the hub: size, depth, counts, lengths, UTF-8, JSON.
//
// What cannot be used of a message is told beside what can: an event that is
// refused does not keep the others from counting. The package decides nothing
// about what an event means, and it keeps nothing.
package schema
