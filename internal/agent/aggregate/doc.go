// Package aggregate makes one item of equal events that happen within a window
// of time (asc §3.7): a device that starts the same program every second sends
// it once an hour, with a count. It holds what it was given until the caller
// asks for it; it has no clock and no goroutine, and it sends nothing.
package aggregate
