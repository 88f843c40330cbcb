// Package spool keeps the agent's events until the hub has them: one queue per
// priority, on disk, within a bound. When the disk cannot be used the queues
// are in memory, within a small one.
//
// Events are the bytes of elements of a security message's Events; the package
// neither makes nor reads them, and it sends nothing.
package spool
