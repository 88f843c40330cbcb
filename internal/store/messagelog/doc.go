// Package messagelog keeps messages of devices, in the order in which the hub
// took them, on a log of package segment: one instance for telemetry, another
// for security messages.
//
// A message is durable when [Log.Append] returns. Messages leave by age and by
// total size, whole segment files at a time, and never in silence: what goes
// is counted and logged. A message that does not match its checksum is yielded
// as an error and reading goes on.
//
// The package keeps no cursors and no index: consumers remember the sequence
// up to which they have read.
package messagelog
